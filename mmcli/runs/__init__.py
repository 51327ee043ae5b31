"""Run directories: reading, writing, checkpoints."""
