"""Tables of shares side by side, each cell shaded by its value."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mmcli.plotting.panels import ShareGrid, Shares
from mmcli.plotting.style import INK, STRONG
from mmcli.util.text import shown

MAX_NAMED = 20  # rows or columns with names and numbers; more are only shaded
MAX_NAME = 24  # characters
CELL = (0.46, 0.3)  # inches
MARGIN = (2.2, 1.1)  # inches for the names
LARGEST = 9.0  # inches of the cells of one table


def draw_shares(panel: ShareGrid) -> Figure:
    """Draw the tables in rows of two."""
    grid = [panel.panes[place : place + 2] for place in range(0, len(panel.panes), 2)]
    widths = [max(_inches(row[column], 1) for row in grid if column < len(row)) for column in range(len(grid[0]))]
    heights = [max(_inches(pane, 0) for pane in row) for row in grid]
    figure = Figure(figsize=(sum(widths), sum(heights)), layout="constrained")
    every = figure.subplots(
        len(grid), len(widths), squeeze=False, gridspec_kw={"width_ratios": widths, "height_ratios": heights}
    )
    for axes, pane in zip(every.flat, panel.panes, strict=False):
        _draw(axes, pane)
    for axes in every.flat[len(panel.panes) :]:
        axes.remove()
    return figure


def _inches(pane: Shares, axis: int) -> float:
    """Height (axis 0) or width (axis 1) of a table with its names."""
    cells = CELL[1 - axis] * len(pane.rows if axis == 0 else pane.columns)
    return min(cells, LARGEST) + MARGIN[1 - axis]


def _draw(axes: Axes, pane: Shares) -> None:
    """Draw a table on its axes, with names and numbers where they have room."""
    shares = np.clip(pane.values, 0, 1)
    colors = np.zeros((*shares.shape, 4))  # transparent where nothing agrees, to suit any background
    colors[..., :3], colors[..., 3] = to_rgba(STRONG)[:3], shares
    axes.grid(visible=False)
    axes.imshow(colors, aspect="auto", interpolation="none")
    axes.set_title(pane.title, fontsize=11, parse_math=False)
    axes.set_xlabel(shown(pane.column_label), parse_math=False)
    if max(shares.shape) > MAX_NAMED:
        return
    for (row, column), value in np.ndenumerate(pane.values):
        color = "#fffffe" if shares[row, column] > 0.7 else INK
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(shares.shape[1]), [shown(name, MAX_NAME) for name in pane.columns], parse_math=False)
    axes.set_yticks(range(shares.shape[0]), [shown(name, MAX_NAME) for name in pane.rows], parse_math=False)
