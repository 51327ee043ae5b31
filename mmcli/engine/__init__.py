"""Graphs of built modules: training, prediction and their state."""
