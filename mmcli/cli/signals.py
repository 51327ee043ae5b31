"""Signals that ask a run to stop, and the end of a process whatever its threads do."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from mmcli.errors import OutputError

SIGNALS = (
    *(signal.SIGTERM, signal.SIGINT),  # of a batch system, of a person
    *(signal.SIGUSR1, signal.SIGUSR2),  # of Slurm and Grid Engine before their limits, as they are asked to
    signal.SIGXCPU,  # of the system at the soft limit of processor time, and of Slurm
    signal.SIGHUP,  # of a terminal that is closed
)


def handled() -> list[signal.Signals]:
    """SIGNALS but those that this process was started to ignore, as nohup makes it ignore SIGHUP."""
    return [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]


@contextmanager
def stop_requests() -> Iterator[Callable[[], int | None]]:
    """Give a function that returns the number of the first signal received, or None before.

    A second SIGINT ends the process at once.
    """
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in handled()}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """End the process at once, though threads of it still compute, which Python would wait for.

    Stdout and stderr are flushed first.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, OutputError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
