"""Figures: `panels` holds plain values, `draw` turns them into files, `style` defines their look."""
