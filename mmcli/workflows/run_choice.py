"""Choice, order and grouping of runs that are compared, as options of the command line ask for them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmcli.config.model import Place
from mmcli.config.problems import Problems
from mmcli.config.source import Reader, split_values
from mmcli.errors import UsageError
from mmcli.util.text import shown, suggestion
from mmcli.workflows.compare import Comparison, Run, side_by_side
from mmcli.workflows.figures import latest_figures


class Choice(NamedTuple):
    """Options that choose, order and group runs.

    Attributes:
        where: KEY=V1,V2,...: runs whose setting, or status, has one of these values in YAML; all of several.
        sort: a setting, status, run, seconds or MODULE.MEASURE, such as mlda.acc; None keeps the order named.
        is_reversed: whether the largest comes first.
        group: settings that the runs of a group share; none groups by all but the seed.
    """

    where: Sequence[str] = ()
    sort: str | None = None
    is_reversed: bool = False
    group: Sequence[str] = ()


def choose_runs(comparison: Comparison, choice: Choice) -> Comparison:
    """Put the chosen runs side by side, in the order and the groups asked for.

    Raises:
        UsageError: an option names nothing that the runs have, or no run is left.
    """
    runs = list(comparison.runs)
    values = {run.path: run.settings | {"status": run.status} for run in runs}
    known = list(dict.fromkeys(key for run in runs for key in values[run.path]))
    for text in choice.where:
        key, wanted = _condition(text, known)
        runs = [run for run in runs if values[run.path].get(key) in wanted]
        if not runs:
            raise UsageError(f"--where {shown(text, 80)}: no run is left; see the values by `mmcli compare` without it")
    for key in choice.group:
        _refuse_unknown("--group", key, [name for name in known if name != "status"])
    if choice.sort is not None:
        runs = _sorted(runs, choice.sort, is_reversed=choice.is_reversed)
    return side_by_side(runs, comparison.left_out, tuple(dict.fromkeys(choice.group)))


def _condition(text: str, known: Sequence[str]) -> tuple[str, Sequence[Any]]:
    """Key and values of a --where."""
    key, equals, values = text.partition("=")
    key, option = key.strip(), f"--where {shown(text, 80)}"
    if not equals or not key or not split_values(values):
        raise UsageError(f"{option}: must be KEY=VALUE,VALUE,..., such as modules.gmm.num_classes=8,10")
    _refuse_unknown("--where", key, known)
    problems, place = Problems(), Place(True, 0, 0, option)
    wanted = Reader(lambda *_: place, problems).read(f"[{values}]")
    if problems.found:
        raise problems.error()
    return key, wanted


def _refuse_unknown(option: str, key: str, known: Sequence[str]) -> None:
    if key not in known:
        hint = suggestion(key, known) or "; keys are those of config.yaml, such as modules.gmm.num_classes"
        raise UsageError(f"{option} {shown(key, 80)}: no run has this key{hint}")


def _sorted(runs: Sequence[Run], key: str, *, is_reversed: bool) -> list[Run]:
    """Runs by a value, numbers before text; those without it come last, in the order named."""
    every = [(run, _sortable(run)) for run in runs]
    _refuse_unknown("--sort", key, list(dict.fromkeys(name for _, values in every for name in values)))
    having = [(run, values[key]) for run, values in every if values.get(key) is not None]
    having.sort(key=lambda pair: _rank(pair[1]), reverse=is_reversed)
    return [run for run, _ in having] + [run for run, values in every if values.get(key) is None]


def _sortable(run: Run) -> Mapping[str, Any]:
    """Values that a run can be ordered by."""
    figures = {
        f"{module}.{measure}": value
        for module, measures in latest_figures(run.history).items()
        for measure, value in measures.items()
    }
    return {"run": str(run.path), "seconds": run.seconds, "status": run.status, **figures, **run.settings}


def _rank(value: Any) -> tuple[bool, Any]:
    is_number = isinstance(value, int | float)
    return (not is_number, value if is_number else str(value))
