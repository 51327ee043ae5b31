"""A vae of convolutions and a learned variance, from a config to pictures, prediction, and resuming."""

from pathlib import Path

import numpy as np
import pytest
from stopped import contents, stopped_in
from tiny import TINY, tiny_arrays

from mmcli import load_run

CONV = "encoder: {type: conv, channels: [8, 16], shape: [2, 6]}, likelihood: gaussian, variance: learned"
CONFIG = TINY.replace("hidden_dim: 8", CONV).replace("epochs: 200", "epochs: 100")
pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    np.savez(folder / "tiny.npz", **tiny_arrays())
    (folder / "conv.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def run(train_once):
    """The run of the config, trained by the first test that asks for it."""
    return train_once("conv.yaml")


def test_it_learns_and_predicts_with_the_classes_of_the_graph(run):
    images, rebuilt = tiny_arrays()["images"], np.loadtxt(run / "module002_vae" / "x_hat_learn.txt")
    with np.load(run / "module002_vae" / "params.npz") as params:
        variance, names = params["params.variance"], set(params)
    predicted = load_run(run).predict(images=images)["gmm"]

    assert np.loadtxt(run / "module003_gmm" / "acc_learn.txt") == 1
    np.testing.assert_array_equal(predicted.classes, np.loadtxt(run / "module003_gmm" / "class_learn.txt"))
    # The columns differ by class, and by noise of the same size: the variance is what is not rebuilt.
    assert np.square(images - rebuilt).mean() < 0.15 * images.var(0).mean()
    assert variance.shape == (12,)
    assert 0.005 < variance.mean() < 0.2
    assert {"params.encoder.0.kernel", "params.decoder.1.kernel", "params.output.kernel"} <= names


def test_rows_are_pictures_of_the_shape_that_the_config_gives(run, command):
    made = command("generate", run, "--to", "images", "--from", "words", "--data", "tiny.npz", "-o", "made.npz")
    report = command("report", run)

    assert (made.code, report.code) == (0, 0), (made.err, report.err)
    assert Path("made.png").exists()
    with np.load("made.npz") as arrays:
        shown = np.round(tiny_arrays()["images"])  # what the words tell apart
        assert np.mean(arrays["images"][shown == 1]) - np.mean(arrays["images"][shown == 0]) > 0.5
    assert "image, rebuilt by vae" in (run / "report" / "report.html").read_text()


def test_a_run_that_was_stopped_ends_like_one_that_never_was(run, command, monkeypatch):
    with stopped_in(monkeypatch, "vae"):
        assert command("train", "conv.yaml", "-o", "stopped").code == 130

    assert command("train", "conv.yaml", "-o", "stopped", "--resume").code == 0
    assert contents(Path("stopped")) == contents(run)


def test_a_plan_counts_the_parameters_and_another_shape_is_refused_by_its_place(command):
    planned = command("check", "conv.yaml", "--plan")
    Path("bad.yaml").write_text(CONFIG.replace("[2, 6]", "[2, 5]"))
    refused = command("check", "bad.yaml")

    # 1-8-16 channels and a code: 136 + 2,064 + 132, the way back: 96 + 2,056 + 129; and a variance of 12 columns.
    assert planned.out.split("vae     vae")[1].split()[1] == "4,625"
    assert refused.code == 2
    assert refused.err.startswith("bad.yaml:11:")
    assert "modules.vae.encoder.shape: 2 x 5 is 10 values, and the input has 12 columns" in refused.err
