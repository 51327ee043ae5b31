"""Text, files and progress that every part uses."""
