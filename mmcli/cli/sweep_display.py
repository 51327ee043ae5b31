"""Progress of a sweep on stderr: a live board on a terminal, a line a job anywhere else."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from mmcli.cli.display import clock
from mmcli.cli.sweep_tables import settings_text
from mmcli.launch.jobs import Job, Outcome
from mmcli.launch.local import JobWatcher
from mmcli.launch.sweep import Point, Sweep
from mmcli.util.progress import BAR_WIDTH, live_console


@contextmanager
def sweep_display(sweep: Sweep, num_done: int) -> Iterator[JobWatcher]:
    """Watcher for stderr.

    Args:
        sweep: whose jobs are watched.
        num_done: points that finished before.
    """
    points = {point.name: point for point in sweep.points}
    console = live_console()
    if console is None:
        yield JobLines(points, num_done)
        return
    board = SweepBoard(sweep, points, num_done, console)
    with Live(get_renderable=board.render, console=console, refresh_per_second=2):
        yield board


class JobLines:
    """A line when a job ends."""

    def __init__(
        self, points: Mapping[str, Point], num_done: int, write: Callable[[str], object] | None = None
    ) -> None:
        self._points, self._num_ended = points, num_done
        self._write = write or (lambda line: sys.stderr.write(line + "\n"))

    def started(self, job: Job) -> None:
        """Print nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Print how many points have ended, which this is, and how it ended."""
        point = self._points[outcome.name]
        if outcome.is_stopped:
            how = "stopped"
        else:
            self._num_ended += 1
            how = f"finished in {outcome.seconds:.1f} s" if outcome.error is None else f"failed: {outcome.error}"
        number = f"{self._num_ended:{len(str(len(self._points)))}}/{len(self._points)}"
        self._write(f"{number}  {outcome.name}  {settings_text(point.settings, point.seed)}  {how}")


class SweepBoard:
    """The live board: points done and failed, time left, and the jobs under way."""

    def __init__(self, sweep: Sweep, points: Mapping[str, Point], num_done: int, console: Console) -> None:
        self._sweep, self._points = sweep, points
        self._num_done, self._num_failed = num_done, 0
        self._seconds: list[float] = []  # of the jobs that ended by themselves
        self._begun = time.monotonic()
        self._running: dict[str, float] = {}  # start of each job under way
        self._lines = JobLines(points, num_done, self._print)
        self._console = console

    def started(self, job: Job) -> None:
        """Show a job."""
        self._running = {**self._running, job.name: time.monotonic()}

    def ended(self, outcome: Outcome) -> None:
        """Remove a job, and print its line above the board."""
        self._running = {name: start for name, start in self._running.items() if name != outcome.name}
        if not outcome.is_stopped:
            self._num_done += outcome.error is None
            self._num_failed += outcome.error is not None
            self._seconds.append(outcome.seconds)
        self._lines.ended(outcome)

    def seconds_left(self) -> float | None:
        """Seconds left, by the mean time of a job so far; None before the first has ended."""
        if not self._seconds:
            return None
        mean = sum(self._seconds) / len(self._seconds)
        now = time.monotonic()
        num_waiting = len(self._points) - self._num_done - self._num_failed - len(self._running)
        under_way = sum(max(0.0, mean - (now - start)) for start in self._running.values())
        return (num_waiting * mean + under_way) / max(1, len(self._running))

    def render(self) -> Group:
        """The board as it is now; asked for twice a second, in a thread of its own."""
        jobs = Table(box=None, pad_edge=False)
        for header in ("point", "", "module", "round", "time"):
            jobs.add_column(header)
        for name, start in self._running.items():
            point = self._points[name]
            history = self._sweep.state(point).history
            module, round_number = (history[-1].module, str(history[-1].round)) if history else ("", "")
            elapsed = clock(time.monotonic() - start)
            jobs.add_row(name, settings_text(point.settings, point.seed), module, round_number, elapsed)
        left = self.seconds_left()
        total = Table.grid(padding=(0, 2))
        total.add_row(
            ProgressBar(total=len(self._points), completed=self._num_done + self._num_failed, width=BAR_WIDTH),
            f"{self._num_done} of {len(self._points)} finished"
            + f", {self._num_failed} failed" * (self._num_failed > 0),
            f"{clock(time.monotonic() - self._begun)} elapsed",
            "" if left is None else f"{clock(left)} left",
        )
        return Group(jobs, "", total)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
