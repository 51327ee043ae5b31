"""What each command does, from the config to the files."""
