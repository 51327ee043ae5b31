"""A mapping of Python as a config: the values that a YAML file of the same content would give, and their places."""

import os
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any

from mmcli.config.model import Keys, Place, Places
from mmcli.config.problems import Problems
from mmcli.config.source import MAX_DEPTH, MAX_VALUES
from mmcli.util.text import shown

NAME = "config"  # of a mapping in errors, and of the runs that learn from it


class MappingReader:
    """Reader of one mapping.

    Attributes:
        places: of every key and value, in the order of the mapping.
        problems: where faults go; values that no YAML file can hold are left out.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.places = Places({}, {})
        self._num_values = 0

    def read(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Plain values of a mapping: dict, tuple, str, int, float, bool, None."""
        root = Place(False, 0, 0, NAME)
        self.places.put((), root)
        return dict(self._entries(mapping, ()))

    def _entries(self, mapping: Mapping[Any, Any], keys: Keys) -> Iterator[tuple[str, Any]]:
        for key, value in mapping.items():
            if isinstance(key, str):
                yield from ((key, plain) for plain in self._plain(value, (*keys, key)))
            else:
                name = f"({shown(str(key), 40)})"
                self.problems.add(self._place((*keys, name)), (*keys, name), "a key must be text; put it in quotes")

    def _place(self, keys: Keys) -> Place:
        """Place of a value, noted for the errors of later checks."""
        self._num_values += 1
        place = self.places.keys[keys] = self.places.values[keys] = Place(False, self._num_values, 0, NAME)
        return place

    def _plain(self, value: Any, keys: Keys) -> Iterator[Any]:
        """One plain value, or a problem and none."""
        place = self._place(keys)
        if len(keys) > MAX_DEPTH or self._num_values > MAX_VALUES:
            limit = f"{MAX_VALUES} values" if self._num_values > MAX_VALUES else f"{MAX_DEPTH} levels"
            self.problems.add(place, keys, f"more than {limit}")
            return
        match value:
            case None | str() | bool():
                yield value
            case Mapping():
                yield dict(self._entries(value, keys))
            case list() | tuple():
                entries = (self._plain(entry, (*keys, index)) for index, entry in enumerate(value))
                yield tuple(plain for entry in entries for plain in entry)
            case os.PathLike():
                yield os.fspath(value)
            case Integral():  # numpy's too
                yield int(value)
            case Real():
                yield float(value)
            case _:
                text = f"a value of type {type(value).__name__}; a config holds mappings, lists, text and numbers"
                self.problems.add(place, keys, f"{text}, and arrays are given by data=")
