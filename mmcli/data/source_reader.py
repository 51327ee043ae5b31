"""Reading of named data, each once, whose problems are collected, so that all are reported together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mmcli.config.model import DataSource, Places
from mmcli.config.problems import located
from mmcli.data.access import Access
from mmcli.data.labels import Labels
from mmcli.data.rows.streamed import RowSource
from mmcli.data.sequences import first_rows
from mmcli.data.validation import WrongValueError
from mmcli.errors import DataError
from mmcli.util.text import shown

_Checked = TypeVar("_Checked")


class SourceReader:
    """Reads arrays from sources, each once, and collects their problems."""

    def __init__(
        self,
        sources: Mapping[str, DataSource],
        places: Places,
        section: str,
        access: Access,
    ) -> None:
        self.sources = sources
        self.problems: list[str] = []
        self.taken: set[str] = set()
        self._places, self._section, self._access = places, section, access

    def note(self, name: str, text: str) -> str:
        """One line with the place where data were named, and a text."""
        keys = (self._section, name)
        return located(self._places.of(keys), keys, text)

    def report(self, name: str, error: DataError) -> None:
        """Add the problem of named data, once."""
        source = self.sources[name]
        line = self.note(name, error.text if source.array is not None else error.of(shown(str(source.file))))
        if line not in self.problems:  # two modules can observe the same data
            self.problems.append(line)

    def take_all(self, wanted: Mapping[str, tuple[str, Callable[[RowSource], _Checked]]]) -> dict[str, _Checked]:
        """Apply each check to its named data; those with a problem are left out."""
        taken = {}
        for what, (name, check) in wanted.items():
            with self._collecting(name):
                taken[what] = check(self._access.rows(self.sources[name]))
                self.taken.add(name)
        return taken

    def take_labels(
        self, names: Iterable[str], masks: Mapping[str, NDArray[np.bool_]], *, some: bool
    ) -> dict[str, Labels]:
        """Read labels by name; those with a problem are left out. With `some`, an item has to have one."""
        taken = {}
        for name in names:
            source = self.sources[name]
            if source.known is not None and source.known not in masks:  # the mask's own problem is reported already
                continue
            with self._collecting(name):
                labels = self._access.labels(source, masks.get(source.known or ""))
                if some and not labels.given.any():
                    raise DataError("no item has a label; label some, or measure no module against these")
                taken[name] = labels
                self.taken.add(name)
        return taken

    def take_sequences(self, wanted: Mapping[str, str | None]) -> dict[str, NDArray[np.bool_]]:
        """First rows of sequences by the name of their data, without those that have a problem.

        Args:
            wanted: the name of the data, or None, by module.
        """
        for module, name in wanted.items():
            if name is not None and name not in self.sources:
                text = f"data {name} are left out, and modules.{module} needs the sequence of each row; name them too"
                self.problems.append(located(self._places.of((self._section,)), (self._section,), text))
        names = sorted({name for name in wanted.values() if name is not None and name in self.sources})
        return self.take_all({name: (name, first_rows) for name in names})

    @contextmanager
    def _collecting(self, name: str) -> Iterator[None]:
        """Collect problems of named data."""
        try:
            yield
        except WrongValueError as error:
            self.report(name, DataError(error.text, self._access.line_of(self.sources[name], error.row)))
        except DataError as error:
            self.report(name, error)

    def count_items(self, known: Mapping[str, NDArray[np.bool_]], others: Mapping[str, int]) -> int:
        """Number of rows, which all arrays share; add a problem for an item without any observed sense.

        Args:
            known: masks (N,) of each sense, by name of the data.
            others: number of rows of other arrays, by name of the data.
        """
        first, num_items = next(((name, len(rows)) for name, rows in known.items()), ("", 0))
        lengths = [(name, len(rows)) for name, rows in known.items()]
        lengths += others.items()
        for name, num_rows in lengths:
            if known and num_rows != num_items:
                text = f"{num_rows} rows, but {self._section}.{first} has {num_items}"
                hint = self._header_hint({name: num_rows, first: num_items})
                self.report(name, DataError(f"{text}; row t of every array must be item t{hint}"))
        if known and not self.problems and not (some := np.logical_or.reduce(list(known.values()))).all():
            text = f"item {some.argmin()} (from 0) has none of its senses; leave it out of every array"
            self.report(first, DataError(text))
        return num_items

    def heading_notes(self) -> list[str]:
        """Notes on first lines that may name columns; none where other data have as many rows, which decides."""
        notes = []
        for name in sorted(self.taken):
            doubt = self._access.heading_doubt(self.sources[name])
            if doubt is None:
                return []
            notes.append(self.note(name, doubt))
        return notes

    def _header_hint(self, sizes: Mapping[str, int]) -> str:
        """Remedy where a text has one row more than other data: its first line may name its columns."""
        name = max(sizes, key=lambda name: sizes[name])
        may_be = max(sizes.values()) - min(sizes.values()) == 1 and self.sources[name].header is None
        is_text = may_be and self._access.line_of(self.sources[name], 0) is not None
        return f"; if the first line of {name} names its columns, set header: true" if is_text else ""
