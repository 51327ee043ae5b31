"""Receivers of the progress of a training run, as plain lines among them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mmcli.runs.history import HistoryLine


class Watcher(Protocol):
    """Receiver of the progress of a run. Rounds count from 1."""

    def started(self, run: Path, aside: Path | None, rounds: int, modules: Sequence[str]) -> None:
        """Receive the start: the run directory exists, and `aside` is where an older one was moved."""

    def advanced(self, round_number: int, module: str, done: int, iterations: int) -> None:
        """Receive the number of a module's inner iterations that are done; called about twice a second."""

    def searching(self, start: int, starts: int, module: str, done: int, iterations: int) -> None:
        """Receive the progress of a start of the search, as `advanced`; starts count from 1."""

    def searched(self, start: int, starts: int, score: float) -> None:
        """Receive the score of a finished start: information shared by the modules, nats an item."""

    def updated(self, line: HistoryLine) -> None:
        """Receive a finished update, whose files, and a checkpoint where one is due, are written."""

    def noted(self, line: str) -> None:
        """Receive a remark for the user."""


class Lines:
    """One line per update on stderr, for logs and notebooks: no escape codes, nothing redrawn."""

    def started(self, run: Path, aside: Path | None, rounds: int, modules: Sequence[str]) -> None:
        """Print where the run is."""
        self._rounds = rounds
        self._width = max(map(len, modules))
        for line in heading(run, aside):
            self.noted(line)

    def advanced(self, round_number: int, module: str, done: int, iterations: int) -> None:
        """Print nothing."""

    def searching(self, start: int, starts: int, module: str, done: int, iterations: int) -> None:
        """Print nothing."""

    def searched(self, start: int, starts: int, score: float) -> None:
        """Print the score of a start."""
        self.noted(f"start {start:{len(str(starts))}}/{starts}  shared information {score:.4f} nats an item")

    def updated(self, line: HistoryLine) -> None:
        """Print the results of an update: ACC, bound, seconds."""
        measure = "" if line.acc is None else f"ACC {line.acc:.3f}"
        bound = "" if line.bound is None else f"bound {line.bound:#.6g}"
        compiling = f" + {line.compile_seconds:.1f} s compiling" if line.compile_seconds >= 0.05 else ""
        sys.stderr.write(
            f"round {line.round:{len(str(self._rounds))}}/{self._rounds}  {line.module:{self._width}}"
            f"  {measure:9}  {bound}  {line.seconds:.1f} s{compiling}\n"
        )

    def noted(self, line: str) -> None:
        """Print a remark."""
        sys.stderr.write(line + "\n")


class Silent:
    """Receiver that shows nothing."""

    def started(self, run: Path, aside: Path | None, rounds: int, modules: Sequence[str]) -> None:
        """Print nothing."""

    def advanced(self, round_number: int, module: str, done: int, iterations: int) -> None:
        """Print nothing."""

    def searching(self, start: int, starts: int, module: str, done: int, iterations: int) -> None:
        """Print nothing."""

    def searched(self, start: int, starts: int, score: float) -> None:
        """Print nothing."""

    def updated(self, line: HistoryLine) -> None:
        """Print nothing."""

    def noted(self, line: str) -> None:
        """Print nothing."""


def heading(run: Path, aside: Path | None) -> list[str]:
    """Lines that name the run directory, and where an older one was moved."""
    moved = [] if aside is None else [f"the run that was there is now {aside}"]
    return [f"run directory {run}", *moved]
