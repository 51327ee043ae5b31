"""Threads that compute, and what waits for them without standing still itself.

The main thread only waits, a moment at a time: signals reach it, and it sees whether anything is computed at all.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mmcli.errors import StalledError

PATIENCE = 0.5  # seconds between two looks at what is computed
# Seconds without any processor time after which a computation is given up. What takes long takes processor time.
STILL_SECONDS = 300.0
# Processor time that is no computing: what idle threads use that wake up now and then. Seconds, and for each second.
SLACK, SLACK_SHARE = 0.02, 0.01
NAME = "mmcli-computes"  # of the threads, so that those that only look on can be told apart
TASKS = Path("/proc/self/task")  # the threads of this process, where the system shows them

T = TypeVar("T")

_running: set[Future[Any]] = set()


class Worker:
    """One thread that computes what it is given, in that order."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=NAME)

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Have something computed."""
        call = self._pool.submit(function, *arguments)
        _running.add(call)
        call.add_done_callback(_running.discard)
        return call

    def leave(self) -> None:
        """Begin nothing more, and do not wait for what is computed."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def worker() -> Iterator[Worker]:
    """A thread for as long as it is needed, left alone afterwards whatever it does."""
    thread = Worker()
    try:
        yield thread
    finally:
        thread.leave()


def are_busy() -> bool:
    """Whether something is being computed that the end of Python would wait for."""
    return bool(_running)


class Watch:
    """How long nothing has been computed, by looks at the threads of this process.

    Processor time that they have used starts the count anew. A look at which one of them runs, or waits for its turn or
    for a disk, counts nothing; any other counts for PATIENCE at most, however long ago the one before was. So a process
    that is suspended, a computer that sleeps, or one that others keep busy does not count the time in which it could
    not compute.
    """

    def __init__(self, limit: float | None = None) -> None:
        """For a limit in seconds; None looks at nothing, where processor time does not tell what is computed."""
        self._limit = limit
        self._still = 0.0  # seconds
        self._looked = time.monotonic()
        self._used: float | None = None  # seconds, when the count began

    def look(self) -> None:
        """Look once.

        Raises:
            StalledError: nothing has been computed for as long as the limit.
        """
        if self._limit is None:
            return
        now, (used, is_moving) = time.monotonic(), processor_time()
        if self._used is None or used - self._used > SLACK + SLACK_SHARE * self._still:
            self._used, self._still = used, 0.0
        elif not is_moving:
            self._still += min(now - self._looked, PATIENCE)
        self._looked = now
        if self._still >= self._limit:
            raise StalledError(f"its threads stand still: no processor time used for {self._limit:g} s")


def waits(call: Future[Any], limit: float | None = None) -> Iterator[None]:
    """Wait for what a thread computes: gives None again and again, until it is there.

    Args:
        call: what is computed.
        limit: seconds without processor time after which it is given up; None is no limit.

    Raises:
        StalledError: nothing was computed for so long.
    """
    watch = Watch(limit)
    while not wait([call], timeout=PATIENCE).done:
        watch.look()
        yield


def result(call: Future[T], limit: float | None = None) -> T:
    """What a thread computes, once it is there; arguments and errors as of `waits`."""
    for _ in waits(call, limit):
        pass
    return call.result()


def processor_time() -> tuple[float, bool]:
    """Seconds that the threads of this process have computed for, and whether one does now, or waits for its turn.

    Threads of Python other than workers only look on (the one that waits, the one that draws a bar) and are left out.
    """
    onlookers = {str(thread.native_id) for thread in threading.enumerate() if not thread.name.startswith(NAME)}
    if not TASKS.is_dir():  # not Linux: a bar that is drawn counts too, and the watch rather waits
        return time.process_time() - time.thread_time(), False
    ticks, is_moving = 0, False
    for task in TASKS.iterdir():
        if task.name in onlookers:
            continue
        try:
            state, *fields = (task / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it has ended
            continue
        is_moving |= state in (b"R", b"D")  # running or ready to, on its way to or from a disk
        ticks += int(fields[10]) + int(fields[11])  # by itself, and by the system for it
    return ticks / os.sysconf("SC_CLK_TCK"), is_moving
