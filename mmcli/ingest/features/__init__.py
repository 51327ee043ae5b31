"""What turns recordings into the fixed-width rows that modules learn from; needs no jax."""
