"""Jobs as tasks of a Dask cluster that runs already; its workers share the folder of the sweep with this process."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmcli.errors import UsageError
from mmcli.launch.jobs import Job, Outcome, execute
from mmcli.launch.local import JobWatcher
from mmcli.util.text import shown

ANSWER_SECONDS = 10.0  # for the scheduler to answer, and to answer again
STOP_SECONDS = 60.0  # for workers to return the jobs that were asked to stop
POLL_SECONDS = 0.2
STOP = ".stop"  # suffix of a file that asks the jobs of one command to stop


def run_on_cluster(
    address: str,
    folder: Path,
    jobs: Sequence[Job],
    slots: int | None,
    watcher: JobWatcher,
    stop: Callable[[], int | None],
    *,
    fail_fast: bool = False,
) -> list[Outcome]:
    """Run jobs as `run_here` does, each as one process that a worker starts.

    A job whose worker died is begun again by another, once the process that the dead one started has ended.

    Args:
        address: of the scheduler, tcp://host:8786.
        folder: shared with the workers; a file in it asks jobs to stop, which no scheduler needs to be reached for.
        jobs: in the order of their start.
        slots: jobs at a time; None is one for each thread of the workers.
        watcher: receives the progress.
        stop: as of `run_here`.
        fail_fast: as of `run_here`.

    Raises:
        UsageError: the package is missing, or the scheduler does not answer.
    """
    client = _connect(address)
    for old in folder.glob(f"*{STOP}"):
        old.unlink(missing_ok=True)
    request = folder.absolute() / f"{uuid.uuid4().hex}{STOP}"
    waiting, running, outcomes = deque(jobs), dict[str, Any](), list[Outcome]()
    answered, deadline = time.monotonic(), None
    try:
        while waiting or running:
            now = time.monotonic()
            if deadline is None and (stop() is not None or (fail_fast and any(outcome.error for outcome in outcomes))):
                request.touch()
                waiting.clear()
                deadline = now + STOP_SECONDS
            if deadline is not None and now > deadline:
                break
            answered = now if client.status == "running" else answered
            if now - answered > ANSWER_SECONDS:
                raise UsageError(
                    f"--scheduler {shown(address)}: no longer answers; runs under way are asked to stop, "
                    "and the same command continues"
                )
            while waiting and len(running) < (slots or _num_threads(client)):
                job = waiting.popleft()
                running[job.name] = client.submit(_execute, job, request, key=f"{request.stem}-{job.name}", pure=False)
                watcher.started(job)
            for name, future in list(running.items()):
                outcome = _outcome(name, future)
                if outcome is not None:
                    del running[name]
                    outcomes.append(outcome)
                    watcher.ended(outcome)
            time.sleep(POLL_SECONDS)
    finally:
        if running:
            request.touch()  # whatever ended this loop, no worker computes for nobody
        else:
            request.unlink(missing_ok=True)
        client.close(timeout=ANSWER_SECONDS)
    return outcomes


def _connect(address: str) -> Any:
    """Client of a scheduler.

    Raises:
        UsageError: the package is missing, or the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs the package distributed: pip install distributed") from None
    try:
        return Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = shown(str(error).strip().split("\n")[0], 160) or type(error).__name__
        raise UsageError(f"--scheduler {shown(address)}: does not answer ({reason})") from None


def _num_threads(client: Any) -> int:
    """Threads of all workers; 1 while there is none, so that a job waits for the first."""
    try:
        return sum(client.nthreads().values()) or 1
    except (OSError, ValueError):  # the scheduler does not answer now
        return 1


def _execute(job: Job, request: Path) -> Outcome:
    """On a worker: run a job until it ends, or until `request` exists."""
    return execute(job, request.exists)


def _outcome(name: str, future: Any) -> Outcome | None:
    """Outcome of a task; None while it runs, or while its cluster is out of reach."""
    match future.status:
        case "finished":
            outcome: Outcome = future.result()
            return outcome
        case "error":
            return Outcome(name, 1, 0.0, shown(f"the cluster gave the job up: {future.exception()}", 300))
    return None
