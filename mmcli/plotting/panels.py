"""Figures as frozen plain values, before drawing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Panel:
    """One figure."""

    name: str  # of the files, without suffix
    title: str
    alt: str  # text alternative, for readers who cannot see it
    note: str  # caption


class Box(NamedTuple):
    """A module in the drawing of the graph."""

    name: str
    type: str
    parents: tuple[str, ...]
    messages: tuple[str, ...]  # label of the arrow from each parent, then each target: "18 points"
    backward: tuple[bool, ...]  # whether each parent receives a backward message
    targets: tuple[str, ...] = ()  # which receive none

    @property
    def sources(self) -> tuple[str, ...]:
        """Boxes with an arrow to this one."""
        return self.parents + self.targets

    @property
    def arrows(self) -> Iterator[tuple[str, str, bool]]:
        """Source and label of each arrow, and whether a backward message lies beside it."""
        backward = self.backward + (False,) * len(self.targets)
        return zip(self.sources, self.messages, backward, strict=True)


@dataclass(frozen=True)
class GraphPanel(Panel):
    """The graph of modules."""

    boxes: tuple[Box, ...]  # in the order of updates


class Line(NamedTuple):
    """A line of a plot."""

    label: str  # empty where the title serves
    x: np.ndarray  # (n,)
    y: np.ndarray  # (n,)
    low: np.ndarray | None = None  # (n,) lower edge of a band around the line; None where it has none
    high: np.ndarray | None = None  # (n,) upper edge


@dataclass(frozen=True)
class Curves(Panel):
    """Lines over rounds or iterations, or over values that have names."""

    lines: tuple[Line, ...]
    x_label: str
    y_label: str
    bounds: tuple[float, float] | None = None  # of the y axis
    x_names: tuple[str, ...] = ()  # of x = 0, 1, ...; none where x is a number


@dataclass(frozen=True)
class SearchPanel(Panel):
    """Scores of the starts of a search and of later rounds."""

    starts: np.ndarray  # (P,)
    chosen: int  # start, from 1
    agreement: np.ndarray | None  # (P,) of each start with the chosen one, up to 1; None where unknown
    rounds: np.ndarray  # (R,) numbers of the rounds
    scores: np.ndarray  # (R,) of these rounds
    kept: int | None  # number of the round that is kept; None where it is the chosen start
    unit: str  # of the scores


@dataclass(frozen=True)
class CurveGrid(Panel):
    """Curves side by side, which share the x axis and one legend: line i of each has the same label."""

    panes: tuple[Curves, ...]
    shares_y: bool = True  # whether the y axis is shared as well


@dataclass(frozen=True)
class Counts(Panel):
    """A table of items, each row shaded by its shares."""

    counts: np.ndarray  # (R, C)
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_label: str
    column_label: str
    max_named: int = 30  # rows or columns with names and numbers; more are only shaded


class Shares(NamedTuple):
    """A table of shares, shaded by them."""

    title: str
    values: np.ndarray  # (R, C) up to 1; below 0 as 0
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    column_label: str


@dataclass(frozen=True)
class ShareGrid(Panel):
    """Tables of shares, two in a row."""

    panes: tuple[Shares, ...]


@dataclass(frozen=True)
class Scatter(Panel):
    """Items in two dimensions."""

    points: np.ndarray  # (n, 2)
    groups: np.ndarray  # (n,) whole numbers, which select colours
    names: Mapping[int, str]  # of the groups
    x_label: str
    y_label: str


class Strip(NamedTuple):
    """A row of pictures."""

    heading: str  # above
    pictures: np.ndarray  # (n, height, width) gray, or (n, height, width, 3) red, green and blue from 0 to 1
    captions: tuple[str, ...] = ()  # one under each, or none
    name: str = ""  # on the left


@dataclass(frozen=True)
class Pictures(Panel):
    """Strips of pictures on one scale of gray."""

    strips: tuple[Strip, ...]
    bounds: tuple[float, float] = (0.0, 1.0)  # values that are black and white
    places: int = 10  # in a row, at least


@dataclass(frozen=True)
class Spectra(Panel):
    """A row of values for each group, shaded, as a spectrogram is drawn."""

    values: np.ndarray  # (R, D)
    rows: tuple[str, ...]  # names of the groups
    unit: str  # of the values
    blocks: tuple[str, ...] = ()  # names of groups of columns of equal width, in their order; none where there are none


@dataclass(frozen=True)
class Bars(Panel):
    """Seconds of each module, learning and compiling."""

    labels: tuple[str, ...]
    learning: np.ndarray  # (M,)
    compiling: np.ndarray  # (M,)
