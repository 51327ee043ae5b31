"""The work of each command, from the config to the files."""
