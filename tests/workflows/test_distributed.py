"""One model trained by several processes of this machine: the bytes of one, and the end of all where one ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from tiny import tiny_arrays

from mmcli.errors import LostProcessError
from mmcli.util.meeting import LOST

BLOCKS, PATIENCE = 4, 300.0  # seconds for all processes of a run, of which 2 cores do one thing at a time
NUM_ITEMS = 58  # not a multiple of the blocks, so that the last one is filled up
SMALL = """\
seed: 0
rounds: 2
search: {starts: 1}
data:
  images: {file: small.npz, key: images}
  kinds:  {file: small.npz, key: labels}
modules:
  image: {type: observation, data: images}
  vae:   {type: vae, inputs: [image], latent_dim: 2, hidden_dim: 8, epochs: 4, batch_size: 20, learning_rate: 0.01}
  gmm:   {type: gmm, inputs: [vae], num_classes: 3, sweeps: 4, chains: 1, labels: kinds}
"""


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


def write_small(folder: Path, *, is_other: bool = False) -> Path:
    """The config and its data in a folder; other data have the same shapes."""
    folder.mkdir(exist_ok=True)
    arrays = {name: array[:NUM_ITEMS] for name, array in tiny_arrays().items()}
    if is_other:
        arrays["images"] = arrays["images"][::-1]
    np.savez(folder / "small.npz", **arrays)
    (folder / "small.yaml").write_text(SMALL)
    return folder / "small.yaml"


def start(run: Path, configs: Sequence[Path], *more: str) -> list[subprocess.Popen[str]]:
    """Start a process for each config."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mmcli", "train", "-o", str(run), "--threads=1", "--distributed"]
    options = [f"--blocks={BLOCKS}", f"--coordinator=127.0.0.1:{port}", f"--processes={len(configs)}"]
    return [
        subprocess.Popen(
            [*command, str(config), *options, *more, f"--process={number}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, config in enumerate(configs)
    ]


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[Ended]:
    """Wait for all processes."""
    texts = [process.communicate(timeout=PATIENCE) for process in processes]
    return [Ended(process.returncode, *text) for process, text in zip(processes, texts, strict=True)]


def results(run: Path) -> dict[str, bytes]:
    """Files of the modules, by name."""
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.glob("module*/*"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("distributed")).parent


@pytest.fixture(scope="module")
def by_one(folder: Path) -> dict[str, bytes]:
    """Results of one process that holds all blocks."""
    (done,) = ended(start(folder / "one", [folder / "small.yaml"]))
    assert done.code == 0, done.err
    assert done.out == f"{folder / 'one'}\n"
    return results(folder / "one")


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_results_of_several_processes_have_the_bytes_of_one(count, folder, by_one):
    run = folder / f"by_{count}"

    first, *others = ended(start(run, [folder / "small.yaml"] * count))

    assert first.code == 0, first.err
    assert first.out == f"{run}\n"
    assert others == [Ended(0, "", "")] * (count - 1)
    assert results(run) == by_one
    assert not [name for name in by_one if np.size(by_one[name]) == 0]
    assert (len(np.loadtxt(run / "module002_gmm" / "class_learn.txt"))) == NUM_ITEMS


@pytest.mark.parametrize("victim", [1, 0])
def test_a_process_that_is_killed_ends_all_and_another_number_resumes(victim, folder, by_one):
    run = folder / f"killed_{victim}"
    processes = start(run, [folder / "small.yaml"] * 2)
    wait_for(lambda: any(run.glob("checkpoint/000001-*")), processes)

    os.kill(processes[victim].pid, signal.SIGKILL)
    killed = time.monotonic()
    other = ended(processes)[1 - victim]

    assert time.monotonic() - killed < 60
    assert other.code == LostProcessError.exit_code
    errors = [line for line in other.err.splitlines() if line.startswith("mmcli: error")]
    assert len(errors) == 1
    assert LOST in errors[0]
    assert "@ " not in other.err  # no addresses of C++
    (resumed,) = ended(start(run, [folder / "small.yaml"], "--resume"))
    assert resumed.code == 0, resumed.err
    assert "resuming after" in resumed.err
    assert results(run) == by_one


def wait_for(is_there: Callable[[], bool], processes: Sequence[subprocess.Popen[str]]) -> None:
    """Wait for something that running processes do."""
    until = time.monotonic() + PATIENCE
    while not is_there():
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < until
        time.sleep(0.05)


def test_processes_that_read_other_data_are_refused_before_anything_is_made(folder, tmp_path):
    other = write_small(tmp_path / "other", is_other=True)

    both = ended(start(folder / "other", [folder / "small.yaml", other]))

    line = "data.images: process 1 read other bytes than process 0; give all processes the same file\n"
    assert both == [Ended(2, "", line)] * 2
    assert not (folder / "other").exists()


@pytest.mark.usefixtures("by_one")
def test_a_run_in_blocks_resumes_in_as_many(folder, command):
    done = command("train", str(folder / "small.yaml"), "-o", str(folder / "one"), "--resume", "--rounds=3")

    assert done.code == 2
    assert done.err.endswith(f"its items are divided into {BLOCKS} blocks; resume it with --distributed --blocks 4\n")


SEQUENCES = """\
rounds: 1
data:
  images: {file: small.npz, key: images}
modules:
  image: {type: observation, data: images}
  gmm:   {type: gmm, inputs: [image], num_classes: 3}
  steps: {type: markov, inputs: [gmm]}
"""
PLACE = ["--distributed", "--coordinator=a:1", "--processes=2", "--process=0"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--processes=2"], "--processes needs --distributed: without it this process trains alone"),
        (["--blocks=4"], "--blocks needs --distributed: without it this process trains alone"),
        (
            ["--distributed", "--processes=2"],
            "--processes needs --coordinator and --process too; Slurm and Open MPI give all three",
        ),
        ([*PLACE, "--process=2"], "--process 2: 2 processes are numbered from 0 to 1"),
        (
            [*PLACE, "--coordinator=here"],
            "--coordinator here: no HOST:PORT; name the host of process 0 and a free port of it",
        ),
    ],
)
def test_options_that_do_not_belong_together_are_refused(options, text, folder, command):
    done = command("train", str(folder / "small.yaml"), *options)

    assert (done.code, done.err) == (2, f"mmcli: error: {text}\n")


def test_sequences_are_not_divided(folder):
    (folder / "sequences.yaml").write_text(SEQUENCES)

    (done,) = ended(start(folder / "sequences", [folder / "sequences.yaml"]))

    reason = "type markov reads sequences of items, which blocks would cut; train it in one process"
    assert (done.code, done.err) == (2, f"mmcli: error: --distributed: module steps: {reason}\n")
