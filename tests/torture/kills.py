"""kill -9 of each graph at random moments, and before or after calls that write: it goes on to the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from lab import GRAPHS, explain, finish, lay_out, options, report, results, spread, start, train, watched_calls


class Whole(NamedTuple):
    """A run that nothing happened to."""

    results: dict[str, str]  # as of `lab.results`
    seconds: float
    num_points: int  # before or after a call that writes


def kill_at(point: int, arguments: list[str]) -> None:
    """Train in this process, which ends by SIGKILL before (even points) or after (odd) a call; -1 counts the calls."""
    from mmcli.cli.main import main

    run = Path(arguments[arguments.index("-o") + 1]).resolve()
    num_points = 0

    def end(number: int) -> None:
        nonlocal num_points
        num_points = number + 1
        if number == point:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.argv = ["mmcli", *arguments]
    with watched_calls(run, lambda number: end(2 * number), lambda number: end(2 * number + 1)):
        try:
            main()
        finally:
            if point < 0:
                print(num_points, file=sys.stderr)


def learn_whole(graph: str, folder: Path) -> Whole:
    """A run that nothing happens to; then one that finds all compiled, and counts its calls that write."""
    first = finish(train(graph, folder / f"first-{graph}", folder))
    assert first.code == 0, first.err
    expected, run = results(folder / f"first-{graph}"), folder / f"count-{graph}"
    begun = time.perf_counter()
    counted = finish(start(__file__, "--at", "-1", *line(graph, run), cwd=folder))
    seconds, num_points = time.perf_counter() - begun, int(counted.err.split()[-1])
    assert results(run) == expected, "what was compiled before gives other bytes"
    print(f"{graph}: {num_points} points, {seconds:.1f} s a run", flush=True)
    return Whole(expected, seconds, num_points)


def line(graph: str, run: Path) -> list[str]:
    return ["train", f"{graph}.yaml", "-o", str(run), "--resume", "--threads", "1"]


def is_killed_after(seconds: float, graph: str, run: Path, folder: Path) -> bool:
    """Kill a run after some seconds; whether it had not finished yet."""
    process = train(graph, run, folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return finish(process).code == -signal.SIGKILL


def is_killed_at(point: int, graph: str, run: Path, folder: Path) -> bool:
    """Let a run kill itself at a point; whether it reached it."""
    return finish(start(__file__, "--at", str(point), *line(graph, run), cwd=folder)).code == -signal.SIGKILL


def main() -> None:
    asked = options(__doc__, moments=20, points=20)
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name).resolve()
        lay_out(folder)
        wholes = {graph: learn_whole(graph, folder) for graph in GRAPHS}

        def survives(numbered: tuple[int, tuple[str, Callable[..., bool], float]]) -> tuple[bool, bool]:
            """Whether a run was killed, and whether it went on to what it would have been."""
            number, (graph, kill, where) = numbered
            run = folder / f"run-{number}"
            is_killed, done = kill(where, graph, run, folder), finish(train(graph, run, folder))
            differing = set(results(run).items()) ^ set(wholes[graph].results.items())
            is_right = done.code == 0 and not differing
            is_right &= is_killed or kill is is_killed_after  # a run may end before its moment, not without its points
            if not is_right:
                names = ", ".join(sorted({name for name, _ in differing}))
                print(f"{graph}, {kill.__name__}({where}): {is_killed}, {names}; {explain(done)}", flush=True)
            shutil.rmtree(run, ignore_errors=True)
            return is_killed, is_right

        moments = [
            (graph, is_killed_after, rng.uniform(0, whole.seconds))
            for graph, whole in wholes.items()
            for _ in range(asked.moments)
        ]
        points = [
            (graph, is_killed_at, point)
            for graph, whole in wholes.items()
            for point in spread(asked.points, whole.num_points)
        ]
        for what, trials in (("at random moments", moments), ("before and after calls that write", points)):
            begun = time.perf_counter()
            killed, right = zip(*pool.map(survives, enumerate(trials)), strict=True)
            print(f"{sum(killed)} of {len(trials)} were killed before they had finished")
            report(f"killed {what}, finished to the same bytes", sum(right), len(trials), begun)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--at"]:
        kill_at(int(sys.argv[2]), sys.argv[3:])
    else:
        main()
