"""`mmcli.train`, `mmcli.check` and `mmcli.load_run`: what the commands do, in Python."""

import doctest
import hashlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import sparse

import mmcli
from mmcli.errors import ConfigError, DataError, UsageError
from mmcli.workflows import process
from mmcli.workflows.watcher import Silent

DOCS = Path(__file__).parents[2] / "docs"
KINDS = np.repeat([0, 1], 15)
RNG = np.random.default_rng(0)
POINTS = RNG.normal(5.0 * KINDS[:, None], 1.0, (30, 2)) + 1e6  # in standard units
WORDS = RNG.poisson(np.where(KINDS[:, None] == [0, 1], 5.0, 0.5))
DATA = {"points": POINTS, "words": WORDS, "kinds": KINDS}
CONFIG = {
    "rounds": 2,
    "modules": {
        "point": {"type": "observation", "data": "points"},
        "word": {"type": "observation", "data": "words"},
        "gmm": {"type": "gmm", "inputs": ["point"], "num_classes": 2, "sweeps": 5, "chains": 1, "labels": "kinds"},
        "mlda": {"type": "mlda", "inputs": ["word", "gmm"], "num_classes": 2, "sweeps": 5, "labels": "kinds"},
    },
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def test_the_examples_of_the_page_and_of_train_hold():
    for failed, tried in (
        doctest.testfile(str(DOCS / "python.md"), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE),
        doctest.run_docstring_examples(mmcli.train, {}) or (0, 1),
    ):
        assert (failed, tried > 0) == (0, True)


def test_arrays_give_the_bytes_of_files_and_a_mapping_those_of_yaml(learned):
    np.savez("data.npz", **DATA)
    files = {name: {"file": "data.npz", "key": name} for name in DATA}
    Path("config.yaml").write_text(yaml.safe_dump(CONFIG | {"data": files}, sort_keys=False))

    mmcli.train("config.yaml", output="run", progress=False)

    assert results("run") == results(learned)
    assert len(results("run")) > 10


def test_a_run_gives_what_it_learned_by_module(learned):
    run = mmcli.load_run(learned)

    lines = [json.loads(line) for line in (learned / "history.jsonl").read_text().splitlines()]
    assert run.history.keys() == {"gmm", "mlda"}
    np.testing.assert_array_equal(run.history["mlda"]["round"], [1, 2])
    np.testing.assert_array_equal(run.history["gmm"]["bound"], [x["bound"] for x in lines if x["module"] == "gmm"])
    np.testing.assert_array_equal(run.classes["gmm"], np.loadtxt(learned / "module002_gmm/class_learn.txt"))
    assert run.params.keys() == {"point", "gmm", "mlda"}
    np.testing.assert_allclose(run.params["point"]["centre"], POINTS.mean(axis=0), atol=0.5)


def test_a_run_shows_itself_without_network_or_script(learned):
    html = mmcli.load_run(learned, data={"kinds": KINDS})._repr_html_()
    without = mmcli.load_run(learned)._repr_html_()

    assert html.count("<img") == 3
    for unwanted in ("<script", "http", "onload", "url("):
        assert unwanted not in html.replace("http://www.w3.org/", "").replace("url(#", "")
    assert "gmm: classes by labels" in html
    assert without.count("<img") == 1
    assert "their labels are not at hand: " in without
    assert "data.kinds: an array in memory, which no file holds; give it again in Python, by data=" in without


class Interrupt(Silent):
    """Presses Ctrl-C after the first update."""

    def updated(self, line):
        if (line.round, line.module) == (1, "gmm"):
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_saves_and_the_run_resumes_to_the_same_bytes(learned):
    handler = signal.getsignal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT in round 1, module gmm; all is saved; go on with: "
                       r"mmcli.train\('run/config.yaml', data=\{'points': ..., 'words': ..., 'kinds': ...\}, "
                       r"output='run', resume=True\)"):  # fmt: skip
        mmcli.train(CONFIG, data=DATA, output="run", progress=Interrupt())
    status = json.loads(Path("run/meta.json").read_text())["status"]
    with pytest.raises(DataError, match="data.points: an array in memory, which no file holds; give it again"):
        mmcli.train("run/config.yaml", output="run", resume=True, progress=False)
    with pytest.raises(UsageError, match="another config: data.words.array"):
        mmcli.train("run/config.yaml", data=DATA | {"words": WORDS + 1}, output="run", resume=True, progress=False)
    mmcli.train("run/config.yaml", data=DATA, output="run", resume=True, progress=False)

    assert status == "stopped"
    assert signal.getsignal(signal.SIGINT) is handler
    assert results("run") == results(learned)


def test_no_handler_is_installed_in_another_thread_or_over_the_callers_own():
    found = []

    class Look(Silent):
        def updated(self, line):
            found.append(signal.getsignal(signal.SIGINT))

    def learn(output):
        mmcli.train(CONFIG, data=DATA, rounds=1, output=output, progress=Look())

    thread = threading.Thread(target=learn, args=("a",))
    thread.start()
    thread.join()
    own = lambda *_: None  # noqa: E731
    before = signal.signal(signal.SIGINT, own)
    try:
        learn("b")
    finally:
        signal.signal(signal.SIGINT, before)

    assert found == [before, before, own, own]
