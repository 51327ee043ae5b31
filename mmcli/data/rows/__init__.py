"""Rows of observations on the host: dense, packed, sparse, or streamed from a file."""
