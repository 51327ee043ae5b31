"""A config as frozen values; nothing here reads a file or checks anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from mmcli.modules.spec import ModuleSpec, Options

Keys: TypeAlias = tuple[str | int, ...]  # ("modules", "vae", "epochs"); an index inside a list


class Place(NamedTuple):
    """Place where a key or value was written."""

    on_command_line: bool
    line: int  # from 1; the number of the option on the command line
    column: int  # from 1, in characters
    text: str  # "configs/x.yaml:12:5" or "--set modules.vae.epochs=many"
    names: Keys = ()  # the keys that the text already names
    depth: int = 0  # of a file that the config extends: 1 for its base, 2 for the base of that
    folder: Path | None = None  # that relative paths of such a file start from; None for those of the config

    @property
    def order(self) -> tuple[bool, int, int, int]:
        """Sort key for reading order: what is extended first, the command line last."""
        return self.on_command_line, -self.depth, self.line, self.column


@dataclass(frozen=True)
class Places:
    """Places of every key and value of a config."""

    keys: dict[Keys, Place]
    values: dict[Keys, Place]

    def of(self, keys: Keys, at_key: bool = False) -> Place:
        """Place of a value, or of its key; of the nearest mapping around it where it was not written."""
        table = self.keys if at_key else self.values
        return next(table[keys[:length]] for length in range(len(keys), -1, -1) if keys[:length] in table)

    def put(self, keys: Keys, place: Place) -> None:
        """Record one place for a path and everything below it."""
        for table in (self.keys, self.values):
            for inner in [inner for inner in table if inner[: len(keys)] == keys]:
                del table[inner]
            table[keys] = place


@dataclass(frozen=True)
class DataSource:
    """An array in a file, or one in memory that a run of Python gave in place of a file."""

    name: str
    file: Path  # absolute; of an array in memory its name
    key: str | None  # which array of a .npz; None for a .npy, which holds one
    known: str | None = None  # name of the mask of observed rows; None: all are observed
    missing: Literal["nan"] | None = None  # nan: a row of NaN only is missing
    header: bool | None = None  # whether the first line of a text names its columns; None: decided by the text
    array: str | None = None  # SHA-256 of an array in memory (`data.memory`); None for a file


@dataclass(frozen=True)
class ModuleConfig:
    """An entry of `modules`."""

    name: str
    type: str  # name of a module type, or its import path, as written
    inputs: tuple[str, ...]  # names of modules; empty for an observation
    labels: str | None  # name of the data its classes are measured against
    data: str | None  # name of its data; for an observation only
    options: Options  # of the type's own class
    spec: ModuleSpec = field(compare=False, repr=False)  # of the type
    sequence: str | None = None  # name of the data that number the sequence of each row; None is one for all rows
    targets: tuple[str, ...] = ()  # names of the observations that a supervised type is given besides its inputs


class Search(NamedTuple):
    """Options of the search over the graph."""

    starts: int
    rounds: int  # of each start


@dataclass(frozen=True)
class Config:
    """A config with every default filled in. Two are equal if they request the same run, wherever they were written."""

    path: Path = field(compare=False)
    seed: int
    rounds: int
    messages: Literal["cavity", "serket"]
    search: Search
    checkpoint_every: int  # updates
    data: Mapping[str, DataSource]
    test: Mapping[str, DataSource]  # held-out data, by the names of `data`
    modules: Mapping[str, ModuleConfig]  # in the order written, which is the order of updates
    places: Places = field(compare=False, repr=False)

    def where(self, *keys: str | int) -> str:
        """Place where a value was written: file:line:col, or the option on the command line that set it."""
        return self.places.of(keys).text
