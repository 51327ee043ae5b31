"""What a person sees while data are made: bars on a terminal, plain lines anywhere else. All on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class Watcher(Protocol):
    """What making data tells of itself."""

    def told(self, line: str) -> None:
        """Something worth a line of a log."""

    def began(self, name: str, done: int, total: int | None) -> None:
        """A transfer goes on at byte `done` of `total`, which may be unknown."""

    def advanced(self, done: int) -> None:
        """Of the running transfer this many bytes are there."""

    def ended(self) -> None:
        """The running transfer came to an end, good or bad."""


@contextmanager
def display() -> Iterator[Watcher]:
    """The watcher that suits stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    with Progress(*Bars.COLUMNS, console=console) as progress:
        yield Bars(progress)


class Lines:
    """For logs: no escape codes, nothing redrawn."""

    def told(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    def began(self, name: str, done: int, total: int | None) -> None:
        size = "" if total is None else f", {total / 1e6:.1f} MB"
        self.told(f"downloading {name}{size}" + (f", from byte {done:,} on" if done else ""))

    def advanced(self, done: int) -> None:
        """A log has no use for it."""

    def ended(self) -> None:
        """Nor for this."""


class Bars:
    """A bar for the running transfer, the lines above it."""

    COLUMNS = (
        TextColumn("{task.description}", markup=False),
        *(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
    )

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def told(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def began(self, name: str, done: int, total: int | None) -> None:
        self._task = self._progress.add_task(name, completed=done, total=total)

    def advanced(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def ended(self) -> None:
        self._progress.remove_task(self._task)
