"""Pictures of runs, as PNG or SVG."""

import io
import json
import math
import statistics
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice, product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from matplotlib import color_sequences
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType, LineStyleType

from mmcli.plotting.defaults import own_look
from mmcli.util.text import shown

if TYPE_CHECKING:
    from mmcli.runs.metrics import Metrics
    from mmcli.workflows.compare import Comparison, Run

MAX_NAMED = 40  # lines that a legend names; so many combinations of stroke and colour are there
MAX_VALUE = 32  # characters of a setting in a legend
MAX_TITLE = 12  # characters above an image
MIN_BAND = 3  # runs whose mean and range are drawn; two are two lines
MIN_WIDTH, MAX_WIDTH = 6.4, 14.0  # inches; wider only if a label needs it
MAX_CELLS = 100  # classes or labels of a confusion table that are named, and their items written
MAX_SIDE = 48.0  # inches of a confusion table
MAX_LEVEL = 4  # characters of a label that is written level; longer ones stand upright
LEGEND_ROWS = 12  # a legend of more takes a further column where there is room

_Style: TypeAlias = tuple[LineStyleType, ColorType]


@own_look()
def confusion_png(title: str, metrics: "Metrics") -> bytes:
    """The confusion table (R classes x L labels) as a picture: a row is a class, shaded by its shares of the labels."""
    num_classes, num_labels = metrics.confusion.shape
    shares = metrics.confusion / metrics.confusion.sum(axis=1, keepdims=True)  # (R, L)
    # A Figure of its own, not pyplot: no display, no global state.
    size = min(2 + 0.45 * num_labels, MAX_SIDE), min(1.6 + 0.4 * num_classes, MAX_SIDE)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if max(num_classes, num_labels) <= MAX_CELLS:
        for row, column in np.argwhere(metrics.confusion):
            color = "white" if shares[row, column] > 0.5 else "black"
            text = str(metrics.confusion[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
        names = [shown(name, MAX_VALUE) for name in metrics.label_names]
        turn = 90 if max(map(len, names)) > MAX_LEVEL else 0
        axes.set_xticks(range(num_labels), names, rotation=turn, parse_math=False)
        axes.set_yticks(range(num_classes), [shown(name, MAX_VALUE) for name in metrics.class_names], parse_math=False)
    axes.set_xlabel("label")
    axes.set_ylabel("class")
    axes.set_title(f"{title}: ACC {metrics.acc:.3f}, ARI {metrics.ari:.3f}, NMI {metrics.nmi:.3f}", fontsize=10)
    return _png(figure)


@own_look()
def images_png(images: np.ndarray, titles: Sequence[str], per_row: int | None = None) -> bytes:
    """Images (N, H, W) in a grid, gray, each with its title where there are titles; 10 or 20 a row where not said."""
    num_columns = min(len(images), per_row or (10 if len(images) <= 100 else 20))
    num_rows = -(-len(images) // num_columns)
    figure = Figure(figsize=(0.8 * num_columns, (0.95 if titles else 0.8) * num_rows), layout="constrained")
    lowest, highest = min(images.min(), 0), max(images.max(), 1)  # pixels of [0, 1] look the same in every picture
    grid = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image in zip(grid, images, strict=False):
        axes.imshow(image, cmap="gray", vmin=lowest, vmax=highest)
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(shown(title, MAX_TITLE), fontsize=9, parse_math=False)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a label may be in any script
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


class _Line(NamedTuple):
    """What a comparison draws as one line: a run, or the mean of runs that differ in the seed only."""

    label: str
    runs: "list[Run]"


@own_look()
def comparison_figure(comparison: "Comparison", file_format: str) -> bytes:
    """ACC of each module over the rounds, a line a run; seeds as their mean in a band from minimum to maximum.

    Args:
        comparison: with at least one module.
        file_format: png or svg.
    """
    lines = _lines(comparison)
    labels = [line.label for line in lines[:MAX_NAMED]]
    if len(lines) > MAX_NAMED:
        labels.append(f"and {len(lines) - MAX_NAMED} more")
    num_columns = min(3, len(comparison.modules))
    num_rows = math.ceil(len(comparison.modules) / num_columns)
    label_width = 0.6 + 0.066 * max(map(len, labels))  # inches, as all here
    wanted = label_width * math.ceil(len(labels) / LEGEND_ROWS)
    width = max(4.4 * num_columns, MIN_WIDTH, label_width, min(wanted, MAX_WIDTH))
    legend_columns = min(len(labels), int(width / label_width))
    height = 3.3 * num_rows + 0.4 + 0.19 * math.ceil(len(labels) / legend_columns)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
    styles: list[_Style] = list(islice(cycle(product(("-", "--", ":", "-."), color_sequences["tab10"])), len(lines)))
    for axes, module in zip(grid.flat, comparison.modules, strict=False):
        for line, style in zip(lines, styles, strict=True):
            _draw(axes, [run.course(module) for run in line.runs], style)
        axes.set_title(shown(module), fontsize=10, parse_math=False)
        axes.set_xlabel("round")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.tick_params(labelbottom=True, labelleft=True)
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(comparison.modules) :]:
        axes.remove()
    for row in grid:
        row[0].set_ylabel("ACC")
    if any(len(line.runs) > 1 for line in lines):
        figure.suptitle("several runs: mean over seeds, band from minimum to maximum", fontsize=9)
    _add_legend(figure, labels, styles, legend_columns)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a path may be in any script
        figure.savefig(buffer, format=file_format, dpi=120)
    return buffer.getvalue()


def _add_legend(figure: Figure, labels: Sequence[str], styles: Sequence[_Style], num_columns: int) -> None:
    """Name the lines below the axes; a label more than MAX_NAMED stands without a line."""
    handles = [
        Line2D([], [], linestyle=stroke, color=color, marker="o", markersize=3) for stroke, color in styles[:MAX_NAMED]
    ]
    if len(labels) > MAX_NAMED:
        handles.append(Line2D([], [], linestyle="none"))
    # Labels come after: the legend would leave out one that begins with _, and read $ as mathematics.
    legend = figure.legend(
        handles,
        ["-"] * len(labels),
        loc="outside lower center",
        ncols=num_columns,
        fontsize=8,
        frameon=False,
        handlelength=3,  # a dashed line is seen to be one
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)


def _draw(axes: Axes, courses: Sequence[dict[int, float]], style: _Style) -> None:
    """One run, or the mean and the range of several, over the rounds that all have."""
    stroke, color = style
    rounds = sorted(set.intersection(*map(set, courses)))
    values = [[course[number] for course in courses] for number in rounds]
    means = [statistics.fmean(at_round) for at_round in values]
    axes.plot(rounds, means, linestyle=stroke, color=color, marker="o", markersize=3, linewidth=1.3)
    if len(courses) > 1:
        axes.fill_between(rounds, list(map(min, values)), list(map(max, values)), color=color, alpha=0.2, linewidth=0)


def _lines(comparison: "Comparison") -> list[_Line]:
    """Groups and the runs in no group, in the order named; a label that is no one line's own gets the run's path."""
    together = {
        run.path: group.runs for group in comparison.groups if len(group.runs) >= MIN_BAND for run in group.runs
    }
    members = {runs[0].path: runs for runs in (together.get(run.path, [run]) for run in comparison.runs)}
    lines = [_Line(_label(comparison, runs), runs) for runs in members.values()]
    times = Counter(line.label for line in lines)
    return [
        line if times[line.label] == 1 else _Line(f"{line.label}, {shown(str(line.runs[0].path))}", line.runs)
        for line in lines
    ]


def _label(comparison: "Comparison", runs: "Sequence[Run]") -> str:
    """The settings that tell a line from others, how many seeds it joins, and whether it has not finished."""
    told = []
    for first, *others in comparison.columns():
        value = runs[0].settings.get(first)
        if value is not None and (first != "seed" or len(runs) == 1):
            text = value if isinstance(value, str) else json.dumps(value)
            text = text if len(text) <= MAX_VALUE else f"\u2026{text[1 - MAX_VALUE :]}"
            also = f" (+{len(others)})" if others else ""
            told.append(shown(f"{first.removeprefix('modules.')}{also} {text}"))
    if len(runs) == 1 and not told:
        told.append(shown(str(runs[0].path)))
    if len(runs) > 1:
        told.append(f"{len(runs)} runs")
    elif runs[0].status != "finished":
        told.append(runs[0].status)
    return ", ".join(told)
