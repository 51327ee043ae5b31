"""Parts of a report as frozen values: sections of figures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmcli.plotting.panels import Panel


class Table(NamedTuple):
    """A table of text."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False  # collapsed until opened by the reader


@dataclass(frozen=True)
class Section:
    """A heading with notes, figures and tables."""

    name: str
    heading: str
    notes: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    tables: tuple[Table, ...] = ()

    def __bool__(self) -> bool:
        """Whether the section has any content."""
        return bool(self.notes or self.panels or self.tables)


class Report(NamedTuple):
    """Contents of the page."""

    title: str
    subject: str  # of the page, in words
    remarks: tuple[str, ...]  # caveats, shown first
    sections: tuple[Section, ...]
    settings: Mapping[str, str]
    config: str  # YAML; empty where there is none to show
