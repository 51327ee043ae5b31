"""Training of a checked experiment: its run directory is made, locked, resumed, and left with a status.

The command line and the Python functions (`workflows.api`) both come here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmcli.config.model import Config
from mmcli.config.reader import dump_config
from mmcli.data.dataset import Datasets
from mmcli.errors import MmcliError, SaveError, StalledError, StoppedError
from mmcli.runs.places import refuse_taken, set_aside
from mmcli.runs.writer import RunDirectory
from mmcli.util.atomic import is_there, require_room
from mmcli.util.meeting import Meeting
from mmcli.util.text import counted
from mmcli.workflows import partners, process
from mmcli.workflows import resume as resuming
from mmcli.workflows.check import Experiment
from mmcli.workflows.watcher import Watcher

RUNS = Path("runs")  # folder of runs without an output of their own
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
    trust_code: bool = False,
) -> Path:
    """Learn, and write a run directory.

    Args:
        experiment: from `workflows.check`.
        watcher: receives the progress.
        stop: gives the number of the signal that asks the run to stop, or None; called about twice a second.
        output: the run directory; None makes the next free runs/<config>-s<seed>-NNN.
        force: set aside a run that is at `output` already.
        resume: resume a run that is at `output` already; one that has finished is left alone.
        threads: CPU threads to compute with; None takes as many as before, or one for each core.
        trust_code: whether module types that the config of a run to resume names by import path are imported.

    Returns:
        The run directory.

    Raises:
        UsageError: the run directory cannot be made, is in use, or is of another config; this process already computes
            with another number of threads; there is no device of the kind that the environment asks for.
        DataError: the run learned from other data.
        DamagedRunError: the run cannot be resumed.
        SaveError: something cannot be written.
        StoppedError: `stop` gave a signal.
        DivergedError: a number became NaN or infinite; the run directory keeps all results before that.
        StalledError: nothing was computed for minutes; the last checkpoint is kept.
        LostProcessError: another process that trains with this one ended.
    """
    config, graph, datasets = experiment
    num_threads = process.num_threads(threads, None)  # an error comes before anything is made
    require_room(output or RUNS, ROOM + ROOM_PER_BYTE * datasets.num_bytes)
    if output is not None and not (force or resume):
        refuse_taken(output)
    if output is None or not resume or not is_there(output):
        _start_device(num_threads)
    aside = set_aside(output) if output is not None and force else None
    if output is None:
        run = RunDirectory.create_next(RUNS, f"{config.path.stem}-s{config.seed}")
    else:
        run = RunDirectory.open_or_create(output) if resume else RunDirectory.create(output)
    with run.lock() as is_locked:
        watcher.started(run.path, aside, config.rounds, graph.learners)
        if not is_locked:
            watcher.noted("this file system has no locks: see that no other process works on this run")
        for remark in _remarks(config, datasets):
            watcher.noted(remark)
        checkpoint, is_done = (
            resuming.find_resume_point(run, config, graph, datasets, watcher.noted, trust_code=trust_code)
            if resume
            else resuming.BEGINNING
        )
        partners.send(checkpoint, is_done=is_done)
        if is_done:
            watcher.noted("finished before; more rounds would extend it")
            return run.path
        if checkpoint is not None and run.has_links:
            watcher.noted("files of this run are links: new files replace them, and their targets stay as they are")
        threads = process.num_threads(threads, resuming.threads_of(checkpoint))
        _start_device(threads)
        facts = process.facts_of(config, datasets, threads)
        if checkpoint is not None:
            facts = resuming.restore(run, checkpoint, config, facts, watcher.noted)
        run.start(dump_config(config), facts)
        with _status_kept(config, run), process.threads_set(threads):
            from mmcli.workflows.learning import learn  # imports jax

            learn(experiment, run, watcher, stop, checkpoint)
        run.finish()
        partners.part()
    return run.path


def takes_part(
    experiment: Experiment, meeting: Meeting | None, stop: Callable[[], int | None], threads: int | None
) -> bool:
    """Meet the other processes, and train with them; False in the first process, or alone, where `train` is called.

    Args:
        experiment: from `workflows.check`, with data that are not held in memory.
        meeting: how this process finds the others; None trains alone.
        stop: as for `train`.
        threads: as for `train`.

    Raises:
        UsageError, DataError: the processes differ in what they are to train, or the model cannot be divided.
        StoppedError, DivergedError, LostProcessError: as of `train`.
    """
    if meeting is None:
        return False
    from mmcli.workflows import distributed, learning  # import jax

    distributed.refuse_what_is_not_divided(experiment.graph, experiment.datasets)
    others = distributed.meet(experiment, meeting, process.num_threads(threads, None))
    partners.together.set(others)
    if others.is_first:
        return False
    checkpoint, is_done = others.receive()
    if not is_done:
        learning.follow(experiment, stop, checkpoint)
        others.part()
    return True


def _start_device(threads: int) -> None:
    """Start the device to compute on, before anything of a run is changed.

    Raises:
        UsageError: there is none of the kind that the environment asks for.
    """
    with process.threads_set(threads):
        from mmcli.engine import devices  # imports jax

        devices.start()


@contextmanager
def _status_kept(config: Config, run: RunDirectory) -> Iterator[None]:
    """Record in meta.json how training ended, unless it finished.

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
            f"{error}; the last checkpoint is safe; resume with: {process.resume_command(config, run)}"
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
    """Remarks on sound data that may surprise."""
    yield from datasets.notes
    for name, labels in {config.modules[module].labels: labels for module, labels in datasets.labels.items()}.items():
        if labels.num_unlabelled:
            yield f"{name}: {counted(labels.num_unlabelled, 'item')} of {datasets.num_items} without a label"
