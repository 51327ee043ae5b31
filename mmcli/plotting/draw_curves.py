"""Lines over rounds or iterations: one pair of axes, or several that share a legend."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mmcli.plotting.panels import CurveGrid, Curves
from mmcli.plotting.style import NUM_LINES, WIDTH, add_legend, line_look

MAX_MARKED = 40  # marked points of a line
PANE = (4.4, 3.0)  # inches
MIN_WIDTH, MAX_WIDTH = 6.4, 14.0  # inches; wider only if a label needs it
LEGEND_ROWS = 12  # a longer legend takes a further column where it fits


def draw_curves(panel: Curves) -> Figure:
    """Draw the lines of one panel."""
    labels = [line.label for line in panel.lines]
    columns = _num_columns(labels)
    more_rows = max(0, math.ceil(len(labels) / columns) - 2)
    figure = Figure(figsize=(WIDTH, 3.0 + 0.25 * more_rows), layout="constrained")
    axes = figure.add_subplot()
    _draw_lines(axes, panel)
    if any(labels):
        add_legend(figure, axes.lines, labels, ncols=columns)
    return figure


def draw_grid(panel: CurveGrid) -> Figure:
    """Draw panes in rows of three, and the legend below; beyond NUM_LINES lines it names the first ones."""
    labels = [line.label for line in panel.panes[0].lines]
    if len(labels) > NUM_LINES:
        labels[NUM_LINES:] = [f"and {len(labels) - NUM_LINES} more"]
    num_columns = min(3, len(panel.panes))
    num_rows = math.ceil(len(panel.panes) / num_columns)
    label_width = _label_width(labels)
    wanted = label_width * math.ceil(len(labels) / LEGEND_ROWS)
    width = max(PANE[0] * num_columns, MIN_WIDTH, label_width, min(wanted, MAX_WIDTH))
    legend_columns = min(len(labels), int(width / label_width))
    height = PANE[1] * num_rows + 0.3 + 0.2 * math.ceil(len(labels) / legend_columns)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=panel.shares_y, squeeze=False)
    for place, (axes, pane) in enumerate(zip(grid.flat, panel.panes, strict=False)):
        _draw_lines(axes, pane)
        axes.set_title(pane.title, fontsize=11, parse_math=False)
        axes.tick_params(labelbottom=True, labelleft=True)
        if panel.shares_y and place % num_columns:
            axes.set_ylabel("")
    for axes in grid.flat[len(panel.panes) :]:
        axes.remove()
    handles = [Line2D([], [], linewidth=2, markersize=5, **line_look(index)) for index in range(len(labels))]
    if len(labels) > NUM_LINES:
        handles[NUM_LINES] = Line2D([], [], linestyle="none")  # the number of further lines has no line itself
    if any(labels):
        add_legend(figure, handles, labels, ncols=legend_columns, fontsize=9, handlelength=3)  # long enough for a dash
    return figure


def _num_columns(labels: Sequence[str]) -> int:
    """Number of columns, four at most, in which a legend fits below one pair of axes."""
    for number in range(min(4, len(labels)), 1, -1):
        num_rows = math.ceil(len(labels) / number)  # a legend is filled column by column
        columns = (labels[first : first + num_rows] for first in range(0, len(labels), num_rows))
        if sum(map(_label_width, columns)) <= WIDTH:
            return number
    return 1


def _label_width(labels: Sequence[str]) -> float:
    """Width of the widest entry of a legend, in inches."""
    return 0.7 + 0.075 * max(map(len, labels))


def _draw_lines(axes: Axes, panel: Curves) -> None:
    """Draw the lines of a panel on its axes."""
    for index, line in enumerate(panel.lines):
        look = line_look(index)
        if len(line.x) > MAX_MARKED:
            look["marker"] = None
        axes.plot(line.x, line.y, linewidth=2, markersize=6, clip_on=False, **look)
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=look["color"], alpha=0.2, linewidth=0)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    if panel.bounds is not None:
        axes.set_ylim(*panel.bounds)
    if panel.x_names:
        axes.set_xticks(range(len(panel.x_names)), panel.x_names, parse_math=False)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
