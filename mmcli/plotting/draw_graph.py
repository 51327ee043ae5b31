"""Drawing of the graph of modules: boxes in layers, children below their parents.

An arrow that passes a layer has a slot of its own in it, so that no arrow crosses a box.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from mmcli.plotting.panels import Box, GraphPanel
from mmcli.plotting.style import INK, LINES, PAPER, WIDTH

_BOX = (1.05, 0.54)  # inches
_LAYER = 1.15  # inches between layers
_COLUMN = 1.4  # inches between boxes, at least
_SWEEPS = 6
_DASHES = (0, (4, 2))  # points of ink and of paper

_Point: TypeAlias = tuple[float, float]  # inches
_Slot: TypeAlias = str | tuple[str, str, int]  # a box, or the slot of an arrow in a layer that it passes


class Layout(NamedTuple):
    """Slots of boxes and arrows; layers count from the top."""

    slots: Sequence[Sequence[_Slot]]  # from left to right, of each layer
    routes: Mapping[tuple[str, str], Sequence[_Slot]]  # of each arrow, both its ends included


def draw_graph(panel: GraphPanel) -> Figure:
    """Draw boxes with the name and type of each module, and arrows labelled with their messages."""
    slots, routes = layout(panel.boxes)
    size = (max(WIDTH, _COLUMN * max(map(len, slots))), _LAYER * (len(slots) - 1) + _BOX[1] + 0.2)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.axis("off")
    centres = {
        slot: ((index + 0.5) * size[0] / len(row), layer * _LAYER + _BOX[1] / 2 + 0.1)
        for layer, row in enumerate(slots)
        for index, slot in enumerate(row)
    }
    num_children = {box.name: sum(box.name in other.sources for other in panel.boxes) for box in panel.boxes}
    for box in panel.boxes:
        for source, message, backward in box.arrows:
            points = list(_points([centres[slot] for slot in routes[source, box.name]]))
            # Labels are placed away from the point where arrows meet.
            label_at = 0.28 if len(box.sources) > 1 else 0.72 if num_children[source] > 1 else 0.42
            _draw_arrow(axes, points, message, label_at, backward=backward, is_target=source in box.targets)
    for box in panel.boxes:
        _draw_box(axes, centres[box.name], box)
    return figure


def layout(boxes: Sequence[Box]) -> Layout:
    """Arrange boxes: a module just above its highest child, neighbours in the graph in nearby columns."""
    heights: dict[str, int] = {}
    for box in reversed(boxes):
        heights[box.name] = 1 + max((heights[child.name] for child in boxes if box.name in child.sources), default=-1)
    top = max(heights.values())
    layers = {name: top - height for name, height in heights.items()}
    rows: list[list[_Slot]] = [[name for name in layers if layers[name] == layer] for layer in range(top + 1)]
    routes: dict[tuple[str, str], list[_Slot]] = {}
    for box in boxes:
        for source in box.sources:
            passed = range(layers[source] + 1, layers[box.name])
            for layer in passed:
                rows[layer].append((source, box.name, layer))
            routes[source, box.name] = [source, *((source, box.name, layer) for layer in passed), box.name]
    links = [link for route in routes.values() for link in pairwise(route)]
    for sweep in range(_SWEEPS):
        columns = {slot: (index + 0.5) / len(row) for row in rows for index, slot in enumerate(row)}
        for row in rows if sweep % 2 else reversed(rows):
            wish = {slot: _mean(slot, links, columns) for slot in row}
            row.sort(key=lambda slot: wish[slot])
            columns |= {slot: (index + 0.5) / len(row) for index, slot in enumerate(row)}
    return Layout(rows, routes)


def _mean(slot: _Slot, links: Sequence[tuple[_Slot, _Slot]], columns: Mapping[_Slot, float]) -> float:
    """Mean column of the slots linked with one."""
    linked = [columns[lower if slot == upper else upper] for upper, lower in links if slot in (upper, lower)]
    return sum(linked) / len(linked) if linked else columns[slot]


def _points(centres: Sequence[_Point]) -> Iterator[_Point]:
    """Corners of an arrow, from the lower edge of its first slot to the upper edge of its last."""
    half = _BOX[1] / 2
    yield centres[0][0], centres[0][1] + half
    for x, y in centres[1:-1]:
        yield x, y - half
        yield x, y + half
    yield centres[-1][0], centres[-1][1] - half


def _draw_arrow(
    axes: Axes, points: Sequence[_Point], message: str, label_at: float, *, backward: bool, is_target: bool
) -> None:
    """Draw the arrow of the forward message or the target, beside it the backward one's, and the label over both."""
    aside = 0.06 if backward else 0.0
    ways: list[tuple[list[_Point], Any]] = [([(x + aside, y) for x, y in points], _DASHES if is_target else "-")]
    if backward:
        ways.append(([(x - aside, y) for x, y in reversed(points)], _DASHES))
    for way, dashes in ways:
        arrow = FancyArrowPatch(path=Path(way), arrowstyle="-|>", mutation_scale=9, linewidth=1.1, linestyle=dashes)
        arrow.set(facecolor="none", edgecolor=INK)
        axes.add_patch(arrow)
    # The label goes where the arrow passes a layer: there is room.
    (x0, y0), (x1, y1) = points[1:3] if len(points) > 2 else points
    label_at = 0.5 if len(points) > 2 else label_at
    frame = {"boxstyle": "round,pad=0.1", "facecolor": PAPER, "edgecolor": "none"}
    x, y = x0 + label_at * (x1 - x0), y0 + label_at * (y1 - y0)
    axes.text(x, y, message, ha="center", va="center", fontsize=10, bbox=frame)


def _draw_box(axes: Axes, centre: _Point, box: Box) -> None:
    """Draw a module as a box with its name and type."""
    x, y = centre
    corner = (x - _BOX[0] / 2, y - _BOX[1] / 2)
    edge = LINES[0] if box.parents else INK
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, *_BOX, boxstyle=style, facecolor=PAPER, edgecolor=edge, linewidth=1.5))
    name = box.name if len(box.name) <= 11 else f"{box.name[:10]}…"
    text = name if box.type == box.name else f"{name}\n{box.type}"
    axes.text(x, y, text, ha="center", va="center", fontsize=11, linespacing=1.2)
