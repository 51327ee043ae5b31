"""What a report is made of, as frozen values: sections of figures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmcli.plotting.panels import Panel


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
