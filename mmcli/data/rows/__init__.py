"""Rows of observations on the host: dense, sparse, or streamed from a file."""
