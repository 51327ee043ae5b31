"""Sizes from which on items are computed block by block, so that memory does not grow with their number. No jax."""

ROWS = 4096  # items that are computed at a time where a result has columns, and a copy of all would fill the memory
LATE_VALUES = 1 << 24  # of a reconstruction; a larger one is computed block by block, as it is written
