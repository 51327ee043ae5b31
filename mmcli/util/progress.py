"""Progress of long work on stderr: a transient bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from rich.console import Console

from mmcli.util.text import shown

BAR_WIDTH = 24
LONG = 16 << 20  # bytes; progress is shown for files of this size or more
SECONDS_A_LINE = 5.0  # in a log

# Whether to show progress while files are read. Set once, by the command line, so that readers need not pass it on.
looks_on: ContextVar[bool] = ContextVar("looks_on", default=False)


class Advance(Protocol):
    """Progress callback."""

    def __call__(self, done: int, total: int | None = None, /) -> None:
        """Report the amount done so far, and the total where it was not known before."""


def watched(file: Path, num_bytes: int) -> AbstractContextManager[Advance]:
    """Progress callback for reading a file of `num_bytes`; shows nothing for a short one."""
    if not looks_on.get() or num_bytes < LONG:
        return nullcontext(lambda _done, _total=None: None)
    return following(f"reading {file.name}", num_bytes, "bytes")


@contextmanager
def following(
    what: str, total: int | None = None, unit: Literal["items", "bytes"] = "items", *, done: int = 0
) -> Iterator[Advance]:
    """Show the progress of a task while the block lasts.

    Args:
        what: the task, such as "reading x.npz".
        total: amount of work, where known.
        unit: of `total` and `done`.
        done: amount done before.
    """
    # Imported here: `mmcli --help` must not wait for it.
    from rich import progress

    console, what = live_console(), shown(what, 60)
    if console is None:
        yield _lines(what, total, unit)
        return
    in_bytes = (progress.DownloadColumn(), progress.TransferSpeedColumn())
    columns = (
        *(progress.TextColumn("{task.description}", markup=False), progress.BarColumn(BAR_WIDTH)),
        *(in_bytes if unit == "bytes" else (progress.MofNCompleteColumn(),)),
        progress.TimeRemainingColumn(),
    )
    bar = progress.Progress(*columns, console=console, transient=True)
    task = bar.add_task(what, completed=done, total=total)

    def advance(done: int, total: int | None = None) -> None:
        """Move the bar."""
        bar.start()  # not before: reading the data first may show a bar of its own
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        bar.stop()


def live_console() -> "Console | None":
    """Console on a terminal on stderr that can redraw lines; None where there is none.

    FORCE_COLOR and TTY_COMPATIBLE make rich treat a file as a terminal, TTY_INTERACTIVE one whose cursor cannot move.
    Here they can only turn a live display off.
    """
    from rich.console import Console

    if sys.stderr is None or not sys.stderr.isatty():
        return None
    console = Console(stderr=True)
    can_redraw = console.is_terminal and console.is_interactive and not console.is_dumb_terminal
    return console if can_redraw else None


def _lines(what: str, expected: int | None, unit: str) -> Advance:
    """Progress callback for a log: at most one line every SECONDS_A_LINE."""
    last = time.monotonic()

    def advance(done: int, total: int | None = None) -> None:
        nonlocal last
        if time.monotonic() - last < SECONDS_A_LINE:
            return
        last = time.monotonic()
        amounts = [amount for amount in (done, total or expected) if amount is not None]
        in_unit = [f"{amount:,}" if unit == "items" else f"{amount / 1e6:,.0f}" for amount in amounts]
        sys.stderr.write(f"{what}: {' of '.join(in_unit)}{' MB' if unit == 'bytes' else ''}\n")

    return advance
