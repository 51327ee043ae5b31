"""A finished run trained again from its own directory, and whether its results have the same bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mmcli.config.graph import build_graph
from mmcli.errors import UsageError
from mmcli.runs.layout import META, RESULT
from mmcli.runs.places import next_free, refuse_taken
from mmcli.runs.reader import RunFiles
from mmcli.runs.writer import RunDirectory
from mmcli.util.text import listed
from mmcli.workflows.check import Experiment, check_data
from mmcli.workflows.figures import latest_figures
from mmcli.workflows.plugins import recorded_plugins
from mmcli.workflows.relocation import recorded_by, refuse_changed, refuse_missing
from mmcli.workflows.train import RUNS
from mmcli.workflows.trained_run import read_graph

Value = TypeVar("Value")


class Repeatable(NamedTuple):
    """What trains a run again.

    Attributes:
        run: the run.
        experiment: of its config and the data that it learned from, checked.
        threads: CPU threads that it computed with.
        output: directory of the new run.
    """

    run: RunFiles
    experiment: Experiment
    threads: int
    output: Path


class Repetition(NamedTuple):
    """A run beside the run that repeats it.

    Attributes:
        run: path of the repeated run.
        rerun: path of the new one.
        results: files of modules, of both runs.
        other: those of them whose bytes differ, or that one run lacks.
        changes: what produced the runs, (before, now) by name, where that differs: versions, plugins, device, host.
        figures: latest (before, now) by module and name of the figure, where that differs.
    """

    run: str
    rerun: str
    results: int
    other: list[str]
    changes: dict[str, tuple[str | None, str | None]]
    figures: dict[str, dict[str, tuple[float | None, float | None]]]


def prepare(path: Path, output: Path | None, data_root: Path | None, *, trust_code: bool = False) -> Repeatable:
    """Check that a run can be trained again.

    Args:
        path: of a finished run, packed or not.
        output: directory of the new one; None takes the next free runs/<name of the run>-rerun-NNN.
        data_root: folder to search for data files of the run that were moved.
        trust_code: whether module types that the run's config names by import path are imported.

    Raises:
        ConfigError: a module type of the run cannot be used here, or it does not fit in memory.
        UsageError: no finished run there, one that learned from arrays in memory, one that several processes trained,
            or `output` is taken.
        DataError: the data are missing, or not those that the run learned from.
        DamagedRunError: files of the run are missing or unreadable.
    """
    run = RunDirectory.open(path)
    config, _ = read_graph(run, data_root, trust_code=trust_code)
    graph = build_graph(config)  # numbers of classes that it leaves open are found again
    if arrays := [name for name, source in config.data.items() if source.array is not None]:
        raise UsageError(
            f"{path}: learned from arrays in memory ({listed(arrays)}), whose values it does not keep; "
            "train it again by mmcli.train(..., data=...)"
        )
    recorded = recorded_by(run)
    refuse_missing(config.data, config.places, "data", graph, recorded, data_root)
    experiment = check_data(config, graph)
    refuse_changed(run, recorded, config.data, experiment.datasets)
    match run.meta():
        case {"blocks": _}:
            raise UsageError(f"{path}: several processes trained it, each on its items; repeat the command in {META}")
        case {"threads": int(threads)} if threads > 0:
            pass
        case _:
            raise run.damaged(META, "no number of threads")
    output = output or next_free(RUNS / f"{path.resolve().name.removesuffix('.zip')}-rerun")
    refuse_taken(output)
    return Repeatable(run, experiment, threads, output)


def compare_results(run: RunFiles, rerun: RunFiles) -> Repetition:
    """Compare the results of two finished runs byte by byte, by their SHA-256.

    Raises:
        DamagedRunError: files of a run are missing or unreadable.
    """
    before, now = (
        {name: digest for name, digest in each.sums().items() if RESULT.fullmatch(name)} for each in (run, rerun)
    )
    names = sorted(before.keys() | now.keys())
    return Repetition(
        str(run.place),
        str(rerun.place),
        len(names),
        [name for name in names if before.get(name) != now.get(name)],
        _differing(*map(_producers, _recorded_by_both(run.meta(), rerun.meta()))),
        {
            module: differing
            for module, (then, current) in _pairs(
                latest_figures(run.history()), latest_figures(rerun.history())
            ).items()
            if (differing := _differing(then or {}, current or {}))
        },
    )


def _recorded_by_both(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Facts of two runs, those that both record: a run of an older version has no packages."""
    common = [key for key in before if key in now and type(before[key]) is type(now[key])]
    return [{key: facts[key] for key in common} for facts in (before, now)]


def _producers(facts: Mapping[str, Any]) -> dict[str, str]:
    """What the bytes of a run may depend on besides config and data, by name."""
    found = {key: str(facts[key]) for key in ("device", "threads", "host") if key in facts}
    for key in ("versions", "packages"):
        if isinstance(facts.get(key), dict):
            found |= {str(name): str(number) for name, number in facts[key].items()}
    return found | {f"type {name}": str(origin) for name, origin in recorded_plugins(facts).items()}


def _pairs(before: Mapping[str, Value], now: Mapping[str, Value]) -> dict[str, tuple[Value | None, Value | None]]:
    """Values of two mappings by key, None where one lacks it."""
    return {key: (before.get(key), now.get(key)) for key in dict.fromkeys((*before, *now))}


def _differing(before: Mapping[str, Value], now: Mapping[str, Value]) -> dict[str, tuple[Value | None, Value | None]]:
    """The pairs of `_pairs` whose two values differ."""
    return {key: pair for key, pair in _pairs(before, now).items() if pair[0] != pair[1]}
