"""A hidden Markov model, gmm and markov, from a config to prediction, generation, resuming and a child of its own."""

from pathlib import Path

import numpy as np
import pytest
from stopped import contents, stopped_in

from mmcli import load_run

LENGTHS = (60, 25, 35)
N, K = sum(LENGTHS), 3
CONFIG = """\
rounds: 2
data:
  points: {file: steps.npz, key: points}
  words:  {file: steps.npz, key: words}
  takes:  {file: steps.npz, key: takes}
  states: {file: steps.npz, key: states}
modules:
  point:  {type: observation, data: points}
  gmm:    {type: gmm, inputs: [point], num_classes: 3, sweeps: 10, chains: 2, message_weight: 1, labels: states}
  markov: {type: markov, inputs: [gmm], sequence: takes, sweeps: 10, labels: states}
"""
JOINED = """\
  word:   {type: observation, data: words}
  mlda:   {type: mlda, inputs: [word, markov], num_classes: 3, weights: [20, 20], sweeps: 10, labels: states}
"""
pytestmark = pytest.mark.usefixtures("here")


def steps():
    """Sequences of three states that follow each other in a circle, four rows each or more."""
    rng = np.random.default_rng(0)
    states = np.concatenate([np.cumsum(rng.random(length) < 0.25) % K for length in LENGTHS])
    return {
        "points": (3 * np.eye(K)[states] + rng.normal(size=(N, K))).astype(np.float32),
        "words": rng.poisson(5 * np.eye(K)[states] + 0.2),
        "takes": np.repeat([2, 0, 1], LENGTHS),
        "states": states,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("markov")
    np.savez(folder / "steps.npz", **steps())
    (folder / "x.yaml").write_text(CONFIG)
    (folder / "joined.yaml").write_text(CONFIG + JOINED)
    return folder


@pytest.fixture
def run(train_once):
    """The run of the config, trained by the first test that asks for it."""
    return train_once("x.yaml")


def test_the_run_directory_has_classes_and_parameters(run):
    module = run / "module002_markov"
    initial, transitions = np.loadtxt(module / "pi_learn.txt"), np.loadtxt(module / "A_learn.txt")
    learned, points = np.loadtxt(module / "acc_learn.txt"), np.loadtxt(run / "module001_gmm" / "acc_learn.txt")

    assert learned > 0.9
    assert points > 0.8
    np.testing.assert_allclose([initial.sum(), *transitions.sum(-1)], 1, atol=1e-4)
    # Each state stays, or goes on to one of the two others: the circle, however the gmm numbers its classes.
    assert (transitions.argmax(-1) == np.arange(K)).all()
    assert sorted((transitions - np.diag(np.diag(transitions))).argmax(-1)) == [0, 1, 2]
    with np.load(module / "params.npz") as state:
        assert np.isclose(state["initial"].sum(), K + len(LENGTHS))  # a pseudo-count of 1 for each state
        assert np.isclose(state["transitions"].sum(), K * K + N - len(LENGTHS), rtol=1e-4)


def smoothed(run, evidence, takes):
    """P(state | all evidence of its sequence), (N, K), of evidence (N, K): Rabiner (1989), eqs. 19 to 27."""
    module = run / "module002_markov"
    with np.load(module / "params.npz") as state:
        initial, transitions = (state[name] / state[name].sum(-1, keepdims=True) for name in ("initial", "transitions"))
        likelihoods = evidence / np.exp(state["log_prior"])
    found = np.zeros_like(likelihoods)
    for take in np.unique(takes):
        rows = likelihoods[takes == take]
        forward, backward = [initial * rows[0]], [np.ones(K)]
        for row in rows[1:]:
            forward.append(forward[-1] / forward[-1].sum() @ transitions * row)
        for row in rows[:0:-1]:
            after = transitions @ (row * backward[-1])
            backward.append(after / after.sum())
        found[takes == take] = np.array(forward) * backward[::-1]
    return found / found.sum(-1, keepdims=True)


def test_prediction_smooths_what_the_gmm_infers_and_other_sequences_give_other_states(run):
    trained, arrays = load_run(run), steps()
    predicted = trained.predict(points=arrays["points"], takes=arrays["takes"])
    scattered = trained.predict(points=arrays["points"], takes=np.arange(N))

    for found, takes in ((predicted, arrays["takes"]), (scattered, np.arange(N))):
        expected = smoothed(run, found["gmm"].probabilities, takes)
        np.testing.assert_allclose(found["markov"].probabilities, expected, atol=1e-4)
    accuracies = [np.mean(each["markov"].classes == arrays["states"]) for each in (predicted, scattered)]
    assert accuracies[0] > accuracies[1] - 0.02
    assert abs(scattered["markov"].probabilities - predicted["markov"].probabilities).max() > 0.1


def test_items_that_were_learned_are_predicted_alike_but_for_what_each_added_to_its_class(run):
    trained, arrays = load_run(run), steps()
    learned = [np.loadtxt(run / name / "Pdz_learn.txt") for name in ("module001_gmm", "module002_markov")]

    predicted = trained.predict(points=arrays["points"], takes=arrays["takes"])

    np.testing.assert_allclose(predicted["gmm"].probabilities, learned[0], atol=2e-3)
    # The message that the gmm sent in training left the item out.
    assert (np.abs(predicted["markov"].probabilities - learned[1]) < 0.02).mean() > 0.95
    assert np.mean(predicted["markov"].probabilities.argmax(1) == learned[1].argmax(1)) > 0.97


def test_points_of_a_state_are_generated(run):
    trained = load_run(run)

    made = np.array([trained.generate("points", of_class=state)[0] for state in range(K)])
    drawn = trained.generate("points", of_class=1, num_items=20, seed=0)

    np.testing.assert_array_equal(made.argmax(-1), np.arange(K))
    assert len(np.unique(drawn[:, 0])) == 20
    assert np.mean(drawn.argmax(-1) == 1) > 0.8


def test_a_run_that_was_stopped_ends_like_one_that_never_was(run, command, monkeypatch):
    with stopped_in(monkeypatch, "markov"):
        assert command("train", "x.yaml", "-o", "stopped").code == 130

    assert command("train", "x.yaml", "-o", "stopped", "--resume").code == 0
    assert contents(Path("stopped")) == contents(run)


def test_a_child_receives_the_states_and_sends_evidence_on_them(command):
    done = command("train", "joined.yaml", "-o", "joined")

    assert done.code == 0, done.err
    accuracies = [float(np.loadtxt(path)) for path in sorted(Path("joined").glob("module*/acc_learn.txt"))]
    assert len(accuracies) == 3
    assert min(accuracies) > 0.9
    arrays = steps()
    by_words = load_run("joined").predict(words=arrays["words"], takes=arrays["takes"])
    for name in ("gmm", "markov", "mlda"):  # evidence on every item comes down from the words alone
        assert np.mean(by_words[name].classes == arrays["states"]) > 0.85, name


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "inputs: [gmm]",
            "inputs: [gmm, word]",
            "bad.yaml:10:34: modules.markov.inputs: markov takes 1 input (got gmm, word)",
        ),
        (
            "inputs: [gmm]",
            "inputs: [point]",
            "10:35: modules.markov.inputs[0]: point (observation) sends points, counts, but markov takes categorical",
        ),
        (
            "takes, sweeps: 10",
            "takes, sweeps: 0",
            "bad.yaml:10:66: modules.markov.sweeps: must be a whole number, at least 1 (got 0)",
        ),
        ("takes, sweeps: 10", "takes, initial_prior: 0", "modules.markov.initial_prior: "),
        ("takes, sweeps: 10", "takes, parent_prior: flat", "modules.markov.parent_prior: "),
        ("takes, sweeps: 10", "takes, duration: explicit", "modules.markov.duration: unknown key"),
        ("num_classes: 3", "num_classes: auto", "whose number is found later; give every module a number"),
    ],
)
def test_configs_that_cannot_be(before, after, problem, command):
    Path("bad.yaml").write_text(CONFIG.replace(before, after))

    done = command("check", "bad.yaml")

    assert done.code == 2
    assert problem in done.err
    assert all(line.startswith("bad.yaml:") for line in done.err.splitlines())
