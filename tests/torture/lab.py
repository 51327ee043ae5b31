"""What the torture scripts share: small models, runs in processes of their own, faults in the file system."""

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from mmcli.cli.main import main
from mmcli.util import atomic

NUM_ITEMS = 30
DATA = (
    "data: {images: {file: x.npz, key: images}, words: {file: x.npz, key: words}, kinds: {file: x.npz, key: kinds}}\n"
)
# The chain of the tutorial, and a module that two others hear.
GRAPHS = {
    "chain": """\
rounds: 2
search: {starts: 1}
modules:
  image: {type: observation, data: images}
  word:  {type: observation, data: words}
  vae:   {type: vae, inputs: [image], latent_dim: 2, hidden_dim: 8, epochs: 25, batch_size: 10}
  gmm:   {type: gmm, inputs: [vae], num_classes: 3, sweeps: 60, chains: 2, labels: kinds}
  mlda:  {type: mlda, inputs: [word, gmm], num_classes: 3, weights: [20, 20], sweeps: 20, restarts: 2, labels: kinds}
""",
    "fork": """\
rounds: 2
search: {starts: 1}
modules:
  image: {type: observation, data: images}
  word:  {type: observation, data: words}
  gmm:   {type: gmm, inputs: [image], num_classes: 3, sweeps: 60, chains: 2, labels: kinds}
  near:  {type: mlda, inputs: [word, gmm], num_classes: 3, weights: [20, 20], sweeps: 20, restarts: 2, labels: kinds}
  far:   {type: mlda, inputs: [gmm, word], num_classes: 2, weights: [5, 20], sweeps: 10, restarts: 2, labels: kinds}
""",
}
TIMES = {"seconds", "compile_seconds"}  # of a line of history.jsonl
UNEQUAL = {"meta.json", "SHA256SUMS"}  # they hold times, and digests of times


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def options(description: str | None, **defaults: int) -> argparse.Namespace:
    """Numbers of trials, and the seed of what is drawn."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in {**defaults, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"[{default}]")
    return parser.parse_args()


def lay_out(folder: Path) -> None:
    """Write the data and the configs."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(3), NUM_ITEMS // 3)
    shown = np.kron(np.eye(3), np.ones(4))[kinds]
    images = np.clip(0.8 * shown + 0.2 * rng.random(shown.shape), 0, 1).astype(np.float32)
    np.savez(folder / "x.npz", images=images, words=rng.poisson(3 * shown + 0.2), kinds=kinds)
    for name, text in GRAPHS.items():
        (folder / f"{name}.yaml").write_text(DATA + text)


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """A command in a process of its own, which shares what it compiles with the others of this folder."""
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cwd / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    line = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(line, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate()
    return Done(process.returncode, out, err)


def train(graph: str, run: Path, cwd: Path, *more: object) -> subprocess.Popen[str]:
    return start("-m", "mmcli", "train", f"{graph}.yaml", "-o", run, "--resume", "--threads", "1", *more, cwd=cwd)


def results(run: Path) -> dict[str, str]:
    """SHA-256 of all that a run wrote, by name, without its times; of checkpoints and the like only the name.

    A lock file may stay behind where it cannot be deleted.
    """
    found = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file() and path.name != "lock"):
        name, content = str(path.relative_to(run)), path.read_bytes()
        if name in UNEQUAL or name.startswith("checkpoint/"):
            content = b""
        elif name == "history.jsonl":
            lines = [json.loads(line) for line in content.splitlines()]
            content = json.dumps([{key: line[key] for key in line if key not in TIMES} for line in lines]).encode()
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def explain(done: Done) -> str:
    return f"exit code {done.code}: {done.err.strip()[-300:]}"


def is_one_line(done: Done) -> bool:
    """Whether an error is told in one line, at the end, and by mmcli."""
    lines = done.err.splitlines()
    told = [line for line in lines if line.startswith("mmcli: error: ") or ".npz: not the file" in line]
    return len(told) == 1 and lines[-1] == told[0] and "a fault of mmcli" not in told[0]


def report(what: str, num_right: int, num_trials: int, begun: float) -> None:
    """Print a figure, and leave with exit code 1 where it is not full."""
    print(f"{what}: {num_right} of {num_trials} ({time.perf_counter() - begun:.0f} s)", flush=True)
    if num_right < num_trials:
        sys.exit(1)


@contextmanager
def watched_calls(run: Path, before: Callable[[int], None], after: Callable[[int], None]) -> Iterator[None]:
    """Number, from 0, each call that writes a run; `before` and `after` it something is done.

    Counted are what `mmcli.util.atomic` opens, writes and syncs, and names made, replaced and deleted in `run`.
    """
    count = 0

    def watched(call: Callable[..., Any], is_inside: Callable[[tuple[Any, ...]], bool]) -> Callable[..., Any]:
        def watch(*arguments: Any, **others: Any) -> Any:
            nonlocal count
            if not is_inside(arguments):
                return call(*arguments, **others)
            number = count
            count += 1
            before(number)
            try:
                return call(*arguments, **others)
            finally:  # a folder that is there already is an error, too
                after(number)

        return watch

    class FilesOs:
        """The module `os` as `mmcli.util.atomic` sees it."""

        def __getattr__(self, name: str) -> Any:
            call = getattr(os, name)
            return watched(call, lambda _: True) if name in ("open", "write", "fsync") else call

    inside = str(run)
    with (
        mock.patch.object(atomic, "os", FilesOs()),
        mock.patch.multiple(
            os,
            **{
                name: watched(getattr(os, name), lambda given: str(given[0]).startswith(inside))
                for name in ("replace", "unlink", "mkdir")
            },
        ),
    ):
        yield


def learn_nothing(_graph: object, *_data: object, **asked: Any) -> Iterator[Any]:
    """In place of `schedule.train_rounds`: three modules whose results follow from the state that is handed on."""
    from mmcli.engine.events import Progress, Update
    from mmcli.engine.routing import RoundState
    from mmcli.engine.saving import Moment

    saved, names = asked["saved"], ("vae", "gmm", "mlda")
    total = int(saved.arrays["states.total"]) if saved else asked["seed"]
    for done in range(saved.updates if saved else 0, len(names) * asked["rounds"]):
        number, name = done // len(names) + 1, names[done % len(names)]
        yield Progress(number, name, 1, 2, Moment(RoundState({"total": np.array(total)}, {}, {}), done))
        total = zlib.crc32(f"{name} {number} {total}".encode())
        drawn = np.random.default_rng(total)
        classes = drawn.integers(0, 3, NUM_ITEMS)
        shown = {"z": drawn.random((NUM_ITEMS, 2))} if name == "vae" else {"class": classes, "Pdz": np.eye(3)[classes]}
        moment = Moment(RoundState({"total": np.array(total)}, {}, {}), done + 1)
        yield Update(number, name, -1.0, drawn.random(4), shown, {"total": np.array(total)}, 0.0, 0.0, moment)


def call(*arguments: object, learn: Callable[..., Any] = learn_nothing) -> Done:
    """A command in this process, all but the learning."""
    from mmcli.engine import schedule

    out, err = io.StringIO(), io.StringIO()
    argv = ["mmcli", *map(str, arguments)]
    faked = mock.patch.object(schedule, "train_rounds", learn)
    with mock.patch.object(sys, "argv", argv), faked, redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            return Done(int(ended.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main() returned")


def spread(number: int, size: int) -> Sequence[int]:
    """At most `number` of 0 to `size` - 1, evenly spaced."""
    return np.unique(np.linspace(0, size - 1, min(number, size)).round().astype(int)).tolist()
