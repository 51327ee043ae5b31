"""Graphs of built modules: training, recognition and their state."""
