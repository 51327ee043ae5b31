"""Worker threads, and waiting for them with a stall limit.

The main thread only waits, for short intervals: so it receives signals, and can check whether the process still uses
processor time.
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

PATIENCE = 0.5  # seconds between two samples
# Seconds without processor time after which a computation counts as stalled: a long computation uses processor time.
STILL_SECONDS = 300.0
# Processor time that idle threads use by waking up now and then: seconds, and seconds a second.
SLACK, SLACK_SHARE = 0.02, 0.01
NAME = "mmcli-computes"  # prefix of thread names, by which workers are recognised
TASKS = Path("/proc/self/task")  # the threads of this process, on Linux

T = TypeVar("T")

_running: set[object] = set()  # a mark for each task that is computed or waits for its turn


class Worker:
    """One thread that runs its calls in the order of submission."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=NAME)

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Submit a call to the thread."""
        task = object()
        _running.add(task)  # before the thread has it: a signal may raise here between the two
        call = self._pool.submit(function, *arguments)
        call.add_done_callback(lambda _: _running.discard(task))
        return call

    def leave(self) -> None:
        """Cancel pending calls and return at once, without waiting for the running one."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def worker() -> Iterator[Worker]:
    """Worker thread for the length of a block; never joined, so that a stuck call cannot block the exit."""
    thread = Worker()
    try:
        yield thread
    finally:
        thread.leave()


def are_busy() -> bool:
    """Whether a worker is still running a call, which the exit of Python would wait for."""
    return bool(_running)


class Watch:
    """Stall detector: time without progress, sampled from the threads of this process.

    Processor time used by them restarts the count. A sample in which a thread runs, or waits for a processor or a disk,
    adds nothing; any other adds PATIENCE at most, however long ago the previous sample was. So time in which the
    process is suspended, the computer sleeps, or others occupy all processors does not count.
    """

    def __init__(self, limit: float | None = None) -> None:
        """Set the limit in seconds; None disables the detector, where processor time does not show progress."""
        self._limit = limit
        self._still = 0.0  # seconds
        self._looked = time.monotonic()
        self._used: float | None = None  # seconds of processor time when the count began

    def look(self) -> None:
        """Take a sample.

        Raises:
            StalledError: no progress for as long as the limit.
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
    """Wait for the result of a thread; yield None every PATIENCE seconds until it is done.

    Args:
        call: the pending result.
        limit: seconds without processor time after which to give up; None is no limit.

    Raises:
        StalledError: no progress for that long.
    """
    watch = Watch(limit)
    while not wait([call], timeout=PATIENCE).done:
        watch.look()
        yield


def result(call: Future[T], limit: float | None = None) -> T:
    """Result of a call in a thread, waited for as in `waits`.

    Raises:
        StalledError: no progress for `limit` seconds.
    """
    for _ in waits(call, limit):
        pass
    return call.result()


def processor_time() -> tuple[float, bool]:
    """Processor time of the threads of this process, in seconds, and whether one is running or ready to run.

    Python's own threads other than workers (the one that waits, the one that draws a bar) are left out.
    """
    onlookers = {str(thread.native_id) for thread in threading.enumerate() if not thread.name.startswith(NAME)}
    if not TASKS.is_dir():  # not Linux: drawing a bar counts too, so a stall may go unnoticed
        return time.process_time() - time.thread_time(), False
    ticks, is_moving = 0, False
    for task in TASKS.iterdir():
        if task.name in onlookers:
            continue
        try:
            state, *fields = (task / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # the thread has ended
            continue
        is_moving |= state in (b"R", b"D")  # running or ready to run; waiting for a disk
        ticks += int(fields[10]) + int(fields[11])  # user and system time
    return ticks / os.sysconf("SC_CLK_TCK"), is_moving
