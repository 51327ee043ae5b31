"""Supervised types, from a config to prediction: they learn from their targets and predict without them."""

from pathlib import Path

import numpy as np
import pytest
from toys import LINEAR

from mmcli import load_run
from mmcli.errors import UsageError

N = 40
WEIGHTS = np.array([[2.0, -1.0], [0.5, 3.0], [-1.5, 0.25]])
CONFIG = """\
rounds: 1
data:
  points: {file: points.npz, key: points}
  wanted: {file: points.npz, key: wanted, missing: nan}
modules:
  point:  {type: observation, data: points}
  want:   {type: observation, data: wanted}
  linear: {type: linear, inputs: [point], targets: [want]}
"""


@pytest.fixture(autouse=True)
def arrays(register, tmp_path, monkeypatch):
    register(LINEAR)
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text(CONFIG)
    points = np.random.default_rng(0).normal(size=(N, 3))
    points = (points - points.mean(0)) / points.std(0)
    arrays = {"points": points, "wanted": points @ WEIGHTS}
    np.savez("points.npz", points=points, wanted=np.where(np.arange(N)[:, None] < 5, np.nan, arrays["wanted"]))
    return arrays


@pytest.fixture
def run(command):
    done = command("train", "x.yaml", "-o", "run")
    assert done.code == 0, done.err
    return Path("run")


def test_targets_are_learned_and_missing_ones_left_out(run, arrays):
    learned = np.loadtxt(run / "module002_linear" / "predicted_learn.txt")

    # Units are winsorized, which moves points a little; zeros for 5 of 40 targets would move predictions by far more.
    np.testing.assert_allclose(learned, arrays["wanted"], atol=0.06)


def test_prediction_does_without_the_targets(run, arrays, command):
    learned = np.loadtxt(run / "module002_linear" / "predicted_learn.txt")
    np.savez("without.npz", points=arrays["points"])
    np.savez("wrong.npz", points=arrays["points"], wanted=np.full((N, 7), 1e30))

    for file in ("without.npz", "wrong.npz"):  # the second is not even read
        assert command("evaluate", run, "--data", file).code == 0
        np.testing.assert_allclose(np.loadtxt(run / "module002_linear" / "predicted_recog.txt"), learned, atol=1e-5)


def test_the_report_draws_the_targets(run, command):
    page = Path(command("report", run).out.strip()).read_text()

    assert "Messages go from point to linear (3 points), want to linear (target, 2 points)." in page
    assert "A dashed arrow from a target has no other beside it." in page


def test_a_target_is_no_sense(run, arrays):
    trained = load_run(run)

    for ask in (
        lambda: trained.predict(wanted=arrays["wanted"]),
        lambda: trained.generate("wanted", points=[[0, 0, 0]]),
    ):
        with pytest.raises(UsageError, match="no sense wanted"):
            ask()


def test_an_item_with_nothing_but_a_target_is_refused(arrays, command):
    points = arrays["points"]
    points[7] = np.nan
    np.savez("points.npz", points=points, wanted=arrays["wanted"])
    Path("x.yaml").write_text(CONFIG.replace("key: points}", "key: points, missing: nan}"))

    done = command("check", "x.yaml")

    assert done.code == 2
    assert "item 7 (from 0) has none of its senses" in done.err


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            ", targets: [want]",
            "",
            "x.yaml:8:11: modules.linear.targets: linear takes 1 target: observations of points (got none)",
        ),
        (
            "targets: [want]",
            "targets: [wont]",
            "x.yaml:8:53: modules.linear.targets[0]: no observation wont (did you mean want?)",
        ),
        (
            "targets: [want]",
            "targets: [point]",
            "x.yaml:8:53: modules.linear.targets[0]: point is given already; remove one",
        ),
        (
            "targets: [want]",
            "targets: [want, point]",
            "x.yaml:8:52: modules.linear.targets: linear takes 1 target: observations of points (got want, point)",
        ),
        (
            "type: linear, inputs: [point]",
            "type: gmm, num_classes: 2, inputs: [point]",
            "x.yaml:8:65: modules.linear.targets: gmm is not supervised; remove it",
        ),
    ],
)
def test_targets_that_cannot_be(command, before, after, problem):
    Path("x.yaml").write_text(CONFIG.replace(before, after))

    done = command("check", "x.yaml")

    assert done.code == 2
    assert problem in done.err.splitlines()


def test_modules_says_that_a_type_takes_targets(command):
    assert "\ntargets: names of 1 observation, of points\n" in command("modules", "linear").out
    assert "targets:" not in command("modules", "gmm").out


def test_check_names_the_targets(command):
    assert "target want (points, 2 columns)" in command("check", "x.yaml").out
