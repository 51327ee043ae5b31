"""The composition root: train and compare wire the parts together. Nothing here formats for people.

What is slow to import (jax, scipy, scikit-learn, matplotlib) is imported where it is first needed, so that
whatever is wrong with the command line, the config or its data is said before.
"""

import os
import platform
import shlex
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mmcli import __version__
from mmcli.config.model import Config
from mmcli.config.reader import dump_config, plain_config
from mmcli.data.dataset import Datasets
from mmcli.data.labels import LabelSet
from mmcli.data.units import in_data_units
from mmcli.errors import MmcliError, SaveError, StalledError, StoppedError, UsageError
from mmcli.modules.registry import MODULES
from mmcli.runs.checkpoint import Checkpoint
from mmcli.runs.history import HistoryLine
from mmcli.runs.reader import CHECKPOINTS, Stage
from mmcli.runs.writer import RunDirectory, set_aside
from mmcli.util import workers
from mmcli.util.atomic import require_room
from mmcli.util.text import counted
from mmcli.workflows import resume as resuming
from mmcli.workflows.check import Experiment
from mmcli.workflows.compare import Comparison, compare_runs

if TYPE_CHECKING:
    from mmcli.engine.schedule import Moment, Saved, Update

RUNS = Path("runs")  # where a run goes that is not told where
FIRST = ("z", "class")  # what is kept as the first round left it, to be compared with the last
# Bytes that a run may write, and how many more for each byte that it observes: an estimate on the safe side.
ROOM, ROOM_PER_BYTE = 32e6, 4
# Seconds that a run asked to stop may use no processor time in, before it leaves what is computed unsaved.
STOP_SECONDS = 4.0


class Watcher(Protocol):
    """Who looks on while a run learns. Rounds count from 1."""

    def started(self, run: Path, aside: Path | None, rounds: int, modules: Sequence[str]) -> None:
        """The run directory is there; `aside` is where an older one went."""

    def advanced(self, round_number: int, module: str, done: int, iterations: int) -> None:
        """So many of a module's inner iterations are done; told about twice a second."""

    def updated(self, line: HistoryLine) -> None:
        """A module finished its update of a round; its files, and a checkpoint where one is due, are written."""

    def told(self, line: str) -> None:
        """Something that a person should know."""


def train(
    experiment: Experiment,
    watcher: Watcher,
    stop: Callable[[], int | None],
    *,
    output: Path | None,
    force: bool = False,
    resume: bool = False,
    threads: int | None = None,
) -> Path:
    """Learn, and write a run directory.

    Args:
        experiment: from `checking.check`.
        watcher: is told what happens.
        stop: asked about twice a second for the number of the signal that wants the run to stop, or None.
        output: where the run goes; the next free runs/<config>-s<seed>-NNN where it is None.
        force: whether a run that is at `output` already is set aside.
        resume: whether a run that is at `output` already goes on where it was, or is left alone if it is finished.
        threads: CPU threads to compute with; None is as many as before, or one for each core there is.

    Returns:
        The run directory.

    Raises:
        UsageError: the run directory cannot be made, is in use, or is of another config.
        DataError: the run learned from other data.
        DamagedRunError: what is there cannot be gone on with.
        SaveError: something cannot be written.
        StoppedError: a signal asked for it.
        DivergedError: a number became NaN or infinite; the run directory keeps what came before.
        StalledError: nothing was computed for minutes; what the last checkpoint holds is safe.
    """
    config, graph, datasets = experiment
    require_room(output or RUNS, ROOM + ROOM_PER_BYTE * datasets.num_bytes)
    aside = set_aside(output) if output is not None and force else None
    if output is None:
        run = RunDirectory.create_next(RUNS, f"{config.path.stem}-s{config.seed}")
    else:
        run = RunDirectory.take_up(output) if resume else RunDirectory.create(output)
    with run.lock() as is_locked:
        watcher.started(run.path, aside, config.rounds, graph.learners)
        if not is_locked:
            watcher.told("this file system has no locks: see that no other process works on this run")
        for remark in _remarks(datasets):
            watcher.told(remark)
        checkpoint, is_done = (
            resuming.look_back(run, config, graph, datasets, watcher.told) if resume else resuming.NO_PAST
        )
        if is_done:
            watcher.told("finished before; more --rounds would extend it")
            return run.path
        if checkpoint is not None and run.has_links:
            watcher.told("files of this run are links: new files take their place, what they lead to stays as it is")
        threads = threads or resuming.threads_of(checkpoint) or _num_cores()
        facts = _facts(config, datasets, threads)
        if checkpoint is not None:
            facts = resuming.go_on(run, checkpoint, facts, watcher.told)
        run.start(dump_config(config), facts)
        os.environ["PJRT_NPROC"] = str(threads)  # read once, when jax starts; nothing has imported jax yet
        with _status_kept(run):
            _learn(experiment, run, watcher, stop, checkpoint)
        run.finish()
    return run.path


@contextmanager
def _status_kept(run: RunDirectory) -> Iterator[None]:
    """Record in meta.json how training ended where it did not end well.

    Raises:
        StalledError: with the command that resumes the run.
    """
    try:
        yield
    except StoppedError:
        run.stop()
        raise
    except StalledError as error:
        with suppress(SaveError):
            run.fail(str(error))
        raise StalledError(
            f"{error}; what the last checkpoint holds is safe; go on with: {_go_on(run)}"
            " (and --threads 1, where it stands still again)"
        ) from None
    except Exception as error:
        with suppress(SaveError):  # the disk may be what failed
            run.fail(str(error) if isinstance(error, MmcliError) else f"{type(error).__name__}: {error}")
        raise
    except BaseException:
        run.fail("interrupted")
        raise


def _remarks(datasets: Datasets) -> Iterator[str]:
    """Lines on data that are sound but may surprise."""
    yield from datasets.notes
    for name, labels in datasets.labels.items():
        if labels.num_unlabelled:
            yield f"{name}: {counted(labels.num_unlabelled, 'item')} of {datasets.num_items} without a label"


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
        from mmcli.plotting import plots

        try:
            plot.write_bytes(plots.comparison_figure(comparison, plot.suffix.removeprefix(".")))
        except OSError as error:
            raise UsageError(f"--plot {plot}: cannot be written ({error.strerror})") from None
    return comparison


def _learn(
    experiment: Experiment,
    run: RunDirectory,
    watcher: Watcher,
    stop: Callable[[], int | None],
    checkpoint: Checkpoint | None,
) -> None:
    """Train to the end, from a checkpoint or from the beginning, or until a signal asks to stop."""
    from mmcli.engine import devices, schedule

    config, graph, datasets = experiment
    run.note(device=devices.start().device_kind)
    facts, plain = run.meta(), plain_config(config)
    history = list(checkpoint.history) if checkpoint else []
    num_updates = config.rounds * len(graph.learners)
    for name, units in datasets.units.items():
        run.write_params(graph.folder(name), units._asdict())

    def keep(saved: schedule.Saved) -> tuple[int, int]:
        run.checkpoints.save(Checkpoint(*saved, plain, facts, list(history), run.results))
        return saved.updates, saved.iterations

    begun = checkpoint is not None and checkpoint.updates + checkpoint.iterations > 0
    saved = schedule.Saved(*checkpoint[:3]) if checkpoint and begun else None
    kept = saved[:2] if saved else keep(schedule.Saved(0, 0, {}))
    try:
        events = schedule.train_rounds(
            graph,
            datasets.observations,
            datasets.known,
            seed=config.seed,
            rounds=config.rounds,
            rule=config.messages,
            saved=saved,
        )
    except ValueError as error:
        raise run.damaged(CHECKPOINTS, str(error)) from None
    for event in events:
        moment = event.moment
        if isinstance(event, schedule.Progress):
            watcher.advanced(event.round, event.module, event.done, event.iterations)
            before = moment
        elif (line := _record(experiment, run, event, stop)) is None:
            moment = before
        else:
            history.append(line._asdict())
            if moment.updates % config.checkpoint_every == 0 or moment.updates == num_updates:
                kept = keep(schedule.save(moment))
            watcher.updated(line)
        number = stop()
        if number is not None and moment.updates < num_updates:
            is_saved = kept == (moment.updates, moment.iterations)
            with suppress(StalledError):
                if not is_saved:
                    keep(_save_in_time(schedule.save, moment))
                    is_saved = True
            kind = "all is saved" if is_saved else "its threads stand still; what the last checkpoint holds is saved"
            where = f"in round {event.round}, module {event.module}"
            raise StoppedError(
                f"stopped by {signal.Signals(number).name} {where}; {kind}; go on with: {_go_on(run)}", number
            )


def _save_in_time(save: "Callable[[Moment], Saved]", moment: "Moment") -> "Saved":
    """The moment that was reached, for a process that is asked to stop, as `rounds.save` gives it.

    Raises:
        StalledError: that too waits for threads that stand still.
    """
    with workers.worker() as thread:
        return workers.result(thread.submit(save, moment), STOP_SECONDS)


def _go_on(run: RunDirectory) -> str:
    """The command that goes on with a run."""
    return shlex.join(["mmcli", "train", str(run.config), "-o", str(run.path), "--resume"])


def _record(
    experiment: Experiment, run: RunDirectory, update: "Update", stop: Callable[[], int | None]
) -> HistoryLine | None:
    """Measure an update and write its files; None where a signal came before all were, and they are written anew."""
    from mmcli.runs import metrics

    config, graph, datasets = experiment
    module = config.modules[update.module]
    reported = in_data_units(graph, update.module, update.report, datasets.units)
    learned = {**reported, MODULES[module.type].trace: update.trace}
    measures: tuple[float | None, float | None, float | None] = (None, None, None)
    if module.labels is not None:
        labels = datasets.labels[module.labels]
        agreement = metrics.evaluate(learned["class"], labels)
        measures = (agreement.acc, agreement.ari, agreement.nmi)
        names = metrics.class_names(learned["class"], labels, learned["Pdz"].shape[1])
        learned |= {"class": names[learned["class"]], "name": names, "acc": np.array(agreement.acc)}
    folder = graph.folder(update.module)
    stages: list[tuple[Stage, Iterable[str]]] = [("learn", learned), ("first", FIRST if update.round == 1 else ())]
    for stage, stems in stages:
        for name in stems:
            if stop() is not None:  # over many items they take longer than a signal may wait
                return None
            if name in learned:
                run.write_arrays(folder, {name: learned[name]}, stage)
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
        "labels": {name: LabelSet.of(labels).record() for name, labels in datasets.labels.items()},
    }


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
