"""Measures over the rounds of runs that are compared, as figures."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmcli.errors import UsageError
from mmcli.plotting.draw import picture
from mmcli.plotting.panels import CurveGrid, Curves, Line, Panel
from mmcli.util.text import shown
from mmcli.workflows.compare import Comparison, Run

MAX_VALUE = 32  # characters of a setting in a legend
LABELS = {"acc": "ACC", "ari": "ARI", "nmi": "NMI", "bound": "objective"}
MIN_BAND = 3  # runs whose mean and range are drawn; two are two lines


class _Line(NamedTuple):
    """One line of the figure: a run, or the mean of runs that differ in the seed only."""

    label: str
    runs: list[Run]


def draw_courses(comparison: Comparison, plot: Path) -> None:
    """Draw ACC over the rounds to a .png or .svg.

    Raises:
        UsageError: there is nothing to draw, or `plot` cannot be written.
    """
    if not modules_with(comparison, "acc"):
        raise UsageError("--plot: no module of these runs has been measured against labels yet")
    write_picture(course_panel(comparison), plot)


def write_picture(panel: Panel, plot: Path) -> None:
    """Draw a panel to the file that --plot names, a .png or .svg.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        plot.write_bytes(picture(panel, "svg" if plot.suffix == ".svg" else "png"))
    except OSError as error:
        raise UsageError(f"--plot {plot}: cannot be written ({error.strerror})") from None


def course_panel(comparison: Comparison, measure: str = "acc") -> CurveGrid:
    """A measure of each module over the rounds, a line a run; seeds as their mean in a band from minimum to maximum.

    Args:
        comparison: with at least one module that has the measure.
        measure: field of a line of history.jsonl.
    """
    lines, label = _lines(comparison), LABELS[measure]
    panes = [
        Curves(
            name=f"{measure}-{module}",
            title=shown(module),
            alt=f"{label} of {shown(module)} over rounds, {len(lines)} lines.",
            note="",
            lines=tuple(_course(line.label, [run.course(module, measure) for run in line.runs]) for line in lines),
            x_label="round",
            y_label=label,
        )
        for module in modules_with(comparison, measure)
    ]
    has_bands = any(len(line.runs) > 1 for line in lines)
    names = ", ".join(line.label for line in lines)
    return CurveGrid(
        name=measure,
        title=f"{label} over rounds",
        alt=f"{label} over rounds of {', '.join(pane.title for pane in panes)}: {names}.",
        note="Several runs: mean over seeds, band from minimum to maximum." if has_bands else "",
        panes=tuple(panes),
        shares_y=measure != "bound",
    )


def modules_with(comparison: Comparison, measure: str) -> list[str]:
    """Modules that have a measure, in any of the runs."""
    modules = dict.fromkeys(line.module for run in comparison.runs for line in run.history)
    return [module for module in modules if any(run.course(module, measure) for run in comparison.runs)]


def _course(label: str, courses: Sequence[dict[int, float]]) -> Line:
    """One run, or the mean and the range of several, over the rounds that all have."""
    rounds = sorted(set.intersection(*map(set, courses)))
    values = [[course[number] for course in courses] for number in rounds]
    line = Line(label, np.array(rounds), np.array(list(map(statistics.fmean, values))))
    if len(courses) == 1:
        return line
    return line._replace(low=np.array(list(map(min, values))), high=np.array(list(map(max, values))))


def _lines(comparison: Comparison) -> list[_Line]:
    """Groups and the runs in no group, in the order named; a label that is no one line's own gets the run's path."""
    together = {
        run.path: group.runs for group in comparison.groups if len(group.runs) >= MIN_BAND for run in group.runs
    }
    members = {runs[0].path: runs for runs in (together.get(run.path, [run]) for run in comparison.runs)}
    lines = [_Line(_label(comparison, runs), runs) for runs in members.values()]
    times = Counter(line.label for line in lines)
    return [
        line if times[line.label] == 1 else _Line(f"{line.label}, {shown(str(line.runs[0].path))}", line.runs)
        for line in lines
    ]


def _label(comparison: Comparison, runs: Sequence[Run]) -> str:
    """Settings that distinguish a line from others, the number of seeds it joins, and its status if not finished."""
    parts = []
    for first, *others in comparison.columns() if len(runs) == 1 else comparison.group_columns():
        value = runs[0].settings.get(first)
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            text = text if len(text) <= MAX_VALUE else f"\u2026{text[1 - MAX_VALUE :]}"
            also = f" (+{len(others)})" if others else ""
            parts.append(shown(f"{first.removeprefix('modules.')}{also} {text}"))
    if len(runs) == 1 and not parts:
        parts.append(shown(str(runs[0].path)))
    if len(runs) > 1:
        parts.append(f"{len(runs)} runs")
    elif runs[0].status != "finished":
        parts.append(runs[0].status)
    return ", ".join(parts)
