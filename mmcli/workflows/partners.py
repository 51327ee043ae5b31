"""The other processes that train a model with this one, as the command line asked for them."""

from contextvars import ContextVar
from typing import Protocol

from mmcli.runs.checkpoint import Checkpoint


class Others(Protocol):
    """What the first process of a run has to do with the others."""

    @property
    def num_blocks(self) -> int:
        """Number of blocks into which the items are divided."""

    def send(self, checkpoint: Checkpoint | None, *, is_done: bool) -> None:
        """Send them where the run resumes."""

    def part(self) -> None:
        """Wait until they are done."""


# None: this process trains alone. Set once for the life of the process: jax meets the others once.
together: ContextVar[Others | None] = ContextVar("together", default=None)


def num_blocks() -> int | None:
    """Number of blocks into which the items are divided; None where this process trains alone."""
    others = together.get()
    return None if others is None else others.num_blocks


def send(checkpoint: Checkpoint | None, *, is_done: bool) -> None:
    """Send the others, if any, where the run resumes."""
    if (others := together.get()) is not None:
        others.send(checkpoint, is_done=is_done)


def part() -> None:
    """Wait until the others, if any, are done."""
    if (others := together.get()) is not None:
        others.part()
