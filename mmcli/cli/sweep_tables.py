"""Tables and CSV of the results of a sweep."""

import json
from typing import Any

from mmcli.cli.long_csv import LongRow, long_csv
from mmcli.cli.tables import aligned, stacked
from mmcli.util.text import shown
from mmcli.workflows.figures import OBJECTIVE
from mmcli.workflows.sweep import Combination, Result, Summary, best_of


def sweep_table(summary: Summary) -> str:
    """A point a line, then the spread over seeds of each combination, and the runs of the highest objective."""
    parts = [aligned(_points(summary))]
    if summary.combinations:
        parts.append(aligned(_spreads(summary)))
    if best := best_of(summary.finished):
        rows = [["highest objective", "", "run"]]
        for module, result in best.items():
            objective = result.figures()[module][OBJECTIVE]
            rows.append([shown(module), _figure(OBJECTIVE, objective), shown(str(result.run))])
        parts.append(aligned(rows))
    return "\n\n".join(parts)


def sweep_csv(summary: Summary) -> str:
    """Results in long form, a figure a line, in full precision; a point without one has a line without a module."""
    rows = []
    for result in summary.results:
        point, state = result.point, result.state
        head = [
            point.name,
            shown(str(result.run)),
            point.seed,
            *(_setting(point.settings[key]) for key in summary.keys),
        ]
        rows.append(LongRow(head, state.status, state.error, state.history, result.seconds))
    return long_csv(["point", "run", "seed", *summary.keys], rows)


def settings_text(settings: dict[str, Any], seed: int) -> str:
    """Settings and seed of a point, for a line of a log."""
    parts = [f"{shown(key.removeprefix('modules.'), 60)} {_setting(value)}" for key, value in settings.items()]
    return ", ".join([*parts, f"seed {seed}"])


def _points(summary: Summary) -> list[list[str]]:
    """A point a line: its settings, ACC and objective of each module, seconds, status."""
    columns = [
        (module, measure)
        for module, measures in summary.modules().items()
        for measure in measures
        if measure in ("acc", OBJECTIVE)
    ]
    headers = [(shown(module), _name(measure)) for module, measure in columns]
    rows = stacked(
        [("point",), *((shown(key),) for key in summary.keys), ("seed",), *headers, ("seconds",), ("status",)]
    )
    for result in summary.results:
        figures = result.figures()
        cells = [_figure(measure, figures.get(module, {}).get(measure)) for module, measure in columns]
        settings = [_setting(result.point.settings[key]) for key in summary.keys]
        rows.append(
            [result.point.name, *settings, str(result.point.seed), *cells, f"{result.seconds:.1f}", _status(result)]
        )
    return rows


def _spreads(summary: Summary) -> list[list[str]]:
    """Spread of each figure over the finished seeds of a combination, and the point of the highest objective."""
    names = ("seeds", "", "mean", "deviation", "minimum", "maximum", "best")
    rows = [[*map(shown, summary.keys), *names]]
    for combination in summary.combinations:
        rows += _combination_rows(combination, summary.keys)
    return rows


def _combination_rows(combination: Combination, keys: list[str]) -> list[list[str]]:
    rows, best = [], best_of(combination.results)
    head = [*(_setting(combination.settings[key]) for key in keys), str(len(combination.results))]
    for module, measures in combination.figures.items():
        for measure, (mean, minimum, maximum, deviation) in measures.items():
            cells = [_figure(measure, value) for value in (mean, deviation, minimum, maximum)]
            chosen = best[module].point.name if measure == OBJECTIVE else ""
            rows.append([*head, f"{shown(module)} {_name(measure)}", *cells, chosen])
            head = [""] * len(head)
    mean, minimum, maximum, deviation = combination.seconds
    seconds = ["" if value is None else f"{value:.1f}" for value in (mean, deviation, minimum, maximum)]
    return [*rows, [*head, "seconds", *seconds, ""]]


def _name(measure: str) -> str:
    return measure if measure == OBJECTIVE else measure.upper()


def _figure(measure: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if measure == OBJECTIVE else f"{value:.4f}"


def _setting(value: Any) -> str:
    """A value of a config as a cell; empty where the config leaves it out."""
    if value is None:
        return ""
    return shown(value if isinstance(value, str) else json.dumps(value), 60)


def _status(result: Result) -> str:
    state = result.state
    if state.status in ("finished", "waiting"):
        return state.status
    course = f"{state.status} (round {state.last_round})"
    return course if state.error is None else f"{course}: {shown(state.error, 100)}"
