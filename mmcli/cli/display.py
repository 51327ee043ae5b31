"""Display of a run's progress on stderr: live on a terminal, plain lines anywhere else."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from mmcli.runs.history import HistoryLine
from mmcli.util.progress import BAR_WIDTH, live_console
from mmcli.workflows.watcher import Lines, Watcher, heading


@contextmanager
def display(elapsed: float = 0.0) -> Iterator[Watcher]:
    """Watcher for stderr: live on a terminal, plain lines anywhere else.

    Args:
        elapsed: seconds since the run began.
    """
    console = live_console()
    if console is None:
        yield Lines()
        return
    board = Board(console, elapsed)
    with Live(get_renderable=board.render, console=console, refresh_per_second=4):
        yield board


class Board:
    """The live display: rounds, the running module's inner iterations, the latest of each module, time left."""

    def __init__(self, console: Console, elapsed: float = 0.0) -> None:
        self._console = console
        self._begun = time.monotonic() - elapsed
        self._modules: Sequence[str] = ()
        self._rounds = 0
        self._num_done = 0  # updates, over all rounds and modules
        self._share = 0.0  # of the running update
        self._latest: dict[str, HistoryLine] = {}
        self._search = ""  # the start of the search that runs

    def started(self, run: Path, aside: Path | None, rounds: int, modules: Sequence[str]) -> None:
        """Show the run directory and begin with round 1."""
        self._modules, self._rounds = modules, rounds
        for line in heading(run, aside):
            self.noted(line)

    def advanced(self, round_number: int, module: str, done: int, iterations: int) -> None:
        """Move the bar of the module that runs; the next rendering shows it."""
        self._num_done = self._num_before(round_number, module)
        self._share = done / iterations

    def searching(self, start: int, starts: int, module: str, done: int, iterations: int) -> None:
        """Name the start of the search that runs, above the rounds."""
        self._search = f"start {start} of {starts}: {module} {done / iterations:.0%}"

    def searched(self, start: int, starts: int, score: float) -> None:
        """Show the score of a start."""
        self.noted(f"start {start} of {starts}: shared information {score:.4f} nats an item")
        self._search = ""

    def updated(self, line: HistoryLine) -> None:
        """Show the results of an update."""
        self._latest[line.module] = line
        self._num_done = self._num_before(line.round, line.module) + 1
        self._share = 0.0

    def noted(self, line: str) -> None:
        """Print a remark above the display."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def seconds_left(self) -> float | None:
        """Seconds left, by the last time of each module; None until every one has had its first update."""
        if len(self._latest) < len(self._modules):
            return None
        costs = [self._latest[module].seconds for module in self._modules]
        rounds, updates = divmod(self._num_done, len(costs))
        running = costs[updates] * self._share
        return (self._rounds - rounds) * sum(costs) - sum(costs[:updates]) - running

    def render(self) -> Group:
        """The display as it is now; asked for four times a second."""
        num_updates = self._rounds * len(self._modules)
        if num_updates == 0:
            return Group()
        rounds, running = divmod(self._num_done, len(self._modules))
        table = Table(box=None, pad_edge=False)
        table.add_column("round")
        table.add_column(f"{min(rounds + 1, self._rounds)}/{self._rounds}", min_width=BAR_WIDTH)
        for header in ("ACC", "bound", "seconds"):
            table.add_column(header, justify="right")
        for index, module in enumerate(self._modules):
            is_running = index == running and self._num_done < num_updates
            bar = ProgressBar(total=1, completed=self._share, width=BAR_WIDTH) if is_running else ""
            latest = self._latest.get(module)
            cells = ("", "", "")
            if latest is not None:
                acc = "" if latest.acc is None else f"{latest.acc:.3f}"
                bound = "" if latest.bound is None else f"{latest.bound:#.6g}"
                cells = (acc, bound, f"{latest.seconds:.1f}")
            table.add_row(module, bar, *cells, style="bold" if is_running else "")
        left = self.seconds_left()
        total = Table.grid(padding=(0, 2))
        total.add_row(
            ProgressBar(total=num_updates, completed=self._num_done + self._share, width=BAR_WIDTH),
            f"{clock(time.monotonic() - self._begun)} elapsed",
            "" if left is None else f"{clock(left)} left",
        )
        return Group(table, self._search, total)

    def _num_before(self, round_number: int, module: str) -> int:
        """Updates that come before a module's in a round."""
        return (round_number - 1) * len(self._modules) + self._modules.index(module)


def clock(seconds: float) -> str:
    """Format seconds as h:mm:ss."""
    return str(timedelta(seconds=max(0, round(seconds))))
