"""What a report is made of, as frozen values: sections of figures and tables, before anything is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Panel:
    """One figure."""

    name: str  # of its files, without suffix
    title: str
    alt: str  # what it shows, for who does not see it
    note: str  # how it is to be read


class Box(NamedTuple):
    """A module in the drawing of the graph."""

    name: str
    type: str
    parents: tuple[str, ...]
    messages: tuple[str, ...]  # what goes over the arrow from each parent: "18 points"
    answers: tuple[bool, ...]  # whether each parent hears back


@dataclass(frozen=True)
class GraphPanel(Panel):
    boxes: tuple[Box, ...]  # in the order of updates


class Line(NamedTuple):
    label: str  # empty where the title names it
    x: np.ndarray  # (n,)
    y: np.ndarray  # (n,)


@dataclass(frozen=True)
class Curves(Panel):
    """Lines over rounds or iterations."""

    lines: tuple[Line, ...]
    x_label: str
    y_label: str
    bounds: tuple[float, float] | None = None  # of the y axis


@dataclass(frozen=True)
class Counts(Panel):
    """A table of items, each row shaded by its shares."""

    counts: np.ndarray  # (R, C)
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_label: str
    column_label: str


@dataclass(frozen=True)
class Scatter(Panel):
    """Items in two dimensions."""

    points: np.ndarray  # (n, 2)
    groups: np.ndarray  # (n,) whole numbers, which choose colours
    names: Mapping[int, str]  # of the groups
    x_label: str
    y_label: str


class Strip(NamedTuple):
    """A row of pictures."""

    heading: str
    pictures: np.ndarray  # (n, height, width)
    captions: tuple[str, ...] = ()  # one under each, or none


@dataclass(frozen=True)
class Pictures(Panel):
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Bars(Panel):
    """Seconds of each module, learning and compiling."""

    labels: tuple[str, ...]
    learning: np.ndarray  # (M,)
    compiling: np.ndarray  # (M,)


class Table(NamedTuple):
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False  # opened on request


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    name: str
    heading: str
    notes: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    tables: tuple[Table, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.notes or self.panels or self.tables)


class Report(NamedTuple):
    """All that the page says."""

    title: str
    status: str  # running, stopped, finished or failed
    remarks: tuple[str, ...]  # what has to be known before the rest is believed
    sections: tuple[Section, ...]
    settings: Mapping[str, str]
    config: str  # YAML
