"""Features of recordings: rows of fixed width for modules to learn from; needs no jax."""
