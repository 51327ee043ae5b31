"""Types whose rows are steps of sequences, from a config to prediction: no batch cuts a sequence."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from toy_models import filtered
from toys import CHAIN, ChainOptions

from mmcli import load_run
from mmcli.engine.predictor import BATCH, batch_bounds
from mmcli.errors import DataError
from mmcli.modules.registry import find_spec

LENGTHS = (1300, 7, 493, 200)
N = sum(LENGTHS)
CONFIG = """\
rounds: 1
data:
  points: {file: points.npz, key: points}
  takes:  {file: points.npz, key: takes}
modules:
  point: {type: observation, data: points}
  chain: {type: chain, inputs: [point], sequence: takes}
"""


@pytest.fixture(autouse=True)
def arrays(register, tmp_path, monkeypatch):
    register(CHAIN)
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text(CONFIG)
    arrays = {
        "points": np.random.default_rng(0).normal(size=(N, 1)),
        "takes": np.repeat([4, -1, 9, 2], LENGTHS),
    }
    np.savez("points.npz", **arrays)
    return arrays


@pytest.fixture
def run(command):
    done = command("train", "x.yaml", "-o", "run")
    assert done.code == 0, done.err
    return Path("run")


def unbatched(points, starts):
    """Probabilities (N, 2) of the classes, all rows at once."""
    values = jnp.asarray((points - points.mean()) / points.std(), jnp.float32)
    log_likelihood = -jnp.square(values - jnp.array([[-0.5, 0.5]])) / 2
    return np.exp(filtered(ChainOptions(), log_likelihood, jnp.asarray(starts)))


def starts_of(takes):
    return np.append(True, takes[1:] != takes[:-1])


def test_prediction_equals_the_unbatched_result(run, arrays, command):
    learned = np.loadtxt(run / "module001_chain" / "filtered_learn.txt")

    assert command("evaluate", run, "--data", "points.npz").code == 0

    predicted = np.loadtxt(run / "module001_chain" / "filtered_recog.txt")
    np.testing.assert_allclose(predicted, learned, atol=1e-6)
    # Units of the data are winsorized, so that the values are only about standard ones.
    np.testing.assert_allclose(learned, unbatched(arrays["points"], starts_of(arrays["takes"])), atol=0.05)
    assert abs(learned - unbatched(arrays["points"], np.arange(N) == 0)).max() > 0.05


def test_without_a_name_all_rows_are_one_sequence(arrays, command):
    Path("x.yaml").write_text(CONFIG.replace(", sequence: takes", ""))
    assert command("train", "x.yaml", "-o", "one").code == 0

    predicted = load_run("one").predict(points=arrays["points"])["chain"]

    learned = np.loadtxt("one/module001_chain/filtered_learn.txt")
    np.testing.assert_allclose(predicted.probabilities, learned, atol=1e-6)


def test_predict_takes_the_sequences_and_needs_them(run, arrays):
    trained = load_run(run)
    learned = np.loadtxt(run / "module001_chain" / "filtered_learn.txt")

    np.testing.assert_allclose(trained.predict(**arrays)["chain"].probabilities, learned, atol=1e-6)
    with pytest.raises(DataError, match=r"takes are left out, and modules\.chain needs the sequence of each row"):
        trained.predict(points=arrays["points"])


def test_generated_items_of_a_class_are_sequences_of_their_own(run):
    made = load_run(run).generate("points", of_class=1, num_items=3)

    np.testing.assert_array_equal(made, np.broadcast_to(made[:1], (3, 1)))


def test_a_resolved_config_keeps_the_sequence(run):
    assert "sequence: takes" in (run / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("lengths", "bounds"),
    [
        ([BATCH], [0, BATCH]),
        ([BATCH, 1], [0, BATCH, BATCH + 1]),
        ([1, BATCH], [0, 1, BATCH + 1]),
        ([1300, 7, 493, 200], [0, 1300, 1800, 2000]),
        ([3, 1300], [0, 3, 1303]),
        ([2 * BATCH + 1], [0, 2 * BATCH + 1]),
    ],
)
def test_batches_begin_where_sequences_do(lengths, bounds):
    starts = np.zeros(sum(lengths), bool)
    starts[np.cumsum([0, *lengths[:-1]])] = True

    assert batch_bounds(len(starts), [starts]) == bounds


def test_batches_of_independent_rows_are_of_one_size():
    assert batch_bounds(2 * BATCH + 5, []) == [0, BATCH, 2 * BATCH, 2 * BATCH + 5]


@pytest.mark.parametrize(
    ("takes", "problem"),
    [
        ([3, 3, 5, 3], "sequence 3 is resumed at row 3 (from 0); put the rows of a sequence together"),
        ([0, 0.5, 1, 1], "0.5 at row 1 (from 0); a sequence has a whole number"),
        ([0, 0, 1, np.nan], "nan at row 3 (from 0); a sequence has a whole number"),
        ([0, 0, 1], "3 rows, but data.points has 4; row t of every array must be item t"),
        (
            [[0, 1]] * 4,
            "2 dimensions (4, 2); numbers of sequences have 1: take the column that holds them, array",
        ),
    ],
)
def test_numbers_of_sequences_that_cannot_be(command, takes, problem):
    np.savez("points.npz", points=np.random.default_rng(0).normal(size=(4, 1)), takes=np.array(takes))

    done = command("check", "x.yaml")

    assert done.code == 2
    assert done.err.startswith("x.yaml:4:11: data.takes: ")
    assert problem in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("type: chain, inputs: [point]", "type: gmm, num_classes: 2, inputs: [point]", "rows that are independent"),
        (
            "sequence: takes",
            "sequence: take",
            'x.yaml:7:51: modules.chain.sequence: no data "take" (did you mean takes?)',
        ),
        (
            "takes:  {",
            "takes:  {missing: nan, ",
            "x.yaml:4:21: data.takes.missing: every row is of a sequence; remove it",
        ),
    ],
)
def test_configs_of_sequences_that_cannot_be(command, before, after, problem):
    Path("x.yaml").write_text(CONFIG.replace(before, after))

    done = command("check", "x.yaml")

    assert done.code == 2
    assert problem in done.err
    assert len(done.err.splitlines()) == 1


def test_modules_says_that_a_type_takes_sequences(command):
    assert "\nsequence: name of the data that number the sequence of each row" in command("modules", "chain").out
    assert "sequence:" not in command("modules", "gmm").out
    assert find_spec("chain").items == "sequence"


def test_prediction_of_text_data_names_the_sequences_left_out(run, command):
    np.save("other.npy", np.zeros((3, 1)))

    done = command("evaluate", run, "--data", "points=other.npy")

    assert done.code == 2
    assert "takes are left out, and modules.chain needs the sequence of each row; name them too" in done.err
    assert json.loads((run / "meta.json").read_text())["status"] == "finished"
