"""A measure over the values of a swept key, as a figure; over the rounds, where only seeds were swept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import UsageError
from mmcli.plotting.draw import picture
from mmcli.plotting.panels import CurveGrid, Curves, Line
from mmcli.util.text import shown
from mmcli.workflows.compare import compare_runs
from mmcli.workflows.courses import draw_courses
from mmcli.workflows.figures import OBJECTIVE
from mmcli.workflows.sweep import Combination, Summary

MAX_VALUE = 16  # characters of a value below the axis or in the legend


def draw_sweep(summary: Summary, plot: Path) -> None:
    """Draw the results of finished points to a .png or .svg.

    Raises:
        UsageError: there is nothing to draw, or `plot` cannot be written.
    """
    if not summary.finished or not summary.modules():
        raise UsageError("--plot: no point of this sweep has finished with anything measured yet")
    if not summary.keys:
        draw_courses(compare_runs([result.run for result in summary.finished]), plot)
        return
    try:
        plot.write_bytes(picture(sweep_panel(summary), "svg" if plot.suffix == ".svg" else "png"))
    except OSError as error:
        raise UsageError(f"--plot {plot}: cannot be written ({error.strerror})") from None


def sweep_panel(summary: Summary) -> CurveGrid:
    """Mean over seeds, in a band from minimum to maximum: a pane a module, the first key below, a line of each other.

    ACC where a module is measured against labels, else the objectives.

    Args:
        summary: with a key, and a point that finished.
    """
    first, *others = summary.keys
    measured = {
        measure: [module for module, measures in summary.modules().items() if measure in measures]
        for measure in ("acc", OBJECTIVE)
    }
    measure, modules = next((measure, modules) for measure, modules in measured.items() if modules)
    label = "ACC" if measure == "acc" else measure
    values = list(dict.fromkeys(json.dumps(combination.settings[first]) for combination in summary.combinations))
    lines: dict[str, list[Combination]] = {}
    for combination in summary.combinations:
        name = ", ".join(f"{_short_key(key)} {_text(combination.settings[key])}" for key in others)
        lines.setdefault(name, []).append(combination)
    panes = tuple(
        Curves(
            name=f"{measure}-{module}",
            title=shown(module),
            alt=f"{label} of {shown(module)} over {first}, {len(lines)} lines.",
            note="",
            lines=tuple(_line(name, members, values, first, module, measure) for name, members in lines.items()),
            x_label=shown(_short_key(first), 60),
            y_label=label,
            x_names=tuple(_text(json.loads(value)) for value in values),
        )
        for module in modules
    )
    return CurveGrid(
        name=measure,
        title=f"{label} over {shown(first, 60)}",
        alt=f"{label} over {shown(first, 60)} of {', '.join(pane.title for pane in panes)}.",
        note="Mean over seeds, band from minimum to maximum."
        if any(len(combination.results) > 1 for combination in summary.combinations)
        else "",
        panes=panes,
        shares_y=measure == "acc",
    )


def _line(
    name: str, combinations: Sequence[Combination], values: Sequence[str], key: str, module: str, measure: str
) -> Line:
    """A measure of a module over the positions of the values of `key`."""
    spreads = {
        values.index(json.dumps(combination.settings[key])): combination.figures[module][measure]
        for combination in combinations
        if measure in combination.figures.get(module, ())
    }
    places = sorted(spreads)
    mean, low, high = (
        np.array([getattr(spreads[place], of) for place in places]) for of in ("mean", "minimum", "maximum")
    )
    return Line(name, np.array(places), mean, low, high)


def _short_key(key: str) -> str:
    return key.removeprefix("modules.")


def _text(value: Any) -> str:
    return shown(value if isinstance(value, str) else json.dumps(value), MAX_VALUE)
