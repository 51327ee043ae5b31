"""Entries of a config as pydantic models: what may be written at its top, under `data`, `test` and `modules`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from mmcli.modules.spec import Options, PositiveInt

NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
MAX_NAME = 64  # a folder of a run directory is named after it

_Path = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$", json_schema_extra={"format": "path"})]
_Name = Annotated[str, Field(min_length=1, json_schema_extra={"format": "name"})]


class SearchEntry(Options):
    """The entry `search`."""

    starts: PositiveInt = Field(
        4, description="starts of the modules that cost little, of which the one under which they share most goes on"
    )
    rounds: PositiveInt = Field(2, description="rounds of each start")


class Top(Options):
    """The keys of a config; `extends` is resolved before the others are read."""

    extends: _Path | None = Field(None, description="config whose values hold where this one has none")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="of all random draws")
    rounds: PositiveInt = Field(5, description="rounds of updates, each of every module")
    messages: Literal["cavity", "serket"] = Field(
        "cavity",
        description="what a backward message leaves out: cavity, its receiver's own message; serket, nothing",
    )
    search: dict[str, Any] = Field(default_factory=dict, description="search over the graph, in the first round")
    checkpoint_every: PositiveInt = Field(1, description="updates between two checkpoints")
    data: dict[str, Any] = Field(default_factory=dict, description="arrays by name: observations, labels, masks")
    test: dict[str, Any] = Field(default_factory=dict, description="held-out arrays, by the names of data")
    modules: dict[str, Any] = Field(min_length=1, description="modules by name, in the order of their updates")


class Rows(Options):
    """Which rows of an array are observed."""

    known: _Name | None = Field(None, description="name under data of the mask of observed rows, 1 and 0")
    missing: Literal["nan"] | None = Field(None, description="nan: a row of NaN only is missing")


class File(Rows):
    """An array in a file."""

    file: _Path = Field(description="relative to the config; ~ and $NAME as in a shell")
    key: _Name | None = Field(None, description="which array of an .npz, or column of a table")
    header: bool | None = Field(
        None, description="whether the first line of a text names its columns; left out, the text decides"
    )


class Array(Rows):
    """What mmcli writes of an array that was in memory."""

    array: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", json_schema_extra={"format": "SHA-256"})] = Field(
        description="SHA-256 of an array that was in memory; written by mmcli"
    )


class Observation(Options):
    """An entry of `modules` that stands for data."""

    type: _Name
    data: _Name = Field(description="name under data")


class Learner(Options):
    """An entry of `modules` that learns, besides the options of its type."""

    type: _Name
    inputs: tuple[_Name, ...] = Field(min_length=1, description="names of modules written before this one")
    labels: _Name | None = Field(None, description="name under data; labels measure classes and train nothing")
    sequence: _Name | None = Field(None, description="name under data of the sequence that each row belongs to")
    targets: tuple[_Name, ...] = Field((), description="observations that a supervised type is given besides inputs")
