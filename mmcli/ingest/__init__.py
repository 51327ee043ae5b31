"""What makes data files of what people have on disk or find on the web; needs no jax."""
