"""Spatial concepts, a mixture over position, image and words, from the shipped config to prediction and resuming."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from mixture import write
from stopped import contents, stopped_in

from mmcli import load_run

CONFIG = Path(__file__).parents[2] / "configs" / "spatial_concepts.yaml"
SMALL = (
    "--set",
    "modules.concept.sweeps=30",
    "--set",
    "modules.concept.restarts=2",
    "--set",
    "modules.concept.num_classes={max: 9}",
)
RUN = Path("run")
pytestmark = pytest.mark.usefixtures("here")
SENSES = ("position", "image", "words")
MANY = """\
rounds: 2
search: {starts: 1}
data:
  points: {file: data/spatial_concepts/train.npz, key: position}
  image:  {file: data/spatial_concepts/train.npz, key: image}
  words:  {file: data/spatial_concepts/train.npz, key: words}
  places: {file: data/spatial_concepts/train.npz, key: places}
modules:
  point:   {type: observation, data: points}
  gmm:     {type: gmm, inputs: [point], num_classes: 6, sweeps: 10, chains: 2, message_weight: 1}
  image:   {type: observation, data: image, kind: counts}
  concept: {type: mixture, inputs: [image, gmm], num_classes: 6, sweeps: 20, restarts: 2, labels: places}
  word:    {type: observation, data: words}
  mlda:    {type: mlda, inputs: [word, concept], num_classes: 6, sweeps: 10, restarts: 2}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    write(folder / "data" / "spatial_concepts", num_items=240)
    (folder / "configs").mkdir()
    shutil.copy(CONFIG, folder / "configs")
    (folder / "many.yaml").write_text(MANY)
    return folder


@pytest.fixture
def run(command):
    """The run of the shipped config, trained by the first test that asks for it."""
    if not RUN.exists():
        done = command("train", "configs/spatial_concepts.yaml", *SMALL, "-o", RUN)
        assert done.code == 0, done.err
        assert "without an item" not in done.err  # classes that were not needed are no sign of a bad run
    return RUN


def arrays(name="train"):
    with np.load(f"data/spatial_concepts/{name}.npz") as data:
        return dict(data)


def test_the_shipped_config_finds_the_places_and_their_number(run):
    concept = run / "module003_concept"
    classes = np.loadtxt(concept / "class_learn.txt")
    shares = np.loadtxt(concept / "pi_learn.txt")

    assert np.loadtxt(concept / "acc_learn.txt") > 0.85
    assert 5 <= len(np.unique(classes)) <= 7
    assert shares.sum() == pytest.approx(1, abs=1e-4)
    assert np.sort(shares)[:2].max() < 0.01
    np.testing.assert_allclose(np.loadtxt(concept / "mean1_learn.txt").sum(-1), 1, atol=1e-4)
    # Centres are in the units of the data: those of a place are the mean of its positions.
    data, centres = arrays(), np.loadtxt(concept / "mu_learn.txt")
    own = np.loadtxt(concept / "Pdz_learn.txt").argmax(-1)
    largest = np.bincount(own).argmax()
    there = (own == largest) & (data["has_position"] > 0)
    np.testing.assert_allclose(centres[largest], data["position"][there].mean(0), atol=0.3)


def test_prediction_is_what_was_learned_and_does_with_any_input(run):
    trained, data = load_run(run), arrays()
    learned = np.loadtxt(run / "module003_concept" / "Pdz_learn.txt")
    names = {"position": "positions", "image": "images", "words": "words"}
    whole = np.logical_and.reduce([data[f"has_{name}"] > 0 for name in SENSES])
    senses = {names[name]: data[name][whole] for name in SENSES}

    predicted = trained.predict(**senses)["concept"]

    np.testing.assert_allclose(predicted.probabilities, learned[whole], atol=2e-3)
    for left_out in senses:
        others = {name: rows for name, rows in senses.items() if name != left_out}
        found = trained.predict(**others)["concept"].classes
        assert np.mean(found == predicted.classes) > 0.6, left_out


def test_a_model_of_onnx_finds_the_same_places(run, command):
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    done = command("export", run, "--to", "onnx", "--items", "32", "-o", "onnx")
    assert done.err == ""
    session = runtime.InferenceSession("onnx/model.onnx", providers=["CPUExecutionProvider"])
    names = {"positions": "position", "images": "image", "words": "words"}
    senses = {name: arrays()[key][:100].astype(np.float32) for name, key in names.items()}
    for place, rows in enumerate(senses.values()):
        rows[place::4] = np.nan

    (found,) = session.run(["concept"], senses)

    np.testing.assert_allclose(found, load_run(run).predict(**senses)["concept"].probabilities, atol=2e-5)


def test_every_input_is_generated_from_a_class(run):
    trained, data = load_run(run), arrays()
    classes = np.loadtxt(run / "module003_concept" / "class_learn.txt").astype(int)
    number = np.bincount(classes).argmax()
    own = classes == number

    position = trained.generate("positions", of_class=number)[0]
    image = trained.generate("images", of_class=number)[0]
    words = trained.generate("words", of_class=number)[0]
    drawn = trained.generate("positions", of_class=number, num_items=300, seed=0)

    np.testing.assert_allclose(position, data["position"][own & (data["has_position"] > 0)].mean(0), atol=0.3)
    counted = data["image"][own & (data["has_image"] > 0)].sum(0)
    np.testing.assert_allclose(image / image.sum(), counted / counted.sum(), atol=0.05)
    assert words.argmax() == data["words"][own & (data["has_words"] > 0)].sum(0).argmax()
    np.testing.assert_allclose(drawn.mean(0), position, atol=0.5)
    assert drawn.std(0).min() > 0.2


def test_a_run_that_was_stopped_ends_like_one_that_never_was(run, command, monkeypatch):
    with stopped_in(monkeypatch, "concept"):
        assert command("train", "configs/spatial_concepts.yaml", *SMALL, "-o", "stopped").code == 130

    assert command("train", "configs/spatial_concepts.yaml", *SMALL, "-o", "stopped", "--resume").code == 0
    assert contents(Path("stopped")) == contents(run)


def test_a_mixture_learns_between_a_gmm_and_an_mlda(command):
    done = command("train", "many.yaml", "-o", "many")

    assert done.code == 0, done.err
    assert np.loadtxt("many/module003_concept/acc_learn.txt") > 0.8


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "data: words, kind: counts",
            "data: words",
            "word may be points or counts, and mixture takes both; give modules.word one: kind: counts",
        ),
        ("kind: points", "kind: pixels", "modules.position.kind: must be "),
        ("{max: 20}", "{max: 1}", "modules.concept.num_classes"),
        ("{max: 20}", "auto", "modules.concept.num_classes: must be "),
        ("{max: 20}", "{max: 20}, input_weights: [1, 1]", "modules.concept.input_weights: one per input: 3, not 2"),
        ("{max: 20}", "{max: 20}, covariance: tied", "modules.concept.covariance: must be "),
        ("{max: 20}", "{max: 20}, concentration: 0", "modules.concept.concentration: "),
        ("{max: 20}", "{max: 20}, restart: 3", "modules.concept.restart: unknown key (did you mean restarts?)"),
    ],
)
def test_configs_that_cannot_be(before, after, problem, command):
    text = CONFIG.read_text()
    assert before in text
    Path("configs/bad.yaml").write_text(text.replace(before, after))

    done = command("check", "configs/bad.yaml")

    assert done.code == 2
    assert problem in done.err
    assert all(line.startswith("configs/bad.yaml:") for line in done.err.splitlines())


def test_an_observation_of_counts_is_no_input_of_a_gmm(command):
    Path("bad.yaml").write_text(MANY.replace("data: points}", "data: points, kind: counts}"))

    done = command("check", "bad.yaml")

    assert done.code == 2
    assert "point (observation) sends counts, but gmm takes points" in done.err
