"""`mmcli evaluate`: what it prints and writes, and what it refuses."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


def test_evaluate_prints_metrics_and_confusion(train, command):
    train()

    done = command("evaluate", "runs/tiny-s0-001")

    table = (
        "ACC 0.750  ARI 0.418  NMI 0.488\n"
        "class \\ label   0  1  2\n"
        "            0  15  .  5\n"
        "            1   5 15  .\n"
        "            2   .  5 15\n"
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == f"gmm  {table}\nmlda  {table}"


def test_evaluate_json_prints_what_it_writes(train, command):
    train()

    done = command("evaluate", "runs/tiny-s0-001", "--json")

    assert done.out.count("\n") == 1
    evaluation = json.loads(done.out)
    assert json.loads(Path("runs/tiny-s0-001/evaluation.json").read_text()) == evaluation
    assert list(evaluation["modules"]) == ["gmm", "mlda"]
    assert evaluation["modules"]["gmm"]["acc"] == 0.75
    assert evaluation["modules"]["gmm"]["confusion"] == [[15, 0, 5], [5, 15, 0], [0, 5, 15]]
    for folder in ("module003_gmm", "module004_mlda"):
        assert Path("runs/tiny-s0-001", folder, "confusion.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_evaluate_refuses_data_that_the_run_did_not_learn_from(train, command, tiny_config):
    train()
    data = tiny_config.parent / "tiny.npz"
    with np.load(data) as arrays:
        changed = {name: arrays[name] for name in arrays}
    changed["labels"][0] = 2
    np.savez(data, **changed)

    done = command("evaluate", "runs/tiny-s0-001")

    assert (done.code, done.out, done.err) == (
        2,
        "",
        f"{data}: not the file that runs/tiny-s0-001 learned from (SHA-256 differs); bring it back\n",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("config.yaml", "its SHA-256 differs from the recorded one"),
        ("meta.json", "Expecting value: line 1 column 1 (char 0)"),
        ("module003_gmm/class_learn.txt", "its SHA-256 differs from the recorded one"),
    ],
)
def test_a_damaged_run_gives_exit_code_4(train, command, name, reason):
    train()
    Path("runs/tiny-s0-001", name).write_text("mud")

    done = command("evaluate", "runs/tiny-s0-001")

    assert (done.code, done.out) == (4, "")
    assert done.err.startswith(f"mmcli: error: runs/tiny-s0-001/{name}: damaged run: {reason}")
    assert done.err.count("\n") == 1


def test_measures_by_own_inputs_alone_are_those_of_the_forward_message(trained, tmp_path, command):
    run = shutil.copytree(trained.run, tmp_path / "run")
    folder = run / "module003_gmm"
    # The probabilities that a GMM reports are its forward message, in the order of its own classes.
    own = np.loadtxt(folder / "Pdz_learn.txt").argmax(1)
    labels = np.load(trained.run.parents[1] / "tiny.npz")["labels"]
    expected = {
        "own_acc": np.mean(np.loadtxt(folder / "name_learn.txt", dtype=int)[own] == labels),
        "own_ari": adjusted_rand_score(labels, own),
        "own_nmi": normalized_mutual_info_score(labels, own),
    }

    modules = json.loads(command("evaluate", run, "--json").out)["modules"]
    table = command("evaluate", run).out

    last = {line["module"]: line for line in map(json.loads, (run / "history.jsonl").read_text().splitlines())}
    for measure, value in expected.items():
        assert modules["gmm"][measure] == last["gmm"][measure] == pytest.approx(value)
        assert modules["mlda"][measure] == last["mlda"][measure] == last["mlda"][measure.removeprefix("own_")]
    assert last["vae"]["own_acc"] is None
    assert re.findall("^ *own.*", table, re.MULTILINE) == [
        "own  ACC {own_acc:.3f}  ARI {own_ari:.3f}  NMI {own_nmi:.3f}".format(**expected)
    ]


def test_a_run_without_measures_by_own_inputs_is_evaluated_all_the_same(train, command):
    train()  # the stand-in for learning gives none for the gmm

    modules = json.loads(command("evaluate", "runs/tiny-s0-001", "--json").out)["modules"]

    assert (modules["gmm"]["own_acc"], modules["mlda"]["own_acc"]) == (None, 0.75)
