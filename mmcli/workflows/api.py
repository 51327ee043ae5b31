"""Training from Python, as `mmcli train` does it."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from numpy.typing import ArrayLike

from mmcli.config.reader import ConfigSource
from mmcli.errors import StoppedError, UsageError
from mmcli.workflows import train as workflow
from mmcli.workflows.check import check
from mmcli.workflows.trained_run import TrainedRun, load_run
from mmcli.workflows.watcher import Lines, Silent, Watcher

MOST_THREADS = 1024


def train(
    config: ConfigSource,
    *,
    data: Mapping[str, ArrayLike] | None = None,
    seed: int | None = None,
    rounds: int | None = None,
    output: str | Path | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    data_root: str | Path | None = None,
    trust_code: bool = False,
    progress: bool | Watcher = True,
) -> TrainedRun:
    """Train a model and load the run, which has the bytes that `mmcli train` would write.

    Ctrl-C in the main thread saves the state of the run and raises KeyboardInterrupt, whose text has the command that
    resumes it; a second one does not wait for that. No other signal is handled, and none in another thread.

    >>> import mmcli, numpy as np
    >>> config = {
    ...     "rounds": 1,
    ...     "modules": {
    ...         "points": {"type": "observation", "data": "points"},
    ...         "gmm": {"type": "gmm", "inputs": ["points"], "num_classes": 2, "sweeps": 20, "labels": "kinds"},
    ...     },
    ... }
    >>> kinds = np.repeat([0, 1], 20)
    >>> points = np.random.default_rng(0).normal(10.0 * kinds[:, None], 1.0, (40, 2))
    >>> run = mmcli.train(config, data={"points": points, "kinds": kinds}, progress=False)
    >>> run.history["gmm"]["acc"]
    array([1.])

    Args:
        config: path of a YAML file, or a mapping of its content, whose relative paths start at the working
            directory.
        data: arrays in memory by name, (N, width) numpy or scipy.sparse, labels and masks (N,), that take the place of
            files under the config's `data`; names that it lacks are added. Rows are items. The run keeps their SHA-256
            and not their values.
        seed: replaces the config's.
        rounds: replaces the config's.
        output: the run directory; None makes the next free runs/<config>-s<seed>-NNN.
        overrides: "modules.vae.epochs=20": values in YAML that replace those of the config.
        resume: resume a run that is at `output` already; one that has finished is left alone.
        force: set aside a run that is at `output` already.
        threads: CPU threads; None takes as many as before, or one for each core. A process keeps its first number.
        data_root: folder to search for data files of the run to be resumed that were moved.
        trust_code: whether module types that the config names by import path, package.module:SPEC, are imported, which
            runs their code.
        progress: True prints a line per update on stderr, False nothing; an object with the methods of
            `mmcli.workflows.watcher.Watcher` receives the progress.

    Raises:
        ConfigError, DataError: every problem of the config and the data, one line each.
        UsageError: the arguments contradict each other.
        MmcliError: as of `workflows.train.train`.
        KeyboardInterrupt: as above.
    """
    for name, is_given in (("force", force), ("resume", resume)):
        if is_given and output is None:
            raise UsageError(f"{name} needs output: without it every run has a directory of its own")
    if force and resume:
        raise UsageError("force and resume are mutually exclusive; choose one")
    if data_root is not None and not resume:
        raise UsageError("data_root needs resume; a new run reads the files that its config names")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"threads: {threads} is not in the range 1 to {MOST_THREADS}")
    path = None if output is None else Path(output)
    experiment = check(
        config,
        overrides,
        data=data,
        seed=seed,
        rounds=rounds,
        resumed=path if resume else None,
        data_root=data_root,
        trust_code=trust_code,
    )
    watcher = (Lines() if progress else Silent()) if isinstance(progress, bool) else progress
    try:
        with interrupts() as stop:
            run = workflow.train(
                experiment,
                watcher,
                stop,
                output=path,
                force=force,
                resume=resume,
                threads=threads,
                trust_code=trust_code,
            )
    except StoppedError as stopped:
        raise KeyboardInterrupt(str(stopped)) from None
    return load_run(run, data=data, data_root=data_root, trust_code=trust_code)


@contextmanager
def interrupts() -> Iterator[Callable[[], int | None]]:
    """Give a function that returns SIGINT once Ctrl-C was pressed; the second Ctrl-C raises KeyboardInterrupt.

    Only in the main thread, and where Python's own handler is in place: others belong to the caller.
    """
    own = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not own:
        yield lambda: None
        return
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, own)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: received[0] if received else None
    finally:
        signal.signal(signal.SIGINT, own)
