"""`mmcli rerun`: the same bytes, other bytes, and runs that cannot be trained again."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_arrays

import mmcli
from mmcli.engine import schedule
from mmcli.runs.writer import RunDirectory


@pytest.fixture
def run(train):
    """A finished run of the fixed model."""
    train("-o", "run", "--seed", "7", "--threads", "2")
    return Path("run")


@pytest.fixture
def run_before_a_change(run, monkeypatch):
    """A finished run, after which modules end in other parameters."""
    learn = schedule.train_rounds

    def learn_and_change(*data, **options):
        for event in learn(*data, **options):
            yield event._replace(params={"mu": np.ones(3)}) if hasattr(event, "params") else event

    monkeypatch.setattr(schedule, "train_rounds", learn_and_change)
    return run


def change_meta(run, **facts):
    """Give a finished run other facts, as another machine would have."""
    before = hashlib.sha256((run / "meta.json").read_bytes()).hexdigest()
    RunDirectory(run).note(**facts)
    after = hashlib.sha256((run / "meta.json").read_bytes()).hexdigest()
    sums = run / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(before, after))


def test_the_same_bytes_are_reported(run, command):
    done = command("rerun", run)

    meta = json.loads(Path("runs/run-rerun-001/meta.json").read_text())
    first, last = done.out.splitlines()
    assert done.code == 0
    assert first.endswith("result files, all with the same bytes as in run")
    assert last == "runs/run-rerun-001"
    assert (meta["seed"], meta["threads"], meta["command"]) == (7, 2, "mmcli rerun run")


def test_each_rerun_has_a_directory_of_its_own_or_the_one_named(run, command):
    assert command("rerun", run).out.splitlines()[-1] == "runs/run-rerun-001"
    assert command("rerun", run).out.splitlines()[-1] == "runs/run-rerun-002"
    assert command("rerun", run, "-o", "again").out.splitlines()[-1] == "again"


def test_other_bytes_are_named_and_end_with_a_code_of_their_own(run_before_a_change, command):
    run = run_before_a_change
    done = command("rerun", run, "-o", "again")

    assert done.code == 7
    assert "other bytes: module003_gmm/params.npz, module004_mlda/params.npz" in done.out
    assert "versions, device, threads and host are the same" in done.out
    assert done.out.splitlines()[-1] == "again"
    assert done.err.splitlines()[-1].startswith("mmcli: error: again: 2 of ")
    assert done.err.splitlines()[-1].endswith("result files differ from those of run")


def test_versions_that_differ_are_named(run_before_a_change, command):
    run = run_before_a_change
    meta = json.loads((run / "meta.json").read_text())
    change_meta(
        run, versions=meta["versions"] | {"jax": "0.1"}, packages=meta["packages"] | {"jax": "0.1", "gone": "2"}
    )

    done = command("rerun", run, "-o", "again", "--json")

    record = json.loads(done.out)
    assert done.code == 7
    assert record["changes"] == {"jax": ["0.1", meta["versions"]["jax"]], "gone": ["2", None]}
    assert record["other"] == ["module003_gmm/params.npz", "module004_mlda/params.npz"]
    assert record["figures"] == {}


def test_a_run_of_an_older_version_has_no_packages_to_compare(run, command):
    meta = json.loads((run / "meta.json").read_text())
    change_meta(run, packages=None, host=None, versions=meta["versions"] | {"python": "3.0"})

    done = command("rerun", run, "-o", "again")

    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()[1:-1]] == [
        ["before", "now"],
        ["python", "3.0", meta["versions"]["python"]],
    ]


def test_moved_data_are_found_by_their_sha256(run, command):
    Path("moved").mkdir()
    shutil.move("tiny.npz", "moved/tiny.npz")

    missing = command("rerun", run)
    found = command("rerun", run, "--data-root", "moved")

    assert missing.code == 2
    assert "if it was moved, name its new folder by --data-root" in missing.err
    assert found.code == 0, found.err


def test_other_data_are_refused(run, command):
    with np.load("tiny.npz") as arrays:
        np.savez("tiny.npz", **{name: array[::-1] for name, array in arrays.items()})

    done = command("rerun", run)

    assert (done.code, done.out) == (2, "")
    assert "tiny.npz: not the file that run learned from (SHA-256 differs); bring it back" in done.err
    assert not Path("runs").exists()


def test_a_run_of_several_processes_is_refused(run_before_a_change, command):
    change_meta(run_before_a_change, blocks=8)

    done = command("rerun", str(run_before_a_change))

    line = "several processes trained it, each on its items; repeat the command in meta.json"
    assert (done.code, done.err) == (2, f"mmcli: error: {run_before_a_change}: {line}\n")


def test_a_taken_directory_and_an_unfinished_run_are_refused(run, command):
    taken = command("rerun", run, "-o", run)
    RunDirectory.create(Path("begun")).start("seed: 0\n", {})
    begun = command("rerun", "begun")

    assert (taken.code, begun.code) == (2, 2)
    assert "run: exists already" in taken.err
    assert "begun: this run has not finished" in begun.err


@pytest.mark.usefixtures("train")
def test_a_run_that_learned_from_arrays_in_memory_is_refused(command):
    arrays = tiny_arrays()
    mmcli.train("tiny.yaml", data={"images": arrays["images"]}, output="run", progress=False)

    done = command("rerun", "run")

    assert done.code == 2
    assert "run: learned from arrays in memory (images), whose values it does not keep" in done.err
