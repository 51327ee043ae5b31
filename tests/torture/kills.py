"""kill -9 at random moments, and before or after calls that write: the run goes on to the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab import GRAPHS, explain, finish, lay_out, options, report, results, spread, start, train, watched_calls


def kill_at(point: int, arguments: list[str]) -> None:
    """Train in this process, which ends by SIGKILL before (even points) or after (odd) a call; -1 counts the calls."""
    from mmcli.cli import main

    run = Path(arguments[arguments.index("-o") + 1]).resolve()
    count = [0]

    def end(number: int) -> None:
        count[0] = number + 1
        if number == point:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.argv = ["mmcli", *arguments]
    with watched_calls(run, lambda number: end(2 * number), lambda number: end(2 * number + 1)):
        try:
            main()
        finally:
            if point < 0:
                print(count[0], file=sys.stderr)


def resumes(graph: str, run: Path, folder: Path, expected: dict[str, str]) -> bool:
    done = finish(train(graph, run, folder))
    if done.code == 0 and results(run) == expected:
        return True
    print(f"{graph}: {explain(done)}")
    return False


def main() -> None:
    asked = options(__doc__, moments=100, points=100)
    rng = random.Random(asked.seed)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(folder)
        run, good, num_early = folder / "run", 0, 0
        expected, num_calls, seconds = {}, {}, {}
        for graph in GRAPHS:
            finish(train(graph, folder / f"warm-{graph}", folder))  # what the others then find compiled
            started = time.perf_counter()
            sound = finish(train(graph, folder / f"whole-{graph}", folder))
            seconds[graph] = time.perf_counter() - started
            assert sound.code == 0, sound.err
            expected[graph] = results(folder / f"whole-{graph}")
            counting = ["train", f"{graph}.yaml", "-o", str(folder / f"count-{graph}"), "--threads", "1"]
            counted = finish(start(__file__, "--at", "-1", *counting, cwd=folder))
            num_calls[graph] = int(counted.err.split()[-1])
        print(", ".join(f"{graph}: {num_calls[graph]} points, {seconds[graph]:.1f} s a run" for graph in GRAPHS))

        for trial in range(asked.moments):
            graph = list(GRAPHS)[trial % len(GRAPHS)]
            shutil.rmtree(run, ignore_errors=True)
            process = train(graph, run, folder)
            try:
                process.wait(rng.uniform(0, seconds[graph]))
            except subprocess.TimeoutExpired:
                process.kill()
            num_early += finish(process).code != 0
            good += resumes(graph, run, folder, expected[graph])
        print(f"{num_early} of {asked.moments} were killed before they had finished")
        report("killed at random moments, finished to the same bytes", good, asked.moments, begun)

        begun, good, num_trials = time.perf_counter(), 0, 0
        for graph in GRAPHS:
            for point in spread(asked.points // len(GRAPHS), num_calls[graph]):
                shutil.rmtree(run, ignore_errors=True)
                arguments = ["train", f"{graph}.yaml", "-o", str(run), "--resume", "--threads", "1"]
                killed = finish(start(__file__, "--at", str(point), *arguments, cwd=folder))
                num_trials += 1
                if killed.code != -signal.SIGKILL:
                    print(f"{graph}, point {point}: not killed, {explain(killed)}")
                    continue
                good += resumes(graph, run, folder, expected[graph])
        report("killed before and after calls that write, finished to the same bytes", good, num_trials, begun)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--at"]:
        kill_at(int(sys.argv[2]), sys.argv[3:])
    else:
        main()
