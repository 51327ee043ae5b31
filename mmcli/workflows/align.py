"""Classes of several finished runs of the same items, matched to each other without labels."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mmcli.config.reader import Config
from mmcli.errors import UsageError
from mmcli.plotting.panels import ShareGrid, Shares
from mmcli.runs.alignment import Alignment, align
from mmcli.runs.writer import RunDirectory
from mmcli.util.text import counted, listed, shown
from mmcli.workflows.compare import Run
from mmcli.workflows.courses import write_picture
from mmcli.workflows.relocation import recorded_by
from mmcli.workflows.trained_run import read_graph

Arrays: TypeAlias = dict[str, tuple[str | None, str | None]]  # SHA-256 and key in its file of each sense, by its name


class Aligned(NamedTuple):
    """Runs of the same items, in the order named, and the alignment of each module that finds classes in all."""

    runs: list[Path]
    unfinished: list[Path]  # left out
    num_items: int
    modules: dict[str, Alignment]

    def record(self) -> dict[str, Any]:
        """The same as one JSON object."""
        return {
            "runs": list(map(str, self.runs)),
            "left_out": list(map(str, self.unfinished)),
            "items": self.num_items,
            "modules": {name: self._module_record(found) for name, found in self.modules.items()},
        }

    def _module_record(self, found: Alignment) -> dict[str, Any]:
        names = list(map(str, self.runs))
        columns = zip(
            found.classes.tolist(),
            found.items.tolist(),
            found.stability.tolist(),
            found.lowest.tolist(),
            found.unanimous.tolist(),
            zip(*found.matches, strict=True),
            strict=True,
        )
        keys = ("class", "items", "stability", "lowest", "unanimous", "matches")
        classes = [dict(zip(keys, column, strict=True)) for column in columns]
        return {
            "reference": names[found.reference],
            "ari": found.ari.tolist(),
            "mean_ari": [found.agreement(run) for run in range(len(names))],
            "classes": [row | {"matches": dict(zip(names, row["matches"], strict=True))} for row in classes],
        }


class _Found(NamedTuple):
    """Classes of a run, and the arrays that it observed."""

    path: Path
    arrays: Arrays
    classes: dict[str, np.ndarray]  # (N,) by module

    @property
    def num_items(self) -> int:
        """N."""
        return len(next(iter(self.classes.values())))


def align_runs(runs: Iterable[Run], *, trust_code: bool = False) -> Aligned:
    """Match the classes of every module that the finished ones of some runs have in common.

    Args:
        runs: of `compare_runs`.
        trust_code: as for `load_run`.

    Raises:
        UsageError: fewer than two runs have finished, they are of other items, or no module is in all of them.
        ModuleTypeError: a type of module cannot be used here.
        DamagedRunError: files of a run are missing or unreadable.
    """
    every = list(runs)
    finished = [run.path for run in every if run.status == "finished"]
    if len(finished) < 2:
        raise UsageError(f"--align matches two finished runs or more, and there {_are(len(finished))}; name others")
    found = [_read(path, trust_code=trust_code) for path in finished]
    first = found[0]
    for other in found[1:]:
        _refuse_other_items(first, other)
    common = [name for name in first.classes if all(name in run.classes for run in found)]
    if not common:
        raise UsageError("--align: no module of one name finds classes in all of these runs; name runs of one config")
    modules = {name: align([run.classes[name] for run in found]) for name in common}
    unfinished = [run.path for run in every if run.status != "finished"]
    return Aligned(finished, unfinished, first.num_items, modules)


def _are(number: int) -> str:
    return {0: "is none", 1: "is one"}[number]


def _read(path: Path, *, trust_code: bool) -> _Found:
    """Read the classes of a finished run.

    Raises:
        UsageError: none of its modules finds any.
    """
    run = RunDirectory.open(path)
    config, graph = read_graph(run, trust_code=trust_code)
    specs = {name: node.spec.classes for name, node in graph.nodes.items()}
    classes = {
        name: run.classes_of(graph.folder(name), reports.classes, "learn")
        for name, reports in specs.items()
        if reports is not None
    }
    there = {name: array for name, array in classes.items() if array is not None}
    sizes = {len(array) for array in there.values()}
    if not there:
        raise UsageError(f"--align: {shown(str(path))}: no module of this run finds classes")
    if len(sizes) > 1:
        raise run.damaged("module*", f"classes of {listed(map(str, sorted(sizes)))} items in one run")
    return _Found(path, _arrays(run, config), there)


def _arrays(run: RunDirectory, config: Config) -> Arrays:
    """Identity of the arrays that a run observed: the SHA-256 of the file, and the key in it."""
    recorded = recorded_by(run)
    senses = [str(module.data) for module in config.modules.values() if module.data is not None]
    return {name: (recorded.get(("data", name)), config.data[name].key) for name in senses}


def _refuse_other_items(first: _Found, other: _Found) -> None:
    """Raise UsageError where two runs are not of the same items.

    They are where they have as many, and every sense of one name is the same array; at least one has to be.
    """
    common = [name for name in first.arrays if name in other.arrays]
    others = [name for name in common if first.arrays[name] != other.arrays[name] or first.arrays[name][0] is None]
    if first.num_items != other.num_items:
        why = f"{counted(other.num_items, 'item')} where that has {first.num_items}"
    elif others:
        why = f"another array of {listed(others)}"
    elif not common:
        why = "no sense of the same name"
    else:
        return
    places = f"{shown(str(other.path))} is not of the items of {shown(str(first.path))}"
    raise UsageError(f"--align: {places}: {why}; name runs of the same data")


def draw_alignment(aligned: Aligned, plot: Path) -> None:
    """Draw the alignment to a .png or .svg.

    Raises:
        UsageError: `plot` cannot be written.
    """
    write_picture(alignment_panel(aligned), plot)


def alignment_panel(aligned: Aligned) -> ShareGrid:
    """For each module, ARI of each pair of runs, and the stability of each class in each run."""
    runs = tuple(f"{number} {path.name}" for number, path in enumerate(aligned.runs, 1))
    panes = [pane for name, found in aligned.modules.items() for pane in _panes(name, found, runs)]
    return ShareGrid(
        name="alignment",
        title=f"Classes of {len(runs)} runs of {aligned.num_items:,} items",
        alt=f"Agreement of {len(runs)} runs, and stability of their classes, for {listed(aligned.modules)}.",
        note="Left: ARI of each pair of runs. Right: share of the items of each class of the reference, the run that "
        "agrees best with all, that a run puts in the matching class.",
        panes=tuple(panes),
    )


def _panes(name: str, found: Alignment, runs: Sequence[str]) -> tuple[Shares, Shares]:
    numbers = tuple(str(number) for number in range(1, len(runs) + 1))
    classes = tuple(map(str, found.classes.tolist()))
    return (
        Shares(f"{shown(name)}: ARI", found.ari, tuple(runs), numbers, "run"),
        Shares(
            f"{shown(name)}: share of each class",
            found.shares,
            tuple(runs),
            classes,
            f"class of {runs[found.reference]}",
        ),
    )
