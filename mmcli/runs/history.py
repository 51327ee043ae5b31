"""Lines of history.jsonl: one an update."""

import math
from typing import Any, NamedTuple

from mmcli.runs.json_text import parse_json

MEASURES = ("acc", "ari", "nmi")  # of the classes that a module reports
OWN_MEASURES = ("own_acc", "own_ari", "own_nmi")  # of its classes by its own inputs alone
CLASSES_USED = "num_classes_used"  # of the classes that a module reports, those with an item


class HistoryLine(NamedTuple):
    """One update."""

    round: int  # from 1
    module: str
    acc: float | None  # None, as the next two, where the module names no labels
    ari: float | None
    nmi: float | None
    bound: float | None  # the objective, higher is better; None where the module has none
    seconds: float
    compile_seconds: float  # before them
    # The measures of the classes by the module's own inputs alone, its children's messages left out; those above where
    # it has no child. None also in a run of an older version.
    own_acc: float | None = None
    own_ari: float | None = None
    own_nmi: float | None = None
    moved: float | None = None  # share of items whose class changed since the module's last update
    num_classes_used: int | None = None  # classes with an item; None where the module finds none


_REQUIRED = tuple(field for field in HistoryLine._fields if field not in HistoryLine._field_defaults)


def read_line(text: str) -> HistoryLine:
    """Parse a line; keys that this version does not know are ignored.

    Raises:
        ValueError: the text is no line of a history.
    """
    record = parse_json(text)
    if not isinstance(record, dict) or not record.keys() >= set(_REQUIRED):
        raise ValueError(f"a line without {', '.join(_REQUIRED)}")
    line = HistoryLine(**{field: record[field] for field in HistoryLine._fields if field in record})
    optional = [getattr(line, field) for field in (*MEASURES, "bound", *HistoryLine._field_defaults)]
    numbers: list[Any] = [*(value for value in optional if value is not None), line.seconds, line.compile_seconds]
    if not isinstance(line.round, int) or line.round < 1 or not isinstance(line.module, str):
        raise ValueError("a round is a whole number from 1, a module a name")
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise ValueError("a measure that is no finite number")
    return line
