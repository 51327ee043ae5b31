"""Train: a run directory made, locked, resumed where it can be, and left in a state that says how learning ended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmcli.config.model import Config
from mmcli.config.reader import dump_config
from mmcli.data.dataset import Datasets
from mmcli.errors import MmcliError, SaveError, StalledError, StoppedError
from mmcli.runs.writer import RunDirectory, set_aside
from mmcli.util.atomic import require_room
from mmcli.util.text import counted
from mmcli.workflows import process
from mmcli.workflows import resume as resuming
from mmcli.workflows.check import Experiment
from mmcli.workflows.watcher import Watcher

RUNS = Path("runs")  # where a run goes that is not told where
# Bytes that a run may write, and how many more for each byte that it observes: an estimate on the safe side.
ROOM, ROOM_PER_BYTE = 32e6, 4


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
        run = RunDirectory.open_or_create(output) if resume else RunDirectory.create(output)
    with run.lock() as is_locked:
        watcher.started(run.path, aside, config.rounds, graph.learners)
        if not is_locked:
            watcher.told("this file system has no locks: see that no other process works on this run")
        for remark in _remarks(config, datasets):
            watcher.told(remark)
        checkpoint, is_done = (
            resuming.look_back(run, config, graph, datasets, watcher.told) if resume else resuming.NO_PAST
        )
        if is_done:
            watcher.told("finished before; more --rounds would extend it")
            return run.path
        if checkpoint is not None and run.has_links:
            watcher.told("files of this run are links: new files take their place, what they lead to stays as it is")
        threads = threads or resuming.threads_of(checkpoint) or process.num_cores()
        facts = process.facts_of(config, datasets, threads)
        if checkpoint is not None:
            facts = resuming.go_on(run, checkpoint, facts, watcher.told)
        run.start(dump_config(config), facts)
        process.set_threads(threads)
        with _status_kept(run):
            from mmcli.workflows.learning import learn  # imports jax, which reads the threads then

            learn(experiment, run, watcher, stop, checkpoint)
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
            f"{error}; what the last checkpoint holds is safe; go on with: {process.resume_command(run)}"
            " (and --threads 1, where it stands still again)"
        ) from None
    except Exception as error:
        with suppress(SaveError):  # the disk may be what failed
            run.fail(str(error) if isinstance(error, MmcliError) else f"{type(error).__name__}: {error}")
        raise
    except BaseException:
        run.fail("interrupted")
        raise


def _remarks(config: Config, datasets: Datasets) -> Iterator[str]:
    """Lines on data that are sound but may surprise."""
    yield from datasets.notes
    for name, labels in {config.modules[module].labels: labels for module, labels in datasets.labels.items()}.items():
        if labels.num_unlabelled:
            yield f"{name}: {counted(labels.num_unlabelled, 'item')} of {datasets.num_items} without a label"
