"""Jobs: many runs of one config, on this machine, a batch system or a cluster."""
