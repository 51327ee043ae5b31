"""Making data files from files on disk or from the web; needs no jax."""
