"""Commands, and the display of their progress."""
