"""Figures: `panels` are plain values, `draw` makes files of them, `style` is the look of all."""
