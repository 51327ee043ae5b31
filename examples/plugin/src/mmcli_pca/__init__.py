"""Probabilistic principal component analysis for mmcli."""
