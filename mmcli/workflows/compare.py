"""Runs side by side: the settings that differ, the results of each run, and the spread over seeds."""

import json
import os
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from mmcli.config.reader import read_settings
from mmcli.errors import ConfigError
from mmcli.runs.history import CLASSES_USED, MEASURES, OWN_MEASURES, HistoryLine
from mmcli.runs.layout import CONFIG, HISTORY, is_run
from mmcli.runs.reader import RunFiles
from mmcli.runs.search_record import SearchRecord

SEED = "seed"

_IDLE = re.compile(r"test\..*|checkpoint_every")  # neither changes a result of training
_INPUTS = re.compile(r"modules\.[^.]+\.inputs")
_FILE = re.compile(r"data\.[^.]+\.file")  # the same data may lie elsewhere: their SHA-256 identifies them


class Run(NamedTuple):
    """Settings of a run, and its results so far."""

    path: Path  # as it was named
    settings: dict[str, Any]  # by dotted key; data.X.sha256 besides those of config.yaml
    status: str  # running, stopped, finished or failed
    error: str | None  # why it failed
    history: list[HistoryLine]  # an update a line
    search: SearchRecord | None = None  # scores of the search and of rounds; None where there was none

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.settings[SEED])

    @property
    def last_round(self) -> int:
        """The latest round with an update; 0 before the first."""
        return self.history[-1].round if self.history else 0

    @property
    def seconds(self) -> float:
        """Seconds of learning, over all rounds and modules, without compiling."""
        return sum(line.seconds for line in self.history)

    def course(self, module: str, measure: str = "acc") -> dict[int, float]:
        """A measure of a module, or its objective (bound), by round."""
        values = {line.round: getattr(line, measure) for line in self.history if line.module == module}
        return {number: value for number, value in values.items() if value is not None}

    def latest(self, module: str, measures: Sequence[str]) -> dict[str, float | None]:
        """Measures as a module's latest update left them; None where there are none."""
        lines = [line for line in self.history if line.module == module]
        return {measure: getattr(lines[-1], measure) if lines else None for measure in measures}

    def has_own_measures(self, module: str) -> bool:
        """Whether a module has measures by its own inputs alone that are others: it is an input of another module."""
        inputs = (value for key, value in self.settings.items() if _INPUTS.fullmatch(key))
        has_children = any(module in names for names in inputs if isinstance(names, tuple | list))
        return has_children and any(line.own_acc is not None for line in self.history if line.module == module)


class Spread(NamedTuple):
    """Variation of a figure; `deviation` is the sample's standard deviation, None of one value."""

    mean: float
    minimum: float
    maximum: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Spread of one value or more."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), min(values), max(values), deviation)


class Group(NamedTuple):
    """Finished runs that differ in nothing but the seed, of at least two seeds; or those that share other settings."""

    runs: list[Run]
    modules: dict[str, dict[str, Spread]]  # by module and measure
    seconds: Spread


class Comparison(NamedTuple):
    """Runs in the order named."""

    runs: list[Run]
    settings: list[str]  # keys of the settings that differ
    modules: Mapping[str, Sequence[str]]  # the measures of each module that has any, in any of the runs
    groups: list[Group]
    left_out: Sequence[Path] = ()  # paths named that are no runs, such as a log beside them
    grouped_by: Sequence[str] = ()  # keys whose values the runs of a group share; none: all but the seed

    def columns(self) -> list[list[str]]:
        """The keys of `settings`, those together that have the same value in each run; the seed stands alone."""
        alike: dict[tuple[bool, str], list[str]] = {}
        for key in self.settings:
            values = json.dumps([run.settings.get(key) for run in self.runs])
            alike.setdefault((key == SEED, values), []).append(key)
        return list(alike.values())

    def group_columns(self) -> list[list[str]]:
        """The keys whose values tell groups apart, those together that have the same value in each run."""
        return [[key] for key in self.grouped_by] or [alike for alike in self.columns() if alike != [SEED]]

    def record(self) -> dict[str, Any]:
        """The same as one JSON object."""
        runs = [
            {
                "run": str(run.path),
                "settings": {key: run.settings.get(key) for key in self.settings},
                "modules": {module: run.latest(module, measures) for module, measures in self.modules.items()},
                "seconds": round(run.seconds, 3),
                "status": run.status,
                "last_round": run.last_round,
                "error": run.error,
            }
            for run in self.runs
        ]
        keys = self.grouped_by or [key for key in self.settings if key != SEED]
        summary = [
            {
                "runs": [str(run.path) for run in group.runs],
                "settings": {key: group.runs[0].settings.get(key) for key in keys},
                "seeds": [run.seed for run in group.runs],
                "modules": {
                    module: {measure: spread._asdict() for measure, spread in spreads.items()}
                    for module, spreads in group.modules.items()
                },
                "seconds": group.seconds._asdict(),
            }
            for group in self.groups
        ]
        return {"runs": runs, "summary": summary}


def compare_runs(paths: Iterable[Path]) -> Comparison:
    """Read runs and put them side by side; a run that is named twice is taken once.

    Files and folders that are no runs, which a pattern as runs/* matches besides, are left out.

    Raises:
        UsageError: nothing at one of the paths, or no run at any.
        DamagedRunError: files of a run are missing or unreadable.
    """
    distinct: dict[str, Path] = {}
    for path in paths:
        distinct.setdefault(os.path.realpath(path), path)
    left_out = [path for path in distinct.values() if path.exists() and not (path.is_dir() and is_run(path))]
    if len(left_out) == len(distinct):
        left_out = []  # the first is refused
    runs = [_read(path) for path in distinct.values() if path not in left_out]
    return side_by_side(runs, left_out)


def side_by_side(runs: list[Run], left_out: Sequence[Path] = (), grouped_by: Sequence[str] = ()) -> Comparison:
    """Put runs that were read side by side; the arguments are as in `Comparison`."""
    settings = _differing([run.settings for run in runs])
    names = dict.fromkeys(line.module for run in runs for line in run.history)
    modules = {name: measures for name in names if (measures := _measures(runs, name))}
    return Comparison(runs, settings, modules, _groups(runs, settings, modules, grouped_by), left_out, grouped_by)


def _measures(runs: Sequence[Run], module: str) -> tuple[str, ...]:
    """Measures to show of a module: those against labels, and the classes used where runs differ or look for them."""
    measures: tuple[str, ...] = ()
    if any(line.acc is not None for run in runs for line in run.history if line.module == module):
        measures = MEASURES + OWN_MEASURES * any(run.has_own_measures(module) for run in runs)
    used = {run.latest(module, [CLASSES_USED])[CLASSES_USED] for run in runs} - {None}
    key = f"modules.{module}.num_classes"
    is_open = any(run.settings.get(key) == "auto" or f"{key}.max" in run.settings for run in runs)
    return (*measures, CLASSES_USED) if used and (is_open or len(used) > 1) else measures


def _read(path: Path) -> Run:
    run = RunFiles.look(path)
    meta = run.meta()  # before the history: a run that finishes meanwhile has more lines than it needs, not fewer
    try:
        settings = read_settings(run.config)
        json.dumps(settings, allow_nan=False)
    except ConfigError as error:
        raise run.damaged(CONFIG, error.problems[0]) from None
    except ValueError:
        raise run.damaged(CONFIG, "a number that is not finite") from None
    if not all(isinstance(settings.get(key), int) for key in (SEED, "rounds")):
        raise run.damaged(CONFIG, "seed and rounds are not whole numbers")
    digests = run.data_digests()
    for key in filter(_FILE.fullmatch, list(settings)):
        settings[_digest(key)] = str(digests.get(str(settings[key])))[:12]
    why = meta["error"] if meta["status"] == "failed" else None
    found = Run(path, settings, meta["status"], why, run.history(), run.search())
    if found.status == "finished" and found.last_round != settings["rounds"]:
        raise run.damaged(HISTORY, f"ends in round {found.last_round} of {settings['rounds']}")
    return found


def _differing(every: Sequence[dict[str, Any]]) -> list[str]:
    """Keys whose values differ, in the order of the configs.

    An entry that some runs lack, such as a module, differs by its type (or its file); its other keys do where they
    differ among the runs that have the entry.
    """
    entries = [{key.rpartition(".")[0] for key in settings} for settings in every]
    found = []
    for key in dict.fromkeys(key for settings in every for key in settings):
        entry, _, option = key.rpartition(".")
        having = [
            settings for settings, has in zip(every, entries, strict=True) if option in ("type", "file") or entry in has
        ]
        values = [settings.get(key) for settings in having]
        if not _IDLE.fullmatch(key) and any(value != values[0] for value in values):
            found.append(key)
    for file in filter(_FILE.fullmatch, list(found)):
        digest = _digest(file)
        pairs = {(str(settings.get(file)), settings.get(digest)) for settings in every}
        if digest not in found:
            found.remove(file)
        elif len(pairs) == len({path for path, _ in pairs}) == len({content for _, content in pairs}):
            found.remove(digest)  # the path distinguishes the runs as well, in words
    return found


def _digest(file: str) -> str:
    """The key of the SHA-256 beside the key of a file."""
    return f"{file.removesuffix('.file')}.sha256"


def _groups(
    runs: Sequence[Run], settings: Sequence[str], modules: Mapping[str, Sequence[str]], grouped_by: Sequence[str]
) -> list[Group]:
    keys = grouped_by or [key for key in settings if key != SEED and _digest(key) not in settings]
    kinds: dict[str, list[Run]] = {}
    for run in runs:
        if run.status == "finished":
            kinds.setdefault(json.dumps([run.settings.get(key) for key in keys]), []).append(run)
    together = [members for members in kinds.values() if grouped_by or len({run.seed for run in members}) > 1]
    return [_group(members, modules) for members in together]


def _group(runs: list[Run], modules: Mapping[str, Sequence[str]]) -> Group:
    measured: dict[str, dict[str, Spread]] = {}
    for module, measures in modules.items():
        for measure in measures:
            latest = [run.latest(module, measures)[measure] for run in runs]
            values = [value for value in latest if value is not None]
            if len(values) >= min(2, len(runs)):
                measured.setdefault(module, {})[measure] = Spread.of(values)
    return Group(runs, measured, Spread.of([run.seconds for run in runs]))
