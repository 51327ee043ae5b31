"""CSV in long form: a figure a line, in full precision."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmcli.runs.history import HistoryLine
from mmcli.util.text import shown
from mmcli.workflows.figures import latest_figures


class LongRow(NamedTuple):
    """A run, which has a line for each of its figures.

    Attributes:
        head: cells that each of its lines begins with.
        status: of the run.
        error: why it failed, or None.
        history: an update a line.
        seconds: of learning.
    """

    head: Sequence[object]
    status: str
    error: str | None
    history: Sequence[HistoryLine]
    seconds: float


def long_csv(header: Sequence[str], rows: Iterable[LongRow]) -> str:
    """Long form of runs; one without figures has a line without a module.

    Args:
        header: of the cells of each head.
        rows: the runs.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*map(shown, header), "status", "error", "module", "measure", "value"])
    for row in rows:
        head = [*row.head, row.status, shown(row.error or "")]
        figures: list[tuple[str, str, float | str]] = [
            (shown(module), measure, value)
            for module, measures in latest_figures(row.history).items()
            for measure, value in measures.items()
        ]
        figures += [("", "seconds", round(row.seconds, 3))] if row.history else []
        writer.writerows([*head, *figure] for figure in figures or [("", "", "")])
    return lines.getvalue().rstrip("\n")
