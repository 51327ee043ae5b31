"""What a run that learns reports to whoever watches it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mmcli.runs.history import HistoryLine


class Watcher(Protocol):
    """Who looks on while a run learns. Rounds count from 1."""

    def started(self, run: Path, aside: Path | None, rounds: int, modules: Sequence[str]) -> None:
        """The run directory is there; `aside` is where an older one went."""

    def advanced(self, round_number: int, module: str, done: int, iterations: int) -> None:
        """So many of a module's inner iterations are done; told about twice a second."""

    def updated(self, line: HistoryLine) -> None:
        """A module finished its update of a round; its files, and a checkpoint where one is due, are written."""

    def told(self, line: str) -> None:
        """Something that a person should know."""
