"""Observed data: arrays of any format, validated for the modules that observe them."""
