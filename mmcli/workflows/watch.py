"""Progress of a run that another process trains, from the files of its directory."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmcli.config.reader import read_settings
from mmcli.errors import ConfigError, UsageError
from mmcli.runs.history import HistoryLine
from mmcli.runs.layout import CONFIG, HISTORY, LOCK
from mmcli.runs.reader import RunFiles
from mmcli.util.locks import lock_state
from mmcli.util.text import shown
from mmcli.workflows.watcher import Watcher

_LEARNER = re.compile(r"modules\.([^.]+)\.inputs")  # key of the settings of a module that learns


def elapsed_seconds(path: Path) -> float:
    """Seconds from the beginning of the run at `path` to its end, or until now; 0 where it does not record them.

    Raises:
        UsageError: no run at `path`.
        DamagedRunError: files of the run are missing or unreadable.
    """
    meta = RunFiles.look(path).meta()
    times = [str(meta.get("started")), str(meta.get("ended", datetime.now(UTC)))]
    try:
        started, ended = map(datetime.fromisoformat, times)
        return max(0.0, (ended - started).total_seconds())
    except (TypeError, ValueError):  # no time, or one without a zone
        return 0.0


def watch(path: Path, watcher: Watcher, pause: Callable[[], object]) -> None:
    """Pass on the updates of a run, those of before first, until it has finished.

    Args:
        path: of the run.
        watcher: receives the progress; that of the running update is estimated by its time in the round before.
        pause: waits, between two looks at the files.

    Raises:
        UsageError: no run at `path`, or it ended before it finished: it failed, was stopped, or was killed.
        DamagedRunError: files of the run are missing or unreadable.
    """
    run = RunFiles.look(path)
    rounds, modules = plan_of(run)
    watcher.started(path, None, rounds, modules)
    num_shown = 0
    for history in looks(run, pause):
        num_shown = min(num_shown, len(history))  # a run that resumes may repeat an update
        for line in history[num_shown:]:
            if line.module not in modules:
                raise run.damaged(HISTORY, f"no module {shown(line.module, 60)} in this run")
            watcher.updated(line)
        num_shown = len(history)
        if num_shown < rounds * len(modules):
            _estimate(run, modules, history, watcher)


def looks(run: RunFiles, pause: Callable[[], object]) -> Iterator[list[HistoryLine]]:
    """History of a run, again and again, until it has finished.

    Raises:
        UsageError: it ended before.
    """
    was_left = False
    while True:
        # In this order: a run that ends meanwhile is held and running, or has ended with all its lines.
        is_left = lock_state(run.path / LOCK) is False
        status, history = run.meta().get("status"), run.history()
        yield history
        if status != "running":
            run.refuse_unfinished()
            return
        if is_left and was_left:  # twice, as one that resumes takes the lock first
            resume = f"mmcli train {shown(str(run.config))} -o {shown(str(run.path))} --resume"
            raise UsageError(f"{run.path}: no process trains this run any more; resume it with: {resume}")
        was_left = is_left
        pause()


def plan_of(run: RunFiles) -> tuple[int, list[str]]:
    """Number of rounds, and the modules that learn, in the order of updates.

    Raises:
        DamagedRunError: the config does not have them.
    """
    try:
        settings: dict[str, Any] = read_settings(run.config)
    except ConfigError as error:
        raise run.damaged(CONFIG, error.problems[0]) from None
    rounds = settings.get("rounds")
    modules = [match[1] for key, value in settings.items() if value and (match := _LEARNER.fullmatch(key))]
    if not isinstance(rounds, int) or not modules:
        raise run.damaged(CONFIG, "no rounds, or no module that learns")
    return rounds, modules


def _estimate(run: RunFiles, modules: Sequence[str], history: Sequence[HistoryLine], watcher: Watcher) -> None:
    """Report the share of the running update by the time of the module's last one; nothing in the first round."""
    rounds, index = divmod(len(history), len(modules))
    if rounds:
        milliseconds = max(1, round(1000 * history[-len(modules)].seconds))
        since = round(1000 * (time.time() - (run.path / HISTORY).stat().st_mtime))
        watcher.advanced(rounds + 1, modules[index], min(max(since, 0), milliseconds), milliseconds)
