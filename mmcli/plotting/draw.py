"""Panels -> figures, by matplotlib."""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from mmcli.plotting.draw_curves import draw_curves, draw_grid
from mmcli.plotting.draw_graph import draw_graph
from mmcli.plotting.draw_search import draw_search
from mmcli.plotting.draw_shares import draw_shares
from mmcli.plotting.panels import (
    Bars,
    Counts,
    CurveGrid,
    Curves,
    GraphPanel,
    Panel,
    Pictures,
    Scatter,
    SearchPanel,
    ShareGrid,
    Spectra,
)
from mmcli.plotting.style import (
    COLORS,
    INK,
    LINES,
    MARKERS,
    PAPER,
    STRONG,
    WIDTH,
    Files,
    Format,
    add_legend,
    encoded,
    look,
    save,
)
from mmcli.util.text import shown

MAX_SIDE = 2.5 * WIDTH  # inches of a table without names
MAX_NAMED = 30  # named groups of a scatter
MAX_COLUMNS = 800  # of spectra; beyond, the largest of neighbouring columns is drawn
MAX_NAME = 24  # characters of a class or a label
MAX_LINE = 12  # characters of a line under a picture
MAX_LEVEL = 4  # characters of a column's name; longer ones are written vertically
LEGEND_WIDTH = 60  # characters beside each other


def draw(panel: Panel) -> Files:
    """Draw a panel as files for a page, which shows title and note itself."""
    with look(panel.name):
        return save(_figure(panel))


def picture(panel: Panel, file_format: Format = "png") -> bytes:
    """Draw a panel as a stand-alone file, with its title and note."""
    with look(panel.name):
        figure = _figure(panel)
        width = figure.get_figwidth()
        lines = [(line, 9) for line in reversed(textwrap.wrap(panel.note, int(14 * width)))]
        lines += [(line, 11) for line in reversed(textwrap.wrap(panel.title, int(10 * width)))]
        height = 6.0  # points above the figure
        for line, size in lines:
            figure.text(0, 1 + height / 72 / figure.get_figheight(), line, fontsize=size, parse_math=False)
            height += 1.4 * size
        return encoded(figure, file_format, bbox_inches="tight", pad_inches=0.1)


def stacked(panels: Sequence[Panel]) -> bytes:
    """Draw panels one above the other, as one PNG."""
    pictures = [Image.open(io.BytesIO(picture(panel))) for panel in panels]
    width, height = max(part.width for part in pictures), sum(part.height for part in pictures)
    whole = Image.new("RGB", (width, height), PAPER)
    top = 0
    for part in pictures:
        whole.paste(part.convert("RGB"), (0, top))
        top += part.height
    buffer = io.BytesIO()
    whole.save(buffer, format="png")
    return buffer.getvalue()


def _figure(panel: Panel) -> Figure:
    """Figure of a panel of any kind."""
    return _DRAWN_BY[type(panel)](panel)


def _counts(panel: Counts) -> Figure:
    """Figure of a table of items, rows shaded by their shares."""
    num_rows, num_columns = panel.counts.shape
    is_written = max(num_rows, num_columns) <= panel.max_named
    width, height = max(WIDTH, 0.9 + 0.36 * num_columns), max(2.2, 0.8 + 0.32 * num_rows)
    size = (width, height) if is_written else (min(width, MAX_SIDE), min(height, MAX_SIDE))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=False)
    shares = panel.counts / np.maximum(panel.counts.sum(axis=1, keepdims=True), 1)
    colors = np.zeros((*shares.shape, 4))  # transparent where empty, to suit any background
    colors[..., :3], colors[..., 3] = to_rgba(STRONG)[:3], shares
    axes.imshow(colors, aspect="auto", interpolation="none")
    if is_written:
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
    """Figure of items in two dimensions."""
    figure = Figure(figsize=(WIDTH, 4.5), layout="constrained")
    axes = figure.add_subplot()
    names = np.unique(panel.groups)
    order = np.random.default_rng(0).permutation(
        len(panel.groups)
    )  # in random order, so that no group covers all others
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
        add_legend(
            figure,
            marks,
            texts,
            ncols=max(1, min(10, len(names), LEGEND_WIDTH // (longest + 3))),
            fontsize=10,
            handlelength=0.8,
            handletextpad=0.2,
            columnspacing=0.8,
        )
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    return figure


def _color(group: int) -> str:
    """Colour of a group, the same in every figure."""
    return COLORS[group % len(COLORS)]


def _marker(group: int) -> str:
    """Marker of a group, the same in every figure."""
    return MARKERS[group // len(COLORS) % len(MARKERS)]


def _pictures(panel: Pictures) -> Figure:
    """Figure of strips from the top down; lengths in widths of a picture."""
    columns = max(panel.places, *(len(strip.pictures) for strip in panel.strips))
    low, high = panel.bounds
    captions = [[textwrap.fill(shown(text, MAX_NAME), MAX_LINE) for text in strip.captions] for strip in panel.strips]
    longest = max((len(row) for texts in captions for text in texts for row in text.split("\n")), default=0)
    gap = 0.08
    scale = max(WIDTH / (10 * (1 + gap)) * 72, 5.5 * longest)  # points; captions must not overlap
    line = 13.5 / scale
    height = 0.0
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    for strip, texts in zip(panel.strips, captions, strict=True):
        if strip.heading:
            height += line
            axes.text(0, height - 0.24 * line, strip.heading, ha="left", va="baseline", fontsize=10, parse_math=False)
        if strip.name:
            name = shown(strip.name, MAX_NAME)
            axes.text(-0.15, height + 0.5, name, ha="right", va="center", fontsize=9, parse_math=False)
        for place, picture in enumerate(strip.pictures):
            extent = _extent(place * (1 + gap), height, picture.shape)
            values = picture if picture.ndim == 2 else np.clip(picture, 0, 1)  # colors have no scale
            axes.imshow(values, cmap="gray", vmin=low, vmax=high, interpolation="none", extent=extent)
        height += 1 + gap
        for place, caption in enumerate(texts):
            axes.text(
                place * (1 + gap) + 0.5,
                height - gap + 0.3 * line,
                caption,
                ha="center",
                va="top",
                fontsize=9,
                parse_math=False,
            )
        height += line * max((text.count("\n") + 1 for text in texts), default=0)
    axes.axis("off")
    width = columns * (1 + gap)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    figure.set_size_inches(width * scale / 72, height * scale / 72)
    return figure


def _extent(left: float, top: float, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a picture (H, W, ...) centred in a square of side 1."""
    height, width = (side / max(shape[:2]) for side in shape[:2])
    left, top = left + (1 - width) / 2, top + (1 - height) / 2
    return left, left + width, top + height, top


def _spectra(panel: Spectra) -> Figure:
    """Figure of shaded rows of values."""
    num_rows, width = panel.values.shape
    figure = Figure(figsize=(1.6 * WIDTH, 1.0 + 0.24 * num_rows), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=False)
    low = 0.0 if panel.values.min() >= 0 else None
    shades = axes.imshow(
        _pooled(panel.values),
        aspect="auto",
        cmap="magma",
        interpolation="nearest",
        extent=(0, width, num_rows, 0),
        vmin=low,
    )
    names = [shown(name, MAX_NAME) for name in panel.rows]
    axes.set_yticks(np.arange(num_rows) + 0.5, names, fontsize=9, parse_math=False)
    axes.set_xlabel("column", fontsize=9)
    axes.tick_params(axis="x", labelsize=9)
    bar = figure.colorbar(shades, ax=axes, pad=0.01)
    bar.set_label(panel.unit, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    for number, block in enumerate(panel.blocks):
        left = number * width / len(panel.blocks)
        axes.axvline(left, color=PAPER, linewidth=0.6)
        axes.text(left + width / len(panel.blocks) / 2, -0.15, block, ha="center", va="bottom", fontsize=8)
    return figure


def _pooled(values: np.ndarray) -> np.ndarray:
    """Values (R, D) reduced to MAX_COLUMNS columns or fewer: the largest of each group of neighbours."""
    group = -(-values.shape[1] // MAX_COLUMNS)
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % group)), mode="edge")
    return padded.reshape(len(values), -1, group).max(axis=2)


def _bars(panel: Bars) -> Figure:
    """Figure of seconds of each module."""
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


_DRAWN_BY: Mapping[type[Panel], Callable[[Any], Figure]] = {
    GraphPanel: draw_graph,
    Curves: draw_curves,
    CurveGrid: draw_grid,
    SearchPanel: draw_search,
    ShareGrid: draw_shares,
    Counts: _counts,
    Scatter: _scatter,
    Pictures: _pictures,
    Spectra: _spectra,
    Bars: _bars,
}
