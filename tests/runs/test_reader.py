"""What is read back from a run directory, finished or not, whoever wrote it."""

from pathlib import Path

import numpy as np
import pytest

from mmcli.errors import DamagedRunError, UsageError
from mmcli.runs.history import HistoryLine
from mmcli.runs.writer import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory.create(tmp_path / "run")
    run.start("seed: 0\n", {"seed": 0})
    return run


def test_look_at_a_run_in_any_state(run):
    for change in (lambda: None, run.stop, run.finish, lambda: run.fail("NaN")):
        change()
        assert RunDirectory.look(run.path).path == run.path


def test_look_refuses_what_is_no_run(run, tmp_path):
    run.note(status="resting")

    with pytest.raises(UsageError, match="no such directory; name one that `mmcli train` printed"):
        RunDirectory.look(tmp_path / "other")
    with pytest.raises(DamagedRunError, match="no known status"):
        RunDirectory.look(run.path)


@pytest.mark.parametrize("columns", [1, 3, 101])
def test_learned_arrays_come_back(run, columns):
    array = np.random.default_rng(0).normal(size=(4, columns)).astype(np.float32)
    run.write_arrays("module001_x", {"z": array}, "learn")
    run.write_arrays("module001_x", {"z": -array}, "first")

    for when, written in {"learn": array, "first": -array}.items():
        read = run.learned("module001_x", "z", 2, when)
        np.testing.assert_array_equal(read.astype(np.float32), written)
    assert run.learned("module001_x", "x_hat", 2) is None


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("z_learn.txt", b"", "empty"),
        ("z_learn.txt", b"1 2\n3\n", "the number of columns changed"),
        ("z_learn.txt", b"1 # 2\n", "could not convert string '#' to float64"),
        ("z_learn.txt", b"1 inf\n", "not finite numbers on 2 axes"),
        ("z_learn.txt", b"\xff\n", "'utf-8' codec can't decode byte 0xff"),
        ("z_learn.npy", b"mud", "cannot be read: EOF: reading magic string, expected 8 bytes"),
        ("z_learn.npy", b"\x80\x04N.", "cannot be read: EOF: reading magic string, expected 8 bytes"),  # a pickle
    ],
)
def test_damaged_learned_arrays(run, name, content, reason):
    run.write_arrays("module001_x", {"class": np.arange(3)}, "learn")
    path = run.path / "module001_x" / name
    path.write_bytes(content)

    with pytest.raises(DamagedRunError) as error:
        run.learned("module001_x", "z", 2)

    assert str(error.value).startswith(f"{path}: damaged run: {reason}")


LINE = {"round": 1, "module": "gmm", "acc": None, "ari": None, "nmi": 0.5, "bound": -3, "seconds": 1.5}


def test_history_comes_back(run):
    assert run.history() == []
    run.append_history({**LINE, "compile_seconds": 0.0, "some later key": 1})

    assert run.history() == [HistoryLine(1, "gmm", None, None, 0.5, -3, 1.5, 0.0)]


def test_history_has_measures_by_own_inputs_where_they_were_written(run):
    run.append_history({**LINE, "compile_seconds": 0.0, "own_acc": 0.25, "own_ari": 0.5, "own_nmi": None})

    (line,) = run.history()
    assert (line.own_acc, line.own_ari, line.own_nmi) == (0.25, 0.5, None)


@pytest.mark.parametrize("end", [1, 10, -1])
def test_a_last_line_that_was_cut_off_is_ignored(run, end):
    run.append_history({**LINE, "compile_seconds": 0.0})
    whole = run.history()
    line = (run.path / "history.jsonl").read_bytes()

    (run.path / "history.jsonl").write_bytes(line + line[:end])

    assert run.history() == whole


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "a line without round, module, acc, ari, nmi, bound, seconds, compile_seconds"),
        ({"compile_seconds": 0, "round": 0}, "a round is a whole number from 1, a module a name"),
        ({"compile_seconds": 0, "module": 7}, "a round is a whole number from 1, a module a name"),
        ({"compile_seconds": 0, "bound": float("nan")}, "a measure that is no finite number"),
        ({"compile_seconds": 0, "acc": "good"}, "a measure that is no finite number"),
        ({"compile_seconds": 0, "own_ari": "good"}, "a measure that is no finite number"),
    ],
)
def test_damaged_history(run, changes, reason):
    run.append_history({**LINE, **changes})

    with pytest.raises(DamagedRunError) as error:
        run.history()

    history = run.path / "history.jsonl"
    assert str(error.value) == f"{history}: damaged run: {reason}; train again, or restore the file"


def test_history_nested_too_deep(run):
    (run.path / "history.jsonl").write_text("[" * 100_000 + "\n")

    with pytest.raises(DamagedRunError, match=r"history\.jsonl: damaged run: nested too deep; train again"):
        run.history()
