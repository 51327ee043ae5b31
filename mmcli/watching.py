"""Who is told how far a long file is read: set once, by the command line, so that what reads need not hand it on."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias

LONG = 16 << 20  # bytes; less is read in a moment

Advance: TypeAlias = Callable[[int], None]  # takes the bytes read so far
Watch: TypeAlias = Callable[[Path, int], AbstractContextManager[Advance]]  # of a file of so many bytes

watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


def watched(file: Path, num_bytes: int) -> AbstractContextManager[Advance]:
    """What to tell of the progress of a file of so many bytes."""
    asked = watch.get()
    return nullcontext(lambda _: None) if asked is None or num_bytes < LONG else asked(file, num_bytes)
