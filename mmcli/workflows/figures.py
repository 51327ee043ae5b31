"""Figures of a run by module: measures against labels and the objective."""

from collections.abc import Iterable

from mmcli.runs.history import MEASURES, HistoryLine

OBJECTIVE = "objective"  # of a module, higher is better: what the best run is chosen by, never a label


def latest_figures(history: Iterable[HistoryLine]) -> dict[str, dict[str, float]]:
    """ACC, ARI, NMI and objective by module, as its latest update left them; those that there are."""
    latest = {line.module: line for line in history}
    named = {
        module: {**{measure: getattr(line, measure) for measure in MEASURES}, OBJECTIVE: line.bound}
        for module, line in latest.items()
    }
    return {
        module: {measure: value for measure, value in values.items() if value is not None}
        for module, values in named.items()
    }
