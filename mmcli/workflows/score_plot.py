"""The score of the search over the number of classes used, of runs that are compared, as a figure."""

from pathlib import Path

import numpy as np

from mmcli.errors import UsageError
from mmcli.plotting.panels import CurveGrid, Curves, Line
from mmcli.runs.history import CLASSES_USED
from mmcli.util.text import shown
from mmcli.workflows.compare import Comparison, Run, Spread
from mmcli.workflows.courses import write_picture


def draw_scores(comparison: Comparison, plot: Path) -> None:
    """Draw the score that finished runs kept over their number of classes, to a .png or .svg.

    Raises:
        UsageError: there is nothing to draw, or `plot` cannot be written.
    """
    write_picture(score_panel(comparison), plot)


def score_panel(comparison: Comparison) -> CurveGrid:
    """What modules share in the state that a run kept, over the classes that the compared module used.

    Raises:
        UsageError: no two finished runs with a search differ in that number.
    """
    points: dict[int, list[float]] = {}
    modules = dict[str, None]()
    for run in comparison.runs:
        if run.status == "finished" and run.search is not None and (number := _classes_used(run)) is not None:
            points.setdefault(number, []).append(max(*run.search.starts, *run.search.rounds.values()))
            modules[str(run.search.compared)] = None
    if len(points) < 2:
        raise UsageError("--score: no two finished runs with a search differ in the number of classes used")
    numbers = sorted(points)
    spreads = [Spread.of(points[number]) for number in numbers]
    line = Line("", np.array(numbers), np.array([spread.mean for spread in spreads]))
    has_band = any(len(values) > 1 for values in points.values())
    if has_band:
        low, high = ([getattr(spread, end) for spread in spreads] for end in ("minimum", "maximum"))
        line = line._replace(low=np.array(low), high=np.array(high))
    curves = Curves(
        name="score-classes",
        title="",
        alt=f"Shared information over {numbers[0]} to {numbers[-1]} classes.",
        note="",
        lines=(line,),
        x_label=f"classes of {', '.join(map(shown, modules))} with an item",
        y_label="nats an item",
    )
    return CurveGrid(
        name="score",
        title="Shared information over the number of classes",
        alt=curves.alt,
        note="Mean over runs of a number, band from minimum to maximum." if has_band else "",
        panes=(curves,),
    )


def _classes_used(run: Run) -> int | None:
    """Classes with an item of the module by which starts are compared; None where that is not recorded."""
    if run.search is None or run.search.compared is None:
        return None
    number = run.latest(run.search.compared, [CLASSES_USED])[CLASSES_USED]
    return None if number is None else int(number)
