"""Lines of history.jsonl: one an update."""

import json
import math
from typing import NamedTuple


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


def read_line(text: str) -> HistoryLine:
    """Parse a line; keys that this version does not know are ignored.

    Raises:
        ValueError: the text is no line of a history.
    """
    try:
        record = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(record, dict) or not record.keys() >= set(HistoryLine._fields):
        raise ValueError(f"a line without {', '.join(HistoryLine._fields)}")
    line = HistoryLine(*(record[field] for field in HistoryLine._fields))
    measures = [measure for measure in line[2:5] if measure is not None]
    bounds = [] if line.bound is None else [line.bound]
    numbers = [*measures, *bounds, line.seconds, line.compile_seconds]
    if not isinstance(line.round, int) or line.round < 1 or not isinstance(line.module, str):
        raise ValueError("a round is a whole number from 1, a module a name")
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise ValueError("a measure that is no finite number")
    return line
