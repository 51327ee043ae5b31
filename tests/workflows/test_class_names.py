"""A run whose labels are names and numbers of any kind: the same classes in every command and every file."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmcli import load_run
from mmcli.errors import UsageError

CONFIG = """\
seed: 0
rounds: 1
data:
  points: {file: train.npz, key: points}
  kinds:  {file: train.npz, key: labels}
  signed: {file: train.npz, key: signed, known: there}
  there:  {file: train.npz, key: there}
test:
  points: {file: held.npz, key: points}
  kinds:  {file: held.npz, key: labels}
  signed: {file: held.npz, key: signed}
modules:
  point:  {type: observation, data: points}
  again:  {type: observation, data: points}
  by_name: {type: gmm, inputs: [point], num_classes: 4, sweeps: 5, chains: 2, labels: kinds}
  by_number: {type: gmm, inputs: [again], num_classes: 3, sweeps: 5, chains: 2, labels: signed}
"""
KINDS = np.arange(60) % 3
SIGNED = np.array([-1, 1, 2**62 + 1])
NAMES = np.array(["bird", "$cat_1", "犬"])


def points_of(kinds, seed):
    """Three clusters far from each other."""
    return 9 * np.array([[0, 0], [1, 0], [0, 1]])[kinds] + np.random.default_rng(seed).normal(size=(len(kinds), 2)) / 3


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """One real run for all tests."""
    folder = tmp_path_factory.mktemp("names")
    there = np.arange(60) % 10 > 0
    arrays = {"points": points_of(KINDS, 0), "signed": np.where(there, SIGNED[KINDS], 77), "there": there}
    np.savez(folder / "train.npz", **arrays, labels=KINDS, label_names=NAMES)
    (folder / "x.yaml").write_text(CONFIG)
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    # Not `-m mmcli`, which keeps such a variable from jax.
    train = [sys.executable, "-c", "from mmcli.cli.main import cli; cli()", "train", "x.yaml", "-o", "run"]
    done = subprocess.run(train, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "signed: 6 items of 60 without a label" in done.stderr
    return folder


@pytest.fixture
def run(learned, tmp_path, monkeypatch):
    """The run and its files, the test's own to write to."""
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "run" / "config.yaml"
    assert str(learned) in config.read_text()
    monkeypatch.chdir(tmp_path)
    return Path("run")


def hold_out(kinds, **arrays):
    """Items of some of the clusters, where the run's config has those held out and as a file of their own."""
    np.savez("held.npz", points=points_of(np.array(kinds), 1), **arrays)
    return ["--data", "held.npz"]


def test_classes_carry_the_numbers_of_their_labels(run):
    folder = run / "module003_by_number"
    numbers = [int(line) for line in (folder / "class_learn.txt").read_text().split()]

    assert numbers == SIGNED[KINDS].tolist()  # those without a label, too
    assert sorted(map(int, (folder / "name_learn.txt").read_text().split())) == SIGNED.tolist()
    assert (folder / "acc_learn.txt").read_text() == "1\n"


def test_classes_compare_by_name_with_a_file_that_lacks_a_class(command, run):
    data = hold_out([1, 2, 1, 2], labels=[0, 1, 0, 1], label_names=NAMES[1:], signed=SIGNED[[1, 2, 1, 2]])

    done = command("evaluate", run, *data)
    found = json.loads(command("evaluate", run, *data, "--json").out)["modules"]

    assert done.code == 0
    assert done.out.startswith("by_name  ACC 1.000 (1.000 with classes matched anew)  ARI 1.000  NMI 1.000\n")
    assert "labels of the run that no item has: bird\nclass \\ label  $cat_1      犬\n" in done.out
    assert found["by_name"]["acc"] == found["by_number"]["acc"] == 1
    assert found["by_name"]["class_names"] == found["by_name"]["label_names"] == NAMES[1:].tolist()
    assert found["by_name"]["absent_labels"] == ["bird"]
    assert found["by_number"]["classes"] == SIGNED[1:].tolist()
    assert (run / "module002_by_name/class_recog.txt").read_text() == "1\n2\n1\n2\n"  # as training numbered them


@pytest.mark.parametrize("labels", [NAMES[[1, 2, 0, 1]], np.array(["$cat_1", "犬", "", "$cat_1"])])
def test_names_as_text_are_the_same_names(command, run, labels):
    data = hold_out([1, 2, 0, 1], labels=labels)

    found = json.loads(command("evaluate", run, *data, "--json").out)["modules"]

    assert found["by_name"]["acc"] == 1
    assert found["by_name"]["num_unlabelled"] == int((labels == "").sum())


def test_a_label_that_training_did_not_know_is_never_right_and_is_told(command, run):
    # 2^62 + 2 is the number that a further class of by_number would have had; "3" is that of the fourth of by_name.
    data = hold_out([0, 1, 2, 2], labels=["bird", "$cat_1", "3", ""], signed=[-1.0, 1, 5, np.nan])

    done = command("evaluate", run, *data)
    found = json.loads(Path("run/evaluation_recog.json").read_text())["modules"]

    assert found["by_name"]["acc"] == found["by_number"]["acc"] == pytest.approx(2 / 3)
    assert found["by_name"]["acc_rematched"] == 1
    assert found["by_name"]["unknown_labels"] == {"3": 1}
    assert found["by_number"]["unknown_labels"] == {"5": 1}
    assert found["by_name"]["absent_labels"] == ["犬"]
    assert done.out.count("1 of 4 items without a label, left out\n") == 2
    assert "labels that the run did not learn with (and their items, none of them right): 3 (1)\n" in done.out


def test_labels_of_the_command_line_can_be_masked(command, run):
    data = hold_out([0, 1, 2, 2], labels=[0, 1, 2, 0], label_names=NAMES)
    np.save("sure.npy", [1, 1, 1, 0])

    found = [
        json.loads(command("evaluate", run, *data, *mask, "--json").out)["modules"]["by_name"]
        for mask in ([], ["--known", "kinds=sure.npy"])
    ]

    assert [(one["acc"], one["num_unlabelled"]) for one in found] == [(0.75, 0), (1, 1)]


def test_labels_none_of_which_is_there_measure_nothing(command, run):
    data = hold_out([0, 1], labels=["", ""])

    done = command("evaluate", run, *data)

    assert (done.code, done.out) == (0, "2 items, no labels to compare with; predictions are in run\n")


def test_numbers_against_names_are_refused(command, run):
    done = command("evaluate", run, *hold_out([0, 1], labels=[0, 1]))

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == (
        f"--data held.npz: data.kinds: {Path('held.npz').resolve()}: labels 0, 1 are none of bird, $cat_1, 犬; "
        "where one file names its labels (label_names, or text), the other has to"
    )
    assert not Path("run/evaluation_recog.json").exists()


def test_a_class_is_made_by_its_name(command, run):
    run_ = load_run(run)
    for name, texts in (("by_name", {*NAMES, "unmatched-3"}), ("by_number", set(map(str, SIGNED)))):
        assert set(run_.predict(points=points_of(KINDS, 2))[name].texts) == texts
    assert run_.class_names() == dict(zip(SIGNED.tolist(), map(str, SIGNED), strict=True))
    assert command("generate", run, "--to", "points", "--class", -1, "-o", "a.npz").code == 0

    with np.load("a.npz") as made:
        assert made["class"].tolist() == [-1]
        np.testing.assert_allclose(made["points"], [[0, 0]], atol=1)
    np.testing.assert_allclose(run_.generate("points", of_class=2**62 + 1), [[0, 9]], atol=1)
    with pytest.raises(UsageError, match=f"no class 77; by_number has -1, 1, {2**62 + 1}"):
        run_.generate("points", of_class=77)


def test_a_class_of_a_run_whose_last_labels_have_names(command, run, monkeypatch):
    monkeypatch.setattr("mmcli.workflows.trained_run.TrainedRun._last_classifier", lambda _: "by_name")

    assert command("generate", run, "--to", "points", "--class", "犬", "-o", "a.npz").code == 0
    assert command("generate", run, "--to", "points", "-o", "all.npz").code == 0
    wrong = command("generate", run, "--to", "points", "--class", "0", "-o", "b.npz")

    with np.load("a.npz") as made, np.load("all.npz") as every:
        assert (made["class"].tolist(), made["class_name"].tolist()) == ([2], ["犬"])
        assert every["class_name"].tolist() == [*NAMES, "unmatched-3"]
    assert (wrong.code, wrong.err.splitlines()[-1]) == (
        2,
        "mmcli: error: no class 0; by_name has bird, $cat_1, 犬, unmatched-3",
    )


def test_the_run_itself_and_its_report(command, learned, monkeypatch):
    monkeypatch.chdir(learned)

    done = command("evaluate", "run")
    report = command("report", "run")

    assert "by_number  ACC 1.000  ARI 1.000  NMI 1.000\n6 of 60 items without a label, left out\n" in done.out
    assert "class \\ label    bird $cat_1      犬\n" in done.out
    assert f"{2**62 + 1}" in done.out
    assert (report.code, report.out) == (0, "run/report/report.html\n")
    figure = Path("run/report/figures/confusion-by_name.svg").read_text()
    assert all(name in figure for name in NAMES)
    assert str(2**62 + 1) in Path("run/report/figures/confusion-by_number.svg").read_text()
    (agreement,) = Path("run/report/figures").glob("agreement-*.svg")
    assert all(name in agreement.read_text() for name in [*NAMES, str(2**62 + 1)])
    page = Path("run/report/report.html").read_text()
    assert "6 items without a label are left out" in page


def test_a_run_that_kept_no_labels_is_read_by_its_numbers(command, run):
    """As those of earlier versions are."""
    meta = json.loads((run / "meta.json").read_text())
    del meta["labels"]
    (run / "meta.json").write_text(json.dumps(meta))
    (run / "SHA256SUMS").write_text(_sums(run))
    data = hold_out([0, 1, 2, 2], signed=SIGNED[[0, 1, 2, 2]])

    found = json.loads(command("evaluate", run, *data, "--json").out)["modules"]

    assert found["by_number"]["acc"] == 1


def test_labels_in_meta_that_are_none_are_damage(command, run):
    meta = json.loads((run / "meta.json").read_text())
    meta["labels"]["kinds"] = {"numbers": ["x"], "names": None}
    (run / "meta.json").write_text(json.dumps(meta))
    (run / "SHA256SUMS").write_text(_sums(run))

    done = command("evaluate", run, *hold_out([0], labels=["bird"]))

    assert (done.code, done.out) == (4, "")
    assert "meta.json: damaged run: not the labels of a run" in done.err


def _sums(run):
    """What SHA256SUMS says of the files as they are."""
    names = [line.split("  ")[1] for line in (run / "SHA256SUMS").read_text().splitlines()]
    return "".join(f"{hashlib.sha256((run / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
