"""Observed data as the source of a graph."""
