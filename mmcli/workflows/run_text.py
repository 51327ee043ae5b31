"""Cells of tables of runs that are compared."""

import json
from typing import Any

from mmcli.runs.history import CLASSES_USED
from mmcli.util.text import shown
from mmcli.workflows.compare import Run


def setting_text(value: Any) -> str:
    """A value of a config as a cell; empty where a run has no such setting."""
    if value is None:
        return ""
    return shown(value if isinstance(value, str) else json.dumps(value))


def figure_text(value: float | None) -> str:
    """A measure as a cell; empty where there is none."""
    return "" if value is None else f"{value:.4f}"


def latest_text(measure: str, value: float | None) -> str:
    """A measure of a run as a cell: a number of classes is whole."""
    return figure_text(value) if value is None or measure != CLASSES_USED else f"{value:.0f}"


def status_text(run: Run) -> str:
    """Status, with the round and the error of a run that has not finished."""
    if run.status == "finished":
        return run.status
    course = f"{run.status} (round {run.last_round} of {run.settings['rounds']})"
    return course if run.error is None else f"{course}: {shown(run.error, 100)}"


def measure_text(measure: str) -> str:
    """A measure in words: own ACC is by the module's own inputs alone, classes are those with an item."""
    if measure == CLASSES_USED:
        return "classes"
    name = measure.removeprefix("own_")
    return name.upper() if name == measure else f"own {name.upper()}"
