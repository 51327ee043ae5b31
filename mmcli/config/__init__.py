"""Config files: YAML text to a checked, frozen config and its graph."""
