"""Jobs as processes of this machine, so many at a time."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from mmcli.launch.jobs import POLL_SECONDS, Job, Outcome, Process


class JobWatcher(Protocol):
    """Receiver of the progress of jobs."""

    def started(self, job: Job) -> None:
        """Receive a job that is given to a process."""

    def ended(self, outcome: Outcome) -> None:
        """Receive the end of a job, failed and stopped ones included."""


def run_here(
    jobs: Sequence[Job], slots: int, watcher: JobWatcher, stop: Callable[[], int | None], *, fail_fast: bool = False
) -> list[Outcome]:
    """Run jobs, at most `slots` at a time, until all have ended.

    Args:
        jobs: in the order of their start.
        slots: processes at a time.
        watcher: receives the progress.
        stop: gives the number of the signal that asks to stop, or None; the jobs under way are stopped then, and no
            other starts.
        fail_fast: whether the first failure stops the others as well.

    Returns:
        Outcomes of the jobs that were started, in the order of their ends.

    Raises:
        OSError: no process can be started.
    """
    waiting, running, outcomes = deque(jobs), list[Process](), list[Outcome]()
    try:
        while waiting or running:
            if stop() is not None or (fail_fast and any(outcome.error for outcome in outcomes)):
                waiting.clear()
                _stop(running)
            while waiting and len(running) < slots:
                running.append(Process(waiting.popleft()))
                watcher.started(running[-1].job)
            for process in list(running):
                outcome = process.poll()
                if outcome is not None:
                    running.remove(process)
                    outcomes.append(outcome)
                    watcher.ended(outcome)
            time.sleep(POLL_SECONDS)
    finally:
        _stop(running)
    return outcomes


def _stop(running: Sequence[Process]) -> None:
    for process in running:
        process.stop()
