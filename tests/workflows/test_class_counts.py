"""A number of classes left open: refused where nothing determines it, found, recorded, the same bytes when resumed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import GROUPS

import mmcli
from mmcli.errors import ConfigError, StoppedError
from mmcli.modules.spec import InputSpec, Kind
from mmcli.workflows.check import check
from mmcli.workflows.train import train
from mmcli.workflows.watcher import Silent

NUMBER, ITEMS = 3, 240
LABELS = np.arange(ITEMS) % NUMBER
RNG = np.random.default_rng(0)
DATA = {
    "places": RNG.normal(6.0 * np.eye(NUMBER)[LABELS], 1.0).astype(np.float32),
    "words": RNG.poisson(np.kron(6 * np.eye(NUMBER), np.ones(3))[LABELS] + 0.5).astype(np.float32),
    "kinds": LABELS,
}
QUICK = {"gmm": {"sweeps": 10, "chains": 2}, "mlda": {"sweeps": 4, "anneal_sweeps": 20, "restarts": 3}}


def config(gmm="auto", mlda="auto"):
    return {
        "seed": 1,
        "rounds": 2,
        "search": {"starts": 1},
        "modules": {
            "place": {"type": "observation", "data": "places"},
            "word": {"type": "observation", "data": "words"},
            "gmm": {"type": "gmm", "inputs": ["place"], "num_classes": gmm, "labels": "kinds", **QUICK["gmm"]},
            "mlda": {"type": "mlda", "inputs": ["word", "gmm"], "num_classes": mlda, **QUICK["mlda"]},
        },
    }


def results(run):
    """What each module wrote, by name."""
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(Path(run).glob("module*/*"))}


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Run whose number of classes is found."""
    path = tmp_path_factory.mktemp("counted") / "run"
    mmcli.train(config(), data=DATA, output=path, progress=False)
    return path


def test_the_number_is_found_and_recorded(counted):
    history = [json.loads(line) for line in (counted / "history.jsonl").read_text().splitlines()]
    loaded = mmcli.load_run(counted, data=DATA)

    assert json.loads((counted / "meta.json").read_text())["num_classes"] == {"gmm": NUMBER, "mlda": NUMBER}
    assert [line["num_classes_used"] for line in history] == [NUMBER] * 4
    assert history[-2]["ari"] == 1.0
    assert loaded.predict(words=DATA["words"])["mlda"].probabilities.shape == (ITEMS, NUMBER)
    assert "num_classes: auto" in (counted / "config.yaml").read_text()


def test_the_run_is_that_of_the_number_given(counted, tmp_path):
    mmcli.train(config(NUMBER, NUMBER), data=DATA, output=tmp_path / "given", progress=False)

    assert results(tmp_path / "given") == results(counted)


class Stopper(Silent):
    """Stops once, at a progress before the count, then after it."""

    def __init__(self):
        self.lines = []
        self.number = None

    def advanced(self, *_arguments):
        self.number = 15

    def noted(self, line):
        self.lines.append(line)
        if "classes found" in line:
            self.number = 15

    def stop(self):
        number, self.number = self.number, None
        return number


def test_a_run_that_is_stopped_before_or_after_the_count_ends_in_the_same_bytes(counted, tmp_path):
    output, places = tmp_path / "run", []
    for _ in range(3):
        watcher = Stopper()
        if places:
            watcher.advanced = lambda *_: None
        stop = watcher.stop if len(places) < 2 else lambda: None
        try:
            train(check(config(), data=DATA), watcher, stop, output=output, resume=bool(places))
        except StoppedError as error:
            places.append(str(error))

    assert "in round 1, module gmm" in places[0]
    assert "after the count of classes" in places[1]
    assert "module gmm: 3 classes found, of at most 8" in watcher.lines
    assert results(output) == results(counted)
    assert json.loads((output / "meta.json").read_text())["num_classes"] == {"gmm": NUMBER, "mlda": NUMBER}


def test_a_number_that_is_the_most_is_reported(tmp_path):
    watcher, bounded = Stopper(), check(config({"max": 2}, "auto"), data=DATA)
    watcher.advanced = lambda *_: None

    with pytest.raises(StoppedError):
        train(bounded, watcher, watcher.stop, output=tmp_path / "run")

    first = (
        "module gmm: 2 classes found, the most that there may be: set num_classes: {max: 4}, if the items are enough"
    )
    assert watcher.lines[-2:] == [first, "module mlda: 2 classes found, of at most 8"]


@pytest.mark.parametrize(
    ("gmm", "mlda", "modules"),
    [(3, "auto", ["mlda"]), (3, {"max": 5}, ["mlda"])],
)
def test_a_number_that_nothing_determines_is_refused(gmm, mlda, modules):
    with pytest.raises(ConfigError) as refused:
        check(config(gmm, mlda), data=DATA)

    text = "needs classes that a gmm of open number sends to an mlda, which share them; give a number"
    assert refused.value.problems == tuple(f"config: modules.{name}.num_classes: {text}" for name in modules)


def test_a_gmm_alone_and_messages_of_serket_are_refused():
    lone = config()
    del lone["modules"]["mlda"], lone["modules"]["word"]
    text = "needs classes that a gmm of open number sends to an mlda, which share them; give a number"
    with pytest.raises(ConfigError) as refused:
        check(lone, data=DATA)
    with pytest.raises(ConfigError) as circular:
        check({**config(), "messages": "serket"}, data=DATA)

    assert refused.value.problems == (f"config: modules.gmm.num_classes: {text}",)
    reason = "needs messages: cavity, as serket's hold what their receiver sent; give a number"
    assert circular.value.problems[0] == f"config: modules.gmm.num_classes: {reason}"


def test_a_module_that_learns_before_the_number_is_found_is_refused(register):
    register(replace(GROUPS, name="late", inputs=InputSpec((Kind.CATEGORICAL,), maximum=1)))
    early = config()
    early["modules"]["late"] = {"type": "late", "inputs": ["gmm"], "num_groups": 2}
    with pytest.raises(ConfigError) as refused:
        check(early, data=DATA)

    text = "receives classes of gmm, whose number is found later; give every module a number"
    assert refused.value.problems == (f"config: modules.late: {text}",)
