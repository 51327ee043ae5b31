"""`mmcli.train`, `mmcli.check` and `mmcli.load_run`: what the commands do, in Python."""

import doctest
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
import yaml

import mmcli
from mmcli.errors import DataError, UsageError
from mmcli.workflows import process
from mmcli.workflows.watcher import Silent

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
KINDS = np.repeat([0, 1], 15)
POINTS = np.random.default_rng(0).normal(5.0 * KINDS[:, None], 1.0, (30, 2)) + 1e6  # learned in standard units
HAS_KIND = np.arange(30) % 3 > 0
DATA = {"points": POINTS, "kinds": KINDS, "has_kind": HAS_KIND}
CONFIG = {
    "rounds": 2,
    "data": {
        "kinds": {"file": "nowhere.npy", "known": "has_kind"}
    },  # arrays take the place of the file, not of the mask
    "modules": {
        "point": {"type": "observation", "data": "points"},
        "gmm": {"type": "gmm", "inputs": ["point"], "num_classes": 2, "sweeps": 5, "chains": 1, "labels": "kinds"},
    },
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def results(run):
    """SHA-256 of what each module wrote."""
    paths = sorted(path for path in Path(run).rglob("module*/*") if path.is_file())
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """One run from arrays."""
    path = tmp_path_factory.mktemp("learned") / "run"
    mmcli.train(CONFIG, data=DATA, output=path, progress=False)
    return path


def test_the_examples_of_the_page_hold():
    assert doctest.testfile(str(PAGE), module_relative=False) == (0, PAGE.read_text().count("\n>>> "))


def test_the_examples_of_train_hold():
    runner = doctest.DocTestRunner()
    (examples,) = doctest.DocTestFinder(recurse=False).find(mmcli.train, globs={})

    runner.run(examples)

    assert runner.summarize(verbose=False) == (0, 6)


def test_arrays_give_the_bytes_of_files_and_a_mapping_those_of_yaml(learned):
    np.savez("data.npz", **DATA)
    files = {name: {"file": "data.npz", "key": name} for name in DATA}
    files["kinds"]["known"] = "has_kind"
    Path("config.yaml").write_text(yaml.safe_dump(CONFIG | {"data": files}, sort_keys=False))

    mmcli.train("config.yaml", output="run", progress=False)

    assert results("run") == results(learned)
    assert len(results("run")) > 8


def test_a_run_gives_what_it_learned_by_module(learned):
    run = mmcli.load_run(learned)

    lines = [json.loads(line) for line in (learned / "history.jsonl").read_text().splitlines()]
    assert run.history.keys() == {"gmm"}
    np.testing.assert_array_equal(run.history["gmm"]["round"], [1, 2])
    np.testing.assert_array_equal(run.history["gmm"]["bound"], [line["bound"] for line in lines])
    np.testing.assert_array_equal(run.classes["gmm"], np.loadtxt(learned / "module001_gmm/class_learn.txt"))
    assert run.params.keys() == {"point", "gmm"}
    np.testing.assert_allclose(run.params["point"]["centre"], POINTS.mean(axis=0), atol=0.5)
    assert repr(run) == f"<TrainedRun {learned}: 30 items; gmm ACC {run.history['gmm']['acc'][-1]:.3f}>"


def test_a_run_shows_itself_without_network_or_script(learned):
    html = mmcli.load_run(learned, data={"kinds": KINDS, "has_kind": HAS_KIND})._repr_html_()
    without = mmcli.load_run(learned)._repr_html_()

    assert html.count("<img") == 2
    # Names, and parts of a figure, lead nowhere.
    for unwanted in ("<script", "http", "onload", "url("):
        assert unwanted not in html.replace("http://www.w3.org/", "").replace("url(%23", "")
    assert "gmm: classes by labels" in html
    assert without.count("<img") == 1
    assert "their labels are not at hand: " in without
    assert ": an array in memory, which no file holds; give it again in Python, by data=" in without


THEIRS = {"jax_enable_x64": True, "jax_numpy_dtype_promotion": "strict", "jax_transfer_guard": "disallow"}


def test_learning_does_not_depend_on_settings_of_jax_that_the_caller_has_made(learned):
    before = {name: getattr(jax.config, name) for name in THEIRS}
    try:
        for name, value in THEIRS.items():
            jax.config.update(name, value)
        mmcli.train(CONFIG, data=DATA, output="run", progress=False)
        assert {name: getattr(jax.config, name) for name in THEIRS} == THEIRS
    finally:
        for name, value in before.items():
            jax.config.update(name, value)

    assert results("run") == results(learned)


class Interrupt(Silent):
    """Ctrl-C after the first update."""

    def updated(self, line):
        if line.round == 1:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_saves_and_the_run_resumes_to_the_same_bytes(learned):
    handler = signal.getsignal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as stopped:
        mmcli.train(CONFIG, data=DATA, output="run", progress=Interrupt())
    status = json.loads(Path("run/meta.json").read_text())["status"]
    with pytest.raises(DataError, match=r"data\.points: an array in memory, which no file holds; give it again"):
        mmcli.train("run/config.yaml", output="run", resume=True, progress=False)
    with pytest.raises(UsageError, match=r"another config: data\.points\.array"):
        mmcli.train("run/config.yaml", data=DATA | {"points": POINTS + 1}, output="run", resume=True, progress=False)
    mmcli.train("run/config.yaml", data=DATA, output="run", resume=True, progress=False)

    assert str(stopped.value) == (
        "stopped by SIGINT in round 1, module gmm; all is saved; resume with: mmcli.train('run/config.yaml', "
        "data={'kinds': ..., 'points': ..., 'has_kind': ...}, output='run', resume=True)"
    )
    assert status == "stopped"
    assert signal.getsignal(signal.SIGINT) is handler
    assert results("run") == results(learned)


class Look(Silent):
    """Notes the handler of SIGINT at each update."""

    def __init__(self):
        self.found = set()

    def updated(self, _line):
        self.found.add(signal.getsignal(signal.SIGINT))


@pytest.mark.usefixtures("train")
def test_no_handler_is_installed_in_another_thread():
    look = Look()
    thread = threading.Thread(target=mmcli.train, args=("tiny.yaml",), kwargs={"progress": look})

    thread.start()
    thread.join()

    assert look.found == {signal.default_int_handler}
    assert Path("runs/tiny-s0-001/SHA256SUMS").exists()


@pytest.mark.usefixtures("train")
def test_a_handler_of_the_callers_own_stays():
    def own(_number, _frame):
        """Do nothing."""

    look = Look()
    before = signal.signal(signal.SIGINT, own)
    try:
        mmcli.train("tiny.yaml", progress=look)
    finally:
        signal.signal(signal.SIGINT, before)

    assert look.found == {own}


@pytest.mark.usefixtures("train")
def test_progress_is_lines_or_nothing_and_no_variable_stays_in_the_environment(capsys, monkeypatch):
    monkeypatch.delenv("PJRT_NPROC", raising=False)

    mmcli.train("tiny.yaml", rounds=1, output="silent", progress=False)
    silent = capsys.readouterr()
    mmcli.train("tiny.yaml", rounds=1, output="lines", threads=3)

    assert silent == ("", "")
    assert capsys.readouterr().err.startswith("run directory lines\nround 1/1  gmm   ACC 0.750 ")
    assert json.loads(Path("lines/meta.json").read_text())["threads"] == 3
    assert "PJRT_NPROC" not in os.environ


@pytest.mark.usefixtures("train")
def test_threads_are_those_that_jax_has_started_with(monkeypatch):
    monkeypatch.setattr(process, "has_jax_started", lambda: True)
    monkeypatch.setattr(process, "_started_with", [5])

    mmcli.train("tiny.yaml", output="run", progress=False)
    with pytest.raises(UsageError) as refused:
        mmcli.train("tiny.yaml", output="other", threads=2, progress=False)

    assert json.loads(Path("run/meta.json").read_text())["threads"] == 5
    assert str(refused.value) == (
        "threads: 2 asked for, but jax computes with 5 in this process until it ends; "
        "leave threads out, or train in a process of its own"
    )
    assert not Path("other").exists()


STARTED = """
import os
from mmcli.workflows import process
before = process.has_jax_started()
with process.threads_set(3):
    import jax
    between = process.has_jax_started()
    jax.devices()
print(before, between, process.has_jax_started(), process.num_threads(None, 7), os.environ.get("PJRT_NPROC"))
"""


def test_the_start_of_jax_is_seen_and_its_threads_are_remembered():
    environ = {name: value for name, value in os.environ.items() if name != "PJRT_NPROC"}

    done = subprocess.run([sys.executable, "-c", STARTED], env=environ, capture_output=True, text=True, check=True)

    assert done.stdout == "False False True 3 None\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"resume": True}, "resume needs output: without it every run has a directory of its own"),
        ({"force": True}, "force needs output: without it every run has a directory of its own"),
        ({"resume": True, "force": True, "output": "a"}, "force and resume are mutually exclusive; choose one"),
        ({"data_root": "."}, "data_root needs resume; a new run reads the files that its config names"),
        ({"threads": 0}, "threads: 0 is not in the range 1 to 1024"),
        ({"data": DATA | {"point": POINTS}}, 'data["point"]: no module uses data of this name (did you mean points?)'),
        ({"data": {1: POINTS}}, "data: the name 1 is no text; give arrays by the names that modules use"),
    ],
)
def test_arguments_that_contradict_each_other_give_one_line(arguments, text):
    with pytest.raises(UsageError) as refused:
        mmcli.train(CONFIG, **({"data": DATA} | arguments))

    assert str(refused.value) == text
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            {"points": np.where(np.arange(30)[:, None] == 1, np.nan, POINTS).tolist()},
            'data["points"]: nan at row 1, column 0',
        ),
        ({"points": POINTS[:3]}, 'data["kinds"]: 30 rows, but data.points has 3; row t'),
        ({"points": POINTS.astype(str)}, 'data["points"]: holds values of type <U'),
        ({"kinds": POINTS}, 'data["kinds"]: 2 dimensions (30, 2); labels have 1'),
        ({"has_kind": 2 * KINDS}, 'data["has_kind"]: 2 at row 15 (from 0) and 14 more; a mask holds 1 for'),
    ],
)
def test_a_fault_of_an_array_is_located_by_its_name(data, text):
    with pytest.raises(DataError) as refused:
        mmcli.check(CONFIG, data=DATA | data)

    assert str(refused.value).startswith(text)


def test_other_arrays_than_a_run_learned_from_are_refused(learned):
    with pytest.raises(DataError, match=r'data\["kinds"\]: not the array that .* learned from \(SHA-256 differs\)'):
        mmcli.load_run(learned, data={"kinds": KINDS + 1})
    with pytest.raises(UsageError, match="learned from no array of this name; it learned from kinds, points"):
        mmcli.load_run(learned, data={"zebra": KINDS})


def test_a_run_from_arrays_is_evaluated_on_files(learned, command):
    np.savez("new.npz", **DATA)

    without = command("evaluate", learned)
    done = command("evaluate", learned, "--data", "new.npz", "-o", "out")

    assert without.code == 2
    assert "data.points: an array in memory, which no file holds; give it again in Python" in without.err
    assert done.code == 0, done.err


def test_a_report_on_a_run_from_arrays_says_what_is_left_out(learned, command):
    done = command("report", learned, "-o", "page")

    assert done.code == 0, done.err
    assert ": an array in memory, which no file holds; give it again in Python" in Path("page/report.html").read_text()


def test_the_names_of_the_package_are_listed_and_cost_no_import():
    script = (
        "import sys, mmcli; assert {'train', 'check', 'load_run'} <= set(dir(mmcli)); print('numpy' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
    assert {name: getattr(mmcli, name).__name__ for name in mmcli.__all__ if name != "__version__"} == {
        name: name for name in mmcli.__all__ if name != "__version__"
    }
    assert not hasattr(mmcli, "trian")
