"""How far long work is: a bar on a terminal that goes when it is done, in a log a line every few seconds. On stderr."""

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
LONG = 16 << 20  # bytes of a file; less is read in a moment
SECONDS_A_LINE = 5.0  # in a log

# Whether someone looks on while files are read: set once, by the command line, so that what reads need not hand it on.
looks_on: ContextVar[bool] = ContextVar("looks_on", default=False)


class Advance(Protocol):
    """Takes how much is done so far, and of how much where that was not known before."""

    def __call__(self, done: int, total: int | None = None, /) -> None: ...


def watched(file: Path, num_bytes: int) -> AbstractContextManager[Advance]:
    """What to tell of the reading of a file of so many bytes; a person sees it of a long one."""
    if not looks_on.get() or num_bytes < LONG:
        return nullcontext(lambda _done, _total=None: None)
    return following(f"reading {file.name}", num_bytes, "bytes")


@contextmanager
def following(
    what: str, total: int | None = None, unit: Literal["items", "bytes"] = "items", *, done: int = 0
) -> Iterator[Advance]:
    """Show how far something is, while it lasts.

    Args:
        what: is being done.
        total: how much there is to do, where that is known.
        unit: of `total` and `done`.
        done: how much was done before.
    """
    # Here, not above: `mmcli --help` waits for none of it.
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
        bar.start()  # not before: the data of what is begun may be read first, under a bar of their own
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        bar.stop()


def live_console() -> "Console | None":
    """A terminal on stderr whose lines can be written over, None where there is none.

    FORCE_COLOR and TTY_COMPATIBLE make rich take a file for a terminal, TTY_INTERACTIVE what cannot move its cursor;
    here they can only turn a live display off.
    """
    from rich.console import Console

    if sys.stderr is None or not sys.stderr.isatty():
        return None
    console = Console(stderr=True)
    can_redraw = console.is_terminal and console.is_interactive and not console.is_dumb_terminal
    return console if can_redraw else None


def _lines(what: str, expected: int | None, unit: str) -> Advance:
    told = time.monotonic()

    def advance(done: int, total: int | None = None) -> None:
        nonlocal told
        if time.monotonic() - told < SECONDS_A_LINE:
            return
        told = time.monotonic()
        amounts = [amount for amount in (done, total or expected) if amount is not None]
        in_unit = [f"{amount:,}" if unit == "items" else f"{amount / 1e6:,.0f}" for amount in amounts]
        sys.stderr.write(f"{what}: {' of '.join(in_unit)}{' MB' if unit == 'bytes' else ''}\n")

    return advance
