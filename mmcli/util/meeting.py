"""How the processes of a distributed run find each other, and the end of all of them where one is lost."""

from typing import NamedTuple

BLOCKS = 8  # into which items are divided unless the command line gives another number
START_SECONDS = 60  # for all processes to come
LOST = (
    "another process of the run ended or cannot be reached; the last checkpoint is safe: start all processes again"
    " with --resume"
)


class Meeting(NamedTuple):
    """Place of one process among those of a run; None where the variables of a cluster give it."""

    blocks: int = BLOCKS
    coordinator: str | None = None  # HOST:PORT, where the first process listens
    num_processes: int | None = None
    number: int | None = None  # of this process, from 0
