"""`mmcli compare --align`: classes of several runs matched to each other, and the runs it refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.metrics import adjusted_rand_score

from mmcli.runs.writer import RunDirectory

CONFIG = """\
seed: {seed}
rounds: 1
messages: cavity
checkpoint_every: 1
data:
  images: {{file: {file}, key: {key}}}
test: {{}}
modules:
  image: {{type: observation, data: {sense}}}
  {module}: {{type: gmm, inputs: [image], num_classes: 3}}
"""
CLASSES = np.repeat([0, 1, 2], 10)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a run of given classes, without training."""
    monkeypatch.chdir(tmp_path)

    def write(
        name: str,
        classes: np.ndarray | None = CLASSES,
        *,
        digest: str = "ab12",
        status: str = "finished",
        module: str = "gmm",
        sense: str = "images",
        key: str = "images",
    ) -> Path:
        run = RunDirectory.create(Path(name))
        file = str(tmp_path / "a.npz")
        text = CONFIG.format(seed=len(name), file=file, key=key, module=module, sense=sense)
        run.start(text.replace("  images:", f"  {sense}:"), {"seed": len(name), "data": {file: digest}})
        line = {"round": 1, "module": module, "acc": None, "ari": None, "nmi": None}
        run.append_history({**line, "bound": -1.0, "seconds": 1.5, "compile_seconds": 9.0})
        if classes is not None:
            run.write_arrays(f"module001_{module}", {"class": classes}, "learn")
        run.finish() if status == "finished" else run.stop()
        return run.path

    return write


def test_the_table(make, command):
    changed = CLASSES.copy()
    changed[:2] = 1
    ari = adjusted_rand_score(CLASSES, changed)

    done = command("compare", "--align", make("a"), make("b", 2 - CLASSES), make("c", changed))

    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "gmm: 3 runs of 30 items, * the reference of the classes\n"
        "    run  mean ARI  lowest  1       2       3\n"
        f"1*  a    {(1 + ari) / 2:.4f}    {ari:.4f}          1.0000  {ari:.4f}\n"
        f"2   b    {(1 + ari) / 2:.4f}    {ari:.4f}  1.0000          {ari:.4f}\n"
        f"3   c    {ari:.4f}    {ari:.4f}  {ari:.4f}  {ari:.4f}\n"
        "\n"
        "class  items  stability  lowest  unanimous  in 1  in 2  in 3\n"
        "0      10     0.9000     0.8000  0.8000     0     2     0\n"
        "1      10     1.0000     1.0000  1.0000     1     1     1\n"
        "2      10     1.0000     1.0000  1.0000     2     0     2\n"
    )


def test_csv_and_json_hold_the_same_in_full(make, command):
    paths = make("a"), make("b", np.where(CLASSES == 2, 1, CLASSES))

    record = json.loads(command("compare", "--align", *paths, "--json").out)
    rows = list(csv.DictReader(command("compare", "--align", *paths, "--csv").out.splitlines()))

    module = record["modules"]["gmm"]
    assert (record["runs"], record["items"], module["reference"]) == (["a", "b"], 30, "a")
    assert module["classes"][2] == {
        "class": 2,
        "items": 10,
        "stability": 0.0,
        "lowest": 0.0,
        "unanimous": 0.0,
        "matches": {"a": 2, "b": None},
    }
    (ari,) = (row for row in rows if row["measure"] == "ari")
    assert float(ari["value"]) == module["ari"][0][1] == module["mean_ari"][0]
    matches = {row["class"]: (row["other_class"], row["value"]) for row in rows if row["measure"] == "match"}
    assert matches == {"0": ("0", "1.0"), "1": ("1", "1.0"), "2": ("", "0.0")}
    assert [row["value"] for row in rows if row["measure"] == "stability"] == ["1.0", "1.0", "0.0"]


@pytest.mark.parametrize("name", ["classes.png", "classes.svg"])
def test_the_picture(make, command, name):
    done = command("compare", "--align", make("a"), make("b"), "--plot", name)

    assert done.code == 0
    if name.endswith("png"):
        assert imread(name).std() > 0
    else:
        assert "gmm: share of each class" in Path(name).read_text()


def test_runs_that_have_not_finished_are_left_out_and_named(make, command):
    done = command("compare", "--align", make("a"), make("b"), make("c", status="stopped"), "--json")

    assert (done.code, done.err) == (0, "left out, not finished: c\n")
    assert json.loads(done.out)["runs"] == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"digest": "cd34"}, "another array of images"),
        ({"key": "other"}, "another array of images"),
        ({"sense": "words"}, "no sense of the same name"),
        ({"classes": CLASSES[:-1]}, "29 items where that has 30"),
    ],
)
def test_runs_of_other_items_are_refused_in_one_line(make, command, changes, reason):
    done = command("compare", "--align", make("a"), make("b", **changes))

    assert (done.code, done.out) == (2, "")
    assert done.err == f"mmcli: error: --align: b is not of the items of a: {reason}; name runs of the same data\n"


def test_what_cannot_be_aligned_is_refused_in_one_line(make, command):
    runs = make("a"), make("b", status="stopped"), make("c", module="other"), make("d", None)

    assert command("compare", "--align", *runs[:2]).err == (
        "mmcli: error: --align matches two finished runs or more, and there is one; name others\n"
    )
    assert command("compare", "--align", runs[0], runs[2]).err == (
        "mmcli: error: --align: no module of one name finds classes in all of these runs; name runs of one config\n"
    )
    assert command("compare", "--align", runs[0], runs[3]).err == (
        "mmcli: error: --align: d: no module of this run finds classes\n"
    )
    assert command("compare", "--trust-code", runs[0]).err == (
        "mmcli: error: --trust-code needs --align; without it no type of module is imported\n"
    )
