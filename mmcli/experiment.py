"""The composition root: train, compare and check wire the parts together. Nothing here formats for people.

What is slow to import (jax, scipy, scikit-learn, matplotlib) is imported where it is first needed, so that
whatever is wrong with the command line, the config or its data is said before.
"""

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from mmcli import __version__
from mmcli.comparison import Comparison, compare_runs
from mmcli.config import Config, dump_config, load_config
from mmcli.datasets import Datasets, load_datasets
from mmcli.errors import MmcliError, UsageError
from mmcli.graph import Graph, build_graph
from mmcli.history import HistoryLine
from mmcli.modules import MODULES
from mmcli.store import RunDirectory, set_aside

if TYPE_CHECKING:
    from mmcli.rounds import Update

RUNS = Path("runs")  # where a run goes that is not told where
FIRST = ("z", "class")  # what is kept as the first round left it, to be compared with the last


class Experiment(NamedTuple):
    """A config whose graph and data have passed every check."""

    config: Config
    graph: Graph
    datasets: Datasets


class Watcher(Protocol):
    """Who looks on while a run learns. Rounds and chunks count from 1."""

    def started(self, run: Path, aside: Path | None, rounds: int, modules: Sequence[str]) -> None:
        """The run directory is there; `aside` is where an older one went."""

    def advanced(self, round_number: int, module: str, chunk: int, num_chunks: int) -> None:
        """A module finished a chunk of its inner iterations."""

    def updated(self, line: HistoryLine) -> None:
        """A module finished its update of a round and its files are written."""


def check(
    path: Path, overrides: Sequence[str] = (), *, seed: int | None = None, rounds: int | None = None
) -> Experiment:
    """Everything that can be known to be right before anything is computed.

    Raises:
        ConfigError, DataError: whatever is wrong.
    """
    config = load_config(path, overrides, seed=seed, rounds=rounds)
    graph = build_graph(config)
    return Experiment(config, graph, load_datasets(config, graph))


def train(experiment: Experiment, watcher: Watcher, *, output: Path | None, force: bool, threads: int | None) -> Path:
    """Learn, and write a run directory.

    Args:
        experiment: from `check`.
        watcher: is told what happens.
        output: where the run goes; the next free runs/<config>-s<seed>-NNN where it is None.
        force: whether a run that is at `output` already is set aside.
        threads: CPU threads to compute with; None is one for each core there is.

    Returns:
        The run directory.

    Raises:
        UsageError: the run directory cannot be made.
        DivergedError: a number became NaN or infinite; the run directory keeps what came before.
    """
    config, graph, datasets = experiment
    aside = set_aside(output) if output is not None and force else None
    run = (
        RunDirectory.create_next(RUNS, f"{config.path.stem}-s{config.seed}")
        if output is None
        else RunDirectory.create(output)
    )
    threads = threads or _num_cores()
    run.start(dump_config(config), _facts(config, datasets, threads))
    os.environ["PJRT_NPROC"] = str(threads)  # read once, when jax starts; nothing has imported jax yet
    try:
        watcher.started(run.path, aside, config.rounds, [name for name, node in graph.nodes.items() if node.parents])
        _learn(experiment, run, watcher)
    except Exception as error:
        run.fail(str(error) if isinstance(error, MmcliError) else f"{type(error).__name__}: {error}")
        raise
    except BaseException:
        run.fail("interrupted")
        raise
    run.finish()
    return run.path


def compare(paths: Iterable[Path], plot: Path | None = None) -> Comparison:
    """Put runs side by side, whatever their status, and draw their course to the file `plot`.

    Raises:
        UsageError: no run directory at one of the paths, or nothing can be drawn to `plot`.
        DamagedRunError: files of a run are missing or unreadable.
    """
    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {plot}: draws .png and .svg; name a file that ends so")
    comparison = compare_runs(paths)
    if plot is not None:
        if not comparison.modules:
            raise UsageError("--plot: no module of these runs has been measured against labels yet")
        from mmcli import plots

        try:
            plot.write_bytes(plots.comparison_figure(comparison, plot.suffix.removeprefix(".")))
        except OSError as error:
            raise UsageError(f"--plot {plot}: cannot be written ({error.strerror})") from None
    return comparison


def _learn(experiment: Experiment, run: RunDirectory, watcher: Watcher) -> None:
    import jax

    from mmcli.rounds import Progress, train_rounds

    config, graph, datasets = experiment
    run.note(device=jax.devices()[0].device_kind)
    events = train_rounds(
        graph, datasets.observations, datasets.known, seed=config.seed, rounds=config.rounds, rule=config.messages
    )
    for event in events:
        if isinstance(event, Progress):
            watcher.advanced(event.round, event.module, event.chunk, event.num_chunks)
        else:
            watcher.updated(_record(experiment, run, event))


def _record(experiment: Experiment, run: RunDirectory, update: "Update") -> HistoryLine:
    """Measure an update and write its files."""
    from mmcli import metrics

    config, graph, datasets = experiment
    module = config.modules[update.module]
    learned = {**update.report, MODULES[module.type].trace: update.trace}
    measures: tuple[float | None, float | None, float | None] = (None, None, None)
    if module.labels is not None:
        labels = datasets.labels[module.labels]
        agreement = metrics.evaluate(learned["class"], labels)
        measures = (agreement.acc, agreement.ari, agreement.nmi)
        names = metrics.class_names(learned["class"], labels, learned["Pdz"].shape[1])
        learned |= {"class": names[learned["class"]], "name": names, "acc": np.array(agreement.acc)}
    folder = graph.folder(update.module)
    run.write_arrays(folder, learned, "learn")
    if update.round == 1:
        run.write_arrays(folder, {name: learned[name] for name in FIRST if name in learned}, "first")
    run.write_params(folder, update.params)
    times = (round(update.seconds, 3), round(update.compile_seconds, 3))
    line = HistoryLine(update.round, update.module, *measures, update.bound, *times)
    run.append_history(line._asdict())
    return line


def _facts(config: Config, datasets: Datasets, threads: int) -> dict[str, Any]:
    """What meta.json says of a run before it begins."""
    packages = ("jax", "jaxlib", "numpy")
    return {
        "versions": {
            "mmcli": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "seed": config.seed,
        "threads": threads,
        "items": datasets.num_items,
        "columns": datasets.widths,
        "data": dict(datasets.digests),
    }


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
