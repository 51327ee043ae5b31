"""Neither scale nor offset of the data decides what is found, as far as float64 tells values apart."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import GROUPS

from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.data.dataset import load_datasets, load_sources
from mmcli.data.labels import make_labels
from mmcli.errors import DataError
from mmcli.modules import api as contract
from mmcli.modules.api import Inputs
from mmcli.modules.gmm.model import build as build_gmm
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.messages import Points, neutral
from mmcli.modules.spec import InputSpec, Kind, Port
from mmcli.modules.vae.model import build as build_vae
from mmcli.modules.vae.spec import VaeOptions
from mmcli.runs.metrics import evaluate

N, K, D = 240, 4, 3
CONFIG = """\
rounds: 2
data:
  points: {file: points.npz, key: points}
  kinds:  {file: points.npz, key: kinds}
modules:
  point: {type: observation, data: points}
  gmm:   {type: gmm, inputs: [point], num_classes: 4, sweeps: 15, chains: 2, labels: kinds}
"""
COUNTS = """\
data: {words: {file: points.npz, key: points}}
modules:
  word: {type: observation, data: words}
  mlda: {type: mlda, inputs: [word], num_classes: 4, WEIGHTS}
"""


def blobs(num_items=N):
    """Points (N, D) in K clusters far from each other, and which."""
    kinds = np.arange(num_items) % K
    centres = np.random.default_rng(99).normal(size=(K, D)) * 6
    return centres[kinds] + np.random.default_rng(0).normal(size=(num_items, D)) * 0.5, kinds


POINTS, KINDS = blobs()
WILD_CELL, WILD_ROW = POINTS.copy(), POINTS.copy()
WILD_CELL[7, 1], WILD_ROW[7] = 1e11, -1e6


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(points, config=CONFIG, **arrays):
    np.savez("points.npz", points=points, kinds=np.arange(len(points)) % K, **arrays)
    Path("x.yaml").write_text(config)
    read = load_config("x.yaml")
    return load_datasets(read, build_graph(read))


@pytest.fixture(scope="module")
def find():
    """Classes (N,) that a gmm finds in points, by its number of classes; compiled once for each."""
    updates = {}

    def classes(points, num_classes=K, seed=0):
        if num_classes not in updates:
            options = GmmOptions(num_classes=num_classes, sweeps=15, chains=2)
            module = build_gmm(options, (Port(Kind.POINTS, D),), "cavity")
            updates[num_classes] = module.init, jax.jit(lambda *args: contract.step(module, *args))
        init, update = updates[num_classes]
        rows = Points(jnp.asarray(load(points).observations["point"]), jnp.ones(N))
        inputs = Inputs.of((rows,), neutral(Port(Kind.CATEGORICAL, num_classes), N))
        _, outputs, _ = update(jax.random.key(seed), init(jax.random.key(1), inputs), inputs)
        return np.asarray(outputs.items["class"])

    return classes


@pytest.mark.parametrize(
    "points",
    [
        *(pytest.param(scale * POINTS, id=f"times {scale}") for scale in (1e-310, 1e-12, 1e-3, 1e12, 1e38, 1e200)),
        *(pytest.param(offset + POINTS, id=f"plus {offset}") for offset in (1e9, -1e12, 1e15)),
        pytest.param(1.7e9 + 3 * POINTS, id="seconds"),
        pytest.param((1.7e18 + 3e9 * POINTS).astype("i8"), id="nanoseconds"),
        pytest.param(POINTS * [1e6, 1e-3, 1], id="columns of other units"),
        pytest.param(np.round(10 * POINTS).astype("i4"), id="whole numbers"),
        pytest.param(POINTS.astype("f4") * np.float32(1e36), id="near the end of float32"),
    ],
)
def test_a_gmm_finds_the_same_at_any_scale_and_offset(find, points):
    assert evaluate(find(points), make_labels(KINDS)).acc == 1.0


def test_a_power_of_two_changes_no_class(find):
    np.testing.assert_array_equal(find(2.0**40 * POINTS), find(POINTS))


@pytest.mark.parametrize("points", [WILD_CELL, WILD_ROW], ids=["cell", "row"])
def test_an_outlier_costs_a_class_and_no_more(find, points):
    others = np.arange(N) != 7

    assert evaluate(find(points, K + 1)[others], make_labels(KINDS[others])).acc == 1.0


def test_columns_that_do_not_vary_change_no_class(find):
    points = np.column_stack([POINTS[:, :2], np.full(N, 1e9)])

    assert evaluate(find(points), make_labels(KINDS)).acc == 1.0
    assert load(points).notes == (
        "x.yaml:3:11: data.points: column 2 (from 0) is the same in every row, so nothing is learned from it",
    )


def test_what_float64_does_not_tell_apart_is_said_by_column():
    (note,) = load(POINTS * [20, 1, 1] + [1e17, 0, 0]).notes

    assert note.startswith("x.yaml:3:11: data.points: column 0 (from 0) is stored too coarsely: near 1e+17 the next")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((7, 1), 1e14, "1e+14 at row 7, column 1 (from 0); too far from the other values of its column for float32"),
        ((7, 1), 1e301, "1e+301 at row 7, column 1 (from 0); too large for float64; scale the array"),
        ((7, 1), np.inf, "inf at row 7, column 1 (from 0); too large for float64; scale the array"),
        ((7, 1), np.nan, "nan at row 7, column 1 (from 0); fill it, drop the item"),
    ],
)
def test_what_cannot_be_scaled_is_refused_by_row_and_column(place, value, said):
    points = POINTS.copy()
    points[place] = value

    with pytest.raises(DataError) as caught:
        load(points)
    assert said in str(caught.value)


def test_text_keeps_small_differences_of_large_numbers():
    Path("points.txt").write_text("".join(f"{1e6 + row / 1000:.3f} {row % 2}\n" for row in range(200)))
    config = CONFIG.replace("{file: points.npz, key: points}", "{file: points.txt}")

    rows = load(np.zeros(200), config).observations["point"][:, 0]

    np.testing.assert_allclose(np.diff(rows), np.diff(rows).mean(), rtol=1e-3)


def test_modules_that_take_values_as_they_are_get_them_so_beside_one_that_does_not():
    words = np.random.default_rng(0).integers(0, 9, (N, D))
    config = CONFIG + "  mlda: {type: mlda, inputs: [point, gmm], num_classes: 4}\n"

    rows = load(words, config).observations["point"]

    np.testing.assert_array_equal(rows.plain, words)
    np.testing.assert_allclose(rows.standard.std(0), 1, atol=0.05)


def test_a_run_older_than_units_gets_points_as_they_are():
    load(POINTS)
    config = load_config("x.yaml")

    datasets = load_sources(config.data, config.places, "data", build_graph(config), {"point": D}, {}, hold=True)

    np.testing.assert_array_equal(datasets.observations["point"], POINTS.astype(np.float32))
    assert datasets.units == {}


def test_points_that_stay_in_their_file_are_in_the_same_units():
    held = load(POINTS)
    config = load_config("x.yaml")

    streamed = load_sources(config.data, config.places, "data", build_graph(config), {"point": D}, held.units)

    rows = np.concatenate(list(streamed.observations["point"].blocks(7)))
    np.testing.assert_array_equal(rows, held.observations["point"])


def test_missing_rows_are_in_the_middle_and_move_no_unit():
    points = POINTS.copy()
    points[::3] = np.nan
    there = np.arange(N) % 3 > 0

    # An item has another sense where its point is missing.
    config = CONFIG.replace("key: points}", "key: points, missing: nan}\n  sounds: {file: points.npz, key: sounds}")
    config += "  sound: {type: observation, data: sounds}\n  vae: {type: vae, inputs: [sound], latent_dim: 2}\n"
    datasets = load(points, config, sounds=np.ones((N, 2)))

    np.testing.assert_array_equal(datasets.observations["point"][~there], 0)
    np.testing.assert_allclose(datasets.observations["point"][there].mean(0), 0, atol=0.05)


@pytest.fixture(scope="module")
def rebuild():
    """What a vae of Gaussian output makes of points, (N, D), in the units of the data."""
    options = VaeOptions(
        latent_dim=2, hidden_dim=16, epochs=60, batch_size=40, learning_rate=0.01, likelihood="gaussian"
    )
    module = build_vae(options, (Port(Kind.POINTS, D),), "cavity")
    update = jax.jit(lambda *args: contract.step(module, *args))
    config = CONFIG.replace("gmm:   {type: gmm, inputs: [point], num_classes: 4, sweeps: 15, chains: 2, labels: kinds}",
                            "vae: {type: vae, inputs: [point], latent_dim: 2, likelihood: gaussian}")  # fmt: skip

    def rebuilt(points):
        datasets = load(points, config)
        rows = Points(jnp.asarray(datasets.observations["point"]), jnp.ones(N))
        inputs = Inputs.of((rows,), neutral(Port(Kind.POINTS, 2), N))
        _, outputs, _ = update(jax.random.key(0), module.init(jax.random.key(1), inputs), inputs)
        return datasets.units["point"].restored(np.asarray(outputs.items["x_hat"]))

    return rebuilt


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-12, 0.0), (1e12, 0.0), (1.0, 1e9), (1e-3, 1.7e9)])
def test_a_gaussian_vae_rebuilds_as_well_at_any_scale_and_offset(rebuild, scale, offset):
    points = scale * POINTS + offset

    missed = (rebuild(points) - points).var(0) / points.var(0)

    assert (missed < 0.2).all()


@pytest.mark.parametrize(
    ("scale", "weights", "said"),
    [
        (1e-30, "weights: [40]", "sums to 3e-30, beyond what float32 can scale (1e-25 to 1e+35); scale the array"),
        (1e36, "weights: [40]", "sums to 3e+36, beyond what float32 can scale (1e-25 to 1e+35); scale the array"),
        (
            1e9,
            "weights: null",
            "sums to 3e+09, more words than float32 can weigh (1e+07); scale the array, or set modules",
        ),
    ],
)
def test_counts_that_float32_cannot_weigh_are_refused(scale, weights, said):
    words = np.ones((8, 3)) * scale

    with pytest.raises(DataError) as caught:
        load(words, COUNTS.replace("WEIGHTS", weights))
    assert f"points.npz: row 0 (from 0) {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("scale", "weights", "notes"),
    [
        (1e-6, "weights: [40]", []),
        (1e9, "weights: [40]", []),
        (1.0, "alpha: 1", []),
        (1e-6, "weights: null", ["rows sum to 3e-06 on average, less than a word an item: priors decide"]),
        (1e5, "weights: null", ["rows sum to 3e+05 on average: so many words freeze the search for classes"]),
    ],
)
def test_counts_whose_scale_decides_are_told(scale, weights, notes):
    found = load(np.ones((8, 3)) * scale, COUNTS.replace("WEIGHTS", weights)).notes

    assert found == tuple(f"x.yaml:1:15: data.words: {note}; set modules.mlda.weights" for note in notes)


def test_a_type_that_cannot_scale_counts_is_advised_what_works(register):
    register(dataclasses.replace(GROUPS, inputs=InputSpec((Kind.COUNTS,), maximum=1)))
    config = COUNTS.replace("type: mlda", "type: groups").replace("num_classes", "num_groups").replace(", WEIGHTS", "")

    with pytest.raises(DataError, match=r"more words than float32 can weigh \(1e\+07\); scale the array$"):
        load(np.ones((8, 3)) * 1e9, config)
    (note,) = load(np.ones((8, 3)) * 1e-6, config).notes
    assert note.endswith("less than a word an item: priors decide; scale the array")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on seconds since 1970, by the command line, and its folder."""
    folder = tmp_path_factory.mktemp("seconds")
    np.savez(folder / "points.npz", points=1.7e9 + 3 * POINTS, kinds=KINDS)
    (folder / "x.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "mmcli", "train", "x.yaml", "-o", "run", "--threads", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_a_run_directory_is_in_the_units_of_the_data(run):
    classes, means = np.loadtxt(run / "module001_gmm/class_learn.txt"), np.loadtxt(run / "module001_gmm/mu_learn.txt")
    names = np.loadtxt(run / "module001_gmm/name_learn.txt")

    assert np.loadtxt(run / "module001_gmm/acc_learn.txt") == 1.0
    np.testing.assert_array_equal(classes, KINDS)
    for name, mean in zip(names, means, strict=True):
        np.testing.assert_allclose(mean - 1.7e9, 3 * POINTS[name == KINDS].mean(0), atol=1.5)


def test_other_items_are_measured_by_the_units_of_training(run, command):
    points, kinds = 1.7e9 + 3 * POINTS[KINDS < 2], KINDS[KINDS < 2]  # their own centre and scale would be others
    np.savez("other.npz", points=points, kinds=kinds)

    done = command("evaluate", run, "--data", "other.npz", "-o", "out")

    assert done.out.startswith("gmm  ACC 1.000")


def test_what_is_made_is_in_the_units_of_the_data(run, command):
    assert (
        command("generate", run, "--to", "points", "--class", "2", "-n", "50", "--sample", "-o", "made.npz").code == 0
    )

    made = np.load("made.npz")["points"]
    assert made.dtype == np.float64
    np.testing.assert_allclose(made.mean(0) - 1.7e9, 3 * POINTS[KINDS == 2].mean(0), atol=3)


def test_damaged_units_are_a_damaged_run(run, command, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/module000_point/params.npz").unlink()

    assert command("evaluate", "run", "--data", run.parent / "points.npz").code == 4
