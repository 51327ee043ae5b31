"""Panels -> figures, by matplotlib."""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mmcli.plotting.draw_graph import draw_graph
from mmcli.plotting.panels import Bars, Counts, Curves, GraphPanel, Panel, Pictures, Scatter
from mmcli.plotting.style import COLORS, INK, LINES, MARKERS, PAPER, STRONG, WIDTH, Files, look, save
from mmcli.util.text import shown

MAX_WRITTEN = 30  # rows or columns of a table whose cells show their number
MAX_NAMED = 30  # groups of a scatter that are named
MAX_NAME = 24  # characters of a class or a label
MAX_LEVEL = 4  # characters of a column's name that is written level; longer ones stand upright
LEGEND_WIDTH = 60  # characters beside each other


def draw(panel: Panel) -> Files:
    """A panel as files."""
    with look(panel.name):
        return save(_figure(panel))


def _figure(panel: Panel) -> Figure:
    match panel:
        case GraphPanel():
            return draw_graph(panel)
        case Curves():
            return _curves(panel)
        case Counts():
            return _counts(panel)
        case Scatter():
            return _scatter(panel)
        case Pictures():
            return _pictures(panel)
        case Bars():
            return _bars(panel)
    raise TypeError(f"no drawing for {type(panel).__name__}")


def _curves(panel: Curves) -> Figure:
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.add_subplot()
    for index, line in enumerate(panel.lines):
        axes.plot(
            line.x,
            line.y,
            label=line.label,
            color=LINES[index % len(LINES)],
            marker=MARKERS[index % len(MARKERS)] if len(line.x) <= 40 else None,
            linewidth=2,
            markersize=6,
            clip_on=False,
        )
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    if panel.bounds is not None:
        axes.set_ylim(*panel.bounds)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    if any(line.label for line in panel.lines):
        figure.legend(loc="outside lower center", ncols=min(4, len(panel.lines)))
    return figure


def _counts(panel: Counts) -> Figure:
    num_rows, num_columns = panel.counts.shape
    width = max(WIDTH, min(0.9 + 0.36 * num_columns, 2.5 * WIDTH))
    figure = Figure(figsize=(width, max(2.2, min(0.8 + 0.32 * num_rows, 2.5 * WIDTH))), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=False)
    shares = panel.counts / np.maximum(panel.counts.sum(axis=1, keepdims=True), 1)
    colors = np.zeros((*shares.shape, 4))  # see-through where there is nothing, so that it suits any paper
    colors[..., :3], colors[..., 3] = to_rgba(STRONG)[:3], shares
    axes.imshow(colors, aspect="auto", interpolation="none")
    if max(num_rows, num_columns) <= MAX_WRITTEN:
        for row, column in np.argwhere(panel.counts):
            color = "#fffffe" if shares[row, column] > 0.7 else INK
            text = str(panel.counts[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color=color)
        columns = [shown(name, MAX_NAME) for name in panel.columns]
        longest = max(map(len, columns))
        upright = longest > MAX_LEVEL and num_columns * longest > LEGEND_WIDTH
        axes.set_xticks(range(num_columns), columns, rotation=90 if upright else 0, parse_math=False)
        axes.set_yticks(range(num_rows), [shown(name, MAX_NAME) for name in panel.rows], parse_math=False)
    axes.set(xlabel=panel.column_label, ylabel=panel.row_label)
    return figure


def _scatter(panel: Scatter) -> Figure:
    figure = Figure(figsize=(WIDTH, 4.5), layout="constrained")
    axes = figure.add_subplot()
    names = np.unique(panel.groups)
    order = np.random.default_rng(0).permutation(len(panel.groups))  # no group lies on top of all others
    points, groups = panel.points[order], panel.groups[order]
    for marker in sorted({_marker(name) for name in names}):
        drawn = np.array([_marker(group) == marker for group in groups])
        axes.scatter(
            points[drawn, 0],
            points[drawn, 1],
            c=[_color(group) for group in groups[drawn]],
            marker=marker,
            s=11,
            linewidths=0,
            alpha=0.85,
            rasterized=True,
        )
    if len(names) <= MAX_NAMED:
        texts = [shown(panel.names[name], MAX_NAME) for name in names.tolist()]
        for name, text in zip(names, texts, strict=True):
            x, y = np.median(points[groups == name], axis=0)
            frame = {"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": _color(name)}
            axes.text(x, y, text, ha="center", va="center", fontsize=10, bbox=frame, parse_math=False)
        marks = [Line2D([], [], linestyle="none", color=_color(name), marker=_marker(name)) for name in names]
        longest = max(map(len, texts), default=1)
        legend = figure.legend(
            marks,
            [""] * len(texts),  # a legend leaves out what begins with _, and reads $ as mathematics
            loc="outside lower center",
            ncols=max(1, min(10, len(names), LEGEND_WIDTH // (longest + 3))),
            fontsize=10,
            handlelength=0.8,
            handletextpad=0.2,
            columnspacing=0.8,
        )
        for entry, text in zip(legend.get_texts(), texts, strict=True):
            entry.set_parse_math(False)
            entry.set_text(text)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    return figure


def _color(group: int) -> str:
    """The same for a place in every figure."""
    return COLORS[group % len(COLORS)]


def _marker(group: int) -> str:
    return MARKERS[group // len(COLORS) % len(MARKERS)]


def _pictures(panel: Pictures) -> Figure:
    """Strips from the top down; lengths in widths of a picture."""
    columns = max(len(strip.pictures) for strip in panel.strips)
    gap, line = 0.08, 0.42
    height = 0.0
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    scale = WIDTH / (10 * (1 + gap)) * 72  # points
    for strip in panel.strips:
        if strip.heading:
            height += line
            axes.text(0, height - 0.1, strip.heading, ha="left", va="baseline", fontsize=10, parse_math=False)
        for place, picture in enumerate(strip.pictures):
            left = place * (1 + gap)
            axes.imshow(
                picture, cmap="gray", vmin=0, vmax=1, interpolation="none", extent=(left, left + 1, height + 1, height)
            )
        height += 1 + gap
        for place, caption in enumerate(strip.captions):
            middle = place * (1 + gap) + 0.5
            text = shown(caption, MAX_NAME)
            axes.text(middle, height + 0.25, text, ha="center", va="baseline", fontsize=9, parse_math=False)
        height += line if strip.captions else 0
    axes.axis("off")
    width = max(columns, 10) * (1 + gap)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    figure.set_size_inches(width * scale / 72, height * scale / 72)
    return figure


def _bars(panel: Bars) -> Figure:
    figure = Figure(figsize=(WIDTH, 1.3 + 0.42 * len(panel.labels)), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(panel.labels))
    axes.barh(places, panel.learning, color=LINES[0], label="learning", height=0.62)
    axes.barh(places, panel.compiling, left=panel.learning, color=LINES[1], label="compiling", height=0.62, hatch="///")
    for place, total in enumerate(panel.learning + panel.compiling):
        axes.annotate(f"{total:.1f} s", (total, place), (4, 0), textcoords="offset points", va="center", fontsize=10)
    axes.set_yticks(places, panel.labels)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.margins(x=0.16)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
