"""The run directory: exclusive, whole or not at all, and read back with care."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mmcli.errors import DamagedRunError, SaveError, UsageError
from mmcli.runs.checkpoint import Checkpoint
from mmcli.runs.places import set_aside
from mmcli.runs.writer import RunDirectory
from mmcli.util import atomic


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory.create(tmp_path / "run")
    run.start("seed: 0\n", {"seed": 0, "data": {"/data/a.npz": "ab12"}})
    return run


def test_create_makes_parents(tmp_path):
    assert RunDirectory.create(tmp_path / "a" / "b").path.is_dir()


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_create_refuses_what_exists(tmp_path, kind):
    path = tmp_path / "run"
    path.mkdir() if kind == "directory" else path.touch()

    with pytest.raises(UsageError) as error:
        RunDirectory.create(path)

    assert str(error.value) == f"{path}: exists already; --resume resumes it, --force sets it aside"


def test_create_says_why_a_directory_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(UsageError) as error:
        RunDirectory.create(tmp_path / "file" / "run")

    assert str(error.value) == (
        f"{tmp_path}/file/run: cannot be made (File exists: {tmp_path}/file); name a place to write to with -o"
    )


def test_create_next_takes_the_first_free_number(tmp_path):
    (tmp_path / "mnist-s0-001").mkdir()
    (tmp_path / "mnist-s0-003").touch()

    names = [RunDirectory.create_next(tmp_path, "mnist-s0").path.name for _ in range(2)]

    assert names == ["mnist-s0-002", "mnist-s0-004"]


def test_fifty_that_start_at_once_get_fifty_directories(tmp_path):
    with ThreadPoolExecutor(50) as pool:
        runs = list(pool.map(lambda _: RunDirectory.create_next(tmp_path / "runs", "x-s0"), range(50)))

    assert sorted(run.path.name for run in runs) == [f"x-s0-{number:03d}" for number in range(1, 51)]


def test_set_aside_renames_a_run_to_the_first_free_number(tmp_path, run):
    (tmp_path / "run.old-001").mkdir()
    (tmp_path / "run.old-001" / "kept").touch()

    assert set_aside(run.path) == tmp_path / "run.old-002"
    assert not run.path.exists()
    assert RunDirectory(tmp_path / "run.old-002").meta()["status"] == "running"
    assert (tmp_path / "run.old-001" / "kept").exists()


def test_set_aside_of_nothing(tmp_path):
    assert set_aside(tmp_path / "run") is None


def test_set_aside_of_the_working_directory(monkeypatch, run):
    monkeypatch.chdir(run.path)

    assert set_aside(Path()) == run.path.with_name("run.old-001")


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_set_aside_leaves_alone_what_is_no_run(tmp_path, kind):
    path = tmp_path / "thesis"
    if kind == "directory":
        path.mkdir()
        (path / "thesis.tex").touch()
    else:
        path.touch()

    with pytest.raises(UsageError) as error:
        set_aside(path)

    assert str(error.value) == f"{path}: no run directory, so --force leaves it alone; name another with -o"
    assert path.exists()


def test_meta_tells_the_course_of_a_run(run):
    assert run.meta()["status"] == "running"
    run.note(device="cpu")
    run.finish()

    meta = json.loads((run.path / "meta.json").read_text())
    assert list(meta) == ["seed", "data", "status", "started", "device", "ended"]
    assert (meta["seed"], meta["status"], meta["device"]) == (0, "finished", "cpu")
    assert meta["started"] <= meta["ended"]
    assert meta["ended"].endswith("+00:00")


def test_history_grows_by_a_line(run):
    run.append_history({"round": 1, "acc": None})
    run.append_history({"round": 2, "acc": 0.5})

    assert (run.path / "history.jsonl").read_text() == '{"round": 1, "acc": null}\n{"round": 2, "acc": 0.5}\n'


def test_learned_arrays_are_text_up_to_a_hundred_columns(run):
    rng = np.random.default_rng(0)
    arrays = {
        "class": np.array([3, 1, 2]),
        "acc": np.float64(0.1),
        "loss": rng.normal(size=7).astype(np.float32),
        "Pdz": rng.normal(size=(4, 100)).astype(np.float32),
        "x_hat": rng.normal(size=(4, 101)).astype(np.float32),
        "Sigma": rng.normal(size=(2, 3, 3)),
    }

    run.write_arrays("module001_x", arrays, "learn")

    folder = run.path / "module001_x"
    assert sorted(path.name for path in folder.iterdir()) == [
        "Pdz_learn.txt",
        "Sigma_learn.npy",
        "acc_learn.txt",
        "class_learn.txt",
        "loss_learn.txt",
        "x_hat_learn.npy",
    ]
    assert (folder / "class_learn.txt").read_text() == "3\n1\n2\n"
    assert (folder / "acc_learn.txt").read_text() == "0.10000000000000001\n"
    for name in ("loss", "Pdz"):
        np.testing.assert_array_equal(np.loadtxt(folder / f"{name}_learn.txt", dtype=np.float32), arrays[name])
    for name in ("x_hat", "Sigma"):
        np.testing.assert_array_equal(np.load(folder / f"{name}_learn.npy"), arrays[name])


def test_params_come_back(run):
    params = {"weights": np.arange(6.0).reshape(2, 3), "step": np.int32(4)}

    run.write_params("module001_x", params)

    with np.load(run.path / "module001_x" / "params.npz", allow_pickle=False) as stored:
        assert set(stored) == set(params)
        for name, value in params.items():
            np.testing.assert_array_equal(stored[name], value)


def test_nothing_is_pickled(run):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        run.write_params("module001_x", {"weights": np.array([{}])})


def test_equal_arrays_make_equal_files(tmp_path):
    contents = []
    for name in ("a", "b"):
        run = RunDirectory.create(tmp_path / name)
        run.write_params("module001_x", {"weights": np.ones(3)})
        contents.append((run.path / "module001_x" / "params.npz").read_bytes())

    assert contents[0] == contents[1]


def test_history_is_appended_and_its_sha_256_is_that_of_the_file(run, monkeypatch):
    run.append_history({"round": 1})
    path = run.path / "history.jsonl"
    inode = path.stat().st_ino
    reopened = RunDirectory(run.path)
    reopened.append_history({"round": 2})
    monkeypatch.setattr(atomic, "read", None)  # what is there is not read again
    reopened.append_history({"round": 3})
    monkeypatch.undo()

    reopened.finish()

    assert path.read_text() == '{"round": 1}\n{"round": 2}\n{"round": 3}\n'
    assert path.stat().st_ino == inode
    assert f"{hashlib.sha256(path.read_bytes()).hexdigest()}  history.jsonl\n" in (run.path / "SHA256SUMS").read_text()


def test_a_resumed_run_drops_a_line_that_was_cut_off(run):
    run.append_history({"round": 1})
    with (run.path / "history.jsonl").open("a") as file:
        file.write('{"rou')
    resumed = RunDirectory(run.path)

    resumed.resume_from(Checkpoint(1, 0, {}, {}, {}, [{"round": 1}], {}))
    resumed.append_history({"round": 2})
    resumed.finish()

    assert (run.path / "history.jsonl").read_text() == '{"round": 1}\n{"round": 2}\n'
    resumed.verify()


def test_a_write_that_breaks_off_leaves_the_old_file_alone(run, monkeypatch):
    run.append_history({"round": 1})

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError) as error:
        run.append_history({"round": 2})

    assert str(error.value) == (
        f"{run.path}/history.jsonl: cannot be written (No space left on device); "
        "mend that, then do it again (train with --resume)"
    )
    assert (run.path / "history.jsonl").read_text() == '{"round": 1}\n'
    assert sorted(path.name for path in run.path.iterdir()) == ["config.yaml", "history.jsonl", "meta.json"]


def test_a_reader_never_sees_half_a_file(run):
    """Another process rewrites meta.json without pause; whatever is read meanwhile is whole."""
    writer = (
        "import sys; from pathlib import Path; from mmcli.runs.writer import RunDirectory\n"
        "run = RunDirectory(Path(sys.argv[1]))\n"
        "while True: run.note(filler='x' * 100_000)"
    )
    process = subprocess.Popen([sys.executable, "-c", writer, str(run.path)])
    try:
        while "filler" not in run.meta():
            assert process.poll() is None
        for _ in range(300):
            assert len(run.meta()["filler"]) == 100_000
    finally:
        process.kill()
        process.wait()


def test_files_can_be_read_by_whom_the_umask_lets(run):
    mask = os.umask(0)
    os.umask(mask)

    assert stat.S_IMODE((run.path / "meta.json").stat().st_mode) == 0o666 & ~mask


def test_open_a_finished_run(run):
    run.write_arrays("module001_x", {"class": np.array([3, 1])}, "learn")
    run.finish()

    opened = RunDirectory.open(run.path)

    np.testing.assert_array_equal(opened.classes("module001_x", "class", 2), [3, 1])
    assert opened.data_digests() == {"/data/a.npz": "ab12"}
    assert opened.config.read_text() == "seed: 0\n"


def test_open_refuses_what_is_no_run(tmp_path):
    with pytest.raises(UsageError) as missing:
        RunDirectory.open(tmp_path / "run")
    with pytest.raises(UsageError) as other:
        RunDirectory.open(tmp_path)

    assert str(missing.value) == f"{tmp_path}/run: no such directory; name one that `mmcli train` printed"
    assert str(other.value) == (
        f"{tmp_path}: no run directory (no meta.json in it); name one that `mmcli train` printed"
    )


def test_open_refuses_a_run_that_has_not_finished(run):
    with pytest.raises(UsageError) as running:
        RunDirectory.open(run.path)
    run.fail("gmm: the evidence is NaN")
    with pytest.raises(UsageError) as failed:
        RunDirectory.open(run.path)

    assert str(running.value) == (
        f"{run.path}: this run has not finished; wait for it or, if it was killed, --resume it"
    )
    assert str(failed.value) == f"{run.path}: this run failed (gmm: the evidence is NaN); train again"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ('{"status": "fin', "Unterminated string starting at: line 1 column 12 (char 11)"),
        ("[]", "not an object"),
        pytest.param("[" * 100_000, "nested too deep", id="deep"),
        ('{"status": "resting"}', "no known status"),
        ('{"status": "failed"}', "no known status"),
    ],
)
def test_open_reports_damaged_meta_data(run, content, reason):
    run.finish()
    meta = run.path / "meta.json"
    meta.unlink() if content is None else meta.write_text(content)

    with pytest.raises(DamagedRunError) as error:
        RunDirectory.open(run.path)

    assert str(error.value) == f"{meta}: damaged run: {reason}; train again, or restore the file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"1\n2\n", "2 classes where the data have 3 items"),
        (b"1\n2\n0.5\n", "not one whole number a line"),
        (b"1\n2\n\xff\n", "not one whole number a line"),
        (b"1\n2\n99999999999999999999\n", "not one whole number a line"),
    ],
)
def test_damaged_classes(run, content, reason):
    run.write_arrays("module001_x", {"class": np.arange(3)}, "learn")
    path = run.path / "module001_x" / "class_learn.txt"
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(DamagedRunError) as error:
        run.classes("module001_x", "class", 3)

    assert str(error.value) == f"{path}: damaged run: {reason}; train again, or restore the file"


def test_damaged_digests(run):
    run.note(data=None)

    with pytest.raises(DamagedRunError) as error:
        run.data_digests()

    assert "meta.json: damaged run: no data files named" in str(error.value)
