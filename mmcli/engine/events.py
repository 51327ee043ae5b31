"""Events of a run, as its turns yield them: progress, and results with the moment after them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np

from mmcli.data.rows.streamed import StreamedRows
from mmcli.engine.saving import Moment


class Progress(NamedTuple):
    """Progress of an update: inner iterations done. Rounds and starts count from 1; start 0 is none of the search."""

    round: int
    module: str
    done: int
    iterations: int
    moment: Moment
    start: int = 0


class Started(NamedTuple):
    """Finished start of the search."""

    start: int
    score: float
    moment: Moment
    classes: np.ndarray | None  # (N,) of `Plan.compared`; None where they are those of the first round


class Counted(NamedTuple):
    """Numbers of classes that were found, by module."""

    numbers: Mapping[str, int]
    moment: Moment


class Update(NamedTuple):
    """Finished update of a module. Rounds count from 1."""

    round: int
    module: str
    objective: float | None  # in the unit of the spec; None where it has none
    trace: np.ndarray | None  # (I,); None where the update is an earlier one
    report: dict[str, np.ndarray]
    params: dict[str, np.ndarray]  # the leaves of its state by name
    seconds: float  # of learning
    compile_seconds: float  # of waiting until the module was compiled
    moment: Moment
    own_classes: np.ndarray | None = None  # (N,) of `routing.own_classes`
    late: Mapping[str, StreamedRows] = MappingProxyType({})  # reported arrays that are computed as they are written
    is_whole: bool = True  # False where more results of the same moment follow


Event: TypeAlias = Progress | Counted | Started | Update
