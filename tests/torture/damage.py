"""Bits flipped, files cut short, files swapped: a run is refused in one line, or goes on to the right results."""

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab import Done, call, explain, is_one_line, lay_out, learn_nothing, options, report, results

NUM_STOPPED = 4  # updates after which the unfinished run was interrupted, in its last round


def learn_until_killed(*data: Any, **asked: Any) -> Iterator[Any]:
    for event in learn_nothing(*data, **asked):
        if event.moment.updates >= NUM_STOPPED:
            yield event
            raise KeyboardInterrupt
        yield event


def some_file(rng: random.Random, run: Path) -> Path:
    return rng.choice(sorted(path for path in run.rglob("*") if path.is_file() and path.stat().st_size))


def flip(rng: random.Random, run: Path, _other: Path) -> str:
    path = some_file(rng, run)
    content = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return f"bit {bit} of {path.relative_to(run)}"


def cut(rng: random.Random, run: Path, _other: Path) -> str:
    path = some_file(rng, run)
    size = rng.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"{path.relative_to(run)} cut to {size} bytes"


def swap(rng: random.Random, run: Path, other: Path) -> str:
    """A file becomes the one of that name in another run, or another file of the same run."""
    path, theirs = some_file(rng, run), some_file(rng, run)
    if rng.random() < 0.5 or path == theirs:
        theirs = other / path.relative_to(run)
    shutil.copyfile(theirs, path)
    return f"{theirs.relative_to(other.parent)} as {path.relative_to(run)}"


def is_right(run: Path, expected: dict[str, str], damaged: str) -> tuple[bool, Done]:
    """Whether the damaged run is refused, by both commands that read it, or comes to the right results."""
    finished = (run / "SHA256SUMS").exists()
    done = call("evaluate", run) if finished else Done(0, "", "")
    if not (done.code in (2, 4) and is_one_line(done)) and (done.code or (finished and "checkpoint/" not in damaged)):
        return False, done
    for written in (run / "evaluation.json", *run.glob("*/confusion.png")):
        written.unlink(missing_ok=True)
    done = call("train", "chain.yaml", "-o", run, "--resume")
    is_refused = done.code in (2, 4) and is_one_line(done)
    return is_refused or (done.code == 0 and results(run) == expected), done


def main() -> None:
    asked = options(__doc__, flips=200, cuts=50, swaps=20)
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(folder)
        os.chdir(folder)
        runs = {kind: folder / kind for kind in ("finished", "unfinished")}
        others = {kind: folder / f"other-{kind}" for kind in runs}
        for kind, learn in (("finished", learn_nothing), ("unfinished", learn_until_killed)):
            call("train", "chain.yaml", "-o", runs[kind], learn=learn)
            call("train", "chain.yaml", "-o", others[kind], "--seed", 1, learn=learn)
        expected, run = results(runs["finished"]), folder / "run"

        kinds: dict[str, tuple[Callable[..., str], int]] = {
            "bits flipped": (flip, asked.flips),
            "files cut short": (cut, asked.cuts),
            "files swapped": (swap, asked.swaps),
        }
        for what, (damage, num_trials) in kinds.items():
            begun, good, num_refused = time.perf_counter(), 0, 0
            for trial in range(num_trials):
                kind = list(runs)[trial % 2]
                shutil.rmtree(run, ignore_errors=True)
                shutil.copytree(runs[kind], run)
                said = damage(rng, run, others[kind])
                right, done = is_right(run, expected, said)
                good += right
                num_refused += done.code != 0
                if not right:
                    print(f"{kind}, {said}: {explain(done)}")
            print(f"{what}: {num_refused} refused, {num_trials - num_refused} went on to the right results")
            report(what, good, num_trials, begun)


if __name__ == "__main__":
    main()
