"""Markov chain."""
