"""`mmcli export`: a program that jax or onnxruntime alone runs gives the probabilities that mmcli gives."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import mmcli
from mmcli.workflows import export

PROGRAM = """
import json, sys
import numpy as np
from jax import export
folder, given, found = sys.argv[1:]
description = json.load(open(folder + "/model.json"))
program = export.deserialize(bytearray(open(folder + "/model.stablehlo", "rb").read()))
with np.load(given) as arrays:
    results = program.call({one["name"]: arrays[one["name"]] for one in description["inputs"]})
assert not [name for name in sys.modules if name.startswith("mmcli")]
np.savez(found, **{one["name"]: results[one["name"]] for one in description["outputs"]})
"""
MODEL = """
import json, sys
import numpy as np
import onnxruntime
folder, given, found = sys.argv[1:]
description = json.load(open(folder + "/model.json"))
session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
for ours, theirs in zip(description["inputs"] + description["outputs"], session.get_inputs() + session.get_outputs()):
    assert (ours["name"], ours["shape"]) == (theirs.name, theirs.shape)
names = [one["name"] for one in description["outputs"]]
with np.load(given) as arrays:
    results = session.run(names, {one["name"]: arrays[one["name"]] for one in description["inputs"]})
assert not [name for name in sys.modules if name.startswith(("mmcli", "jax"))]
np.savez(found, **dict(zip(names, results)))
"""


def run_program(folder, senses, script=PROGRAM):
    """Results of an exported program in a process that does not import mmcli."""
    np.savez("given.npz", **senses)
    line = [sys.executable, "-c", script, str(folder), "given.npz", "found.npz"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load("found.npz") as found:
        return dict(found)


@pytest.fixture
def flatbuffers():
    pytest.importorskip("flatbuffers", reason="the extra `export` is not installed")


@pytest.fixture
def onnx():
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("flatbuffers")
def test_a_program_gives_the_probabilities_of_evaluate(trained, command):
    done = command("export", trained.run, "--to", "stablehlo", "--items", "60", "-o", "made")
    evaluated = command("evaluate", trained.run, "--data", trained.run.parents[1] / "tiny.npz", "-o", "there")
    assert (done.code, done.out, done.err, evaluated.code) == (0, "made\n", "", 0)

    with np.load(trained.run.parents[1] / "tiny.npz") as data:
        senses = {name: data[name].astype(np.float32) for name in ("images", "words")}
    found = run_program("made", senses)

    for name in ("gmm", "mlda"):
        (file,) = Path("there").glob(f"*_{name}/Pdz_recog.txt")
        np.testing.assert_allclose(found[name], np.loadtxt(file), atol=2e-5)
    description = json.loads(Path("made/model.json").read_text())
    assert [(one["name"], one["shape"]) for one in description["inputs"]] == [("images", [60, 12]), ("words", [60, 12])]
    assert [(one["name"], one["shape"], sorted(one["class_names"])) for one in description["outputs"]] == [
        (name, [60, 3], ["0", "1", "2"]) for name in ("gmm", "mlda")
    ]
    assert sorted(description["outputs"][1]["classes"]) == [0, 1, 2]


@pytest.mark.usefixtures("flatbuffers")
def test_missing_rows_are_nan(trained, command):
    command("export", trained.run, "--to", "stablehlo", "--items", "4", "-o", "made")
    with np.load(trained.run.parents[1] / "tiny.npz") as data:
        senses = {name: data[name][[0, 20, 40, 59]].astype(np.float32) for name in ("images", "words")}
    senses["images"][1] = np.nan
    senses["words"][2] = np.nan

    found = run_program("made", senses)

    for name, prediction in mmcli.load_run(trained.run).predict(**senses).items():
        np.testing.assert_allclose(found[name], prediction.probabilities, atol=2e-5)


@pytest.mark.usefixtures("onnx")
def test_a_model_of_onnx_gives_the_probabilities_of_predict_for_any_number_of_items(trained, command):
    done = command("export", trained.run, "--to", "onnx", "--items", "25", "-o", "made")  # and 60 of them
    assert (done.code, done.out, done.err) == (0, "made\n", "")
    with np.load(trained.run.parents[1] / "tiny.npz") as data:
        senses = {name: data[name].astype(np.float32) for name in ("images", "words")}
    senses["images"][::4] = np.nan
    senses["words"][1::4] = np.nan

    found = run_program("made", senses, MODEL)

    predicted = mmcli.load_run(trained.run).predict(**senses)
    assert sorted(found) == sorted(predicted) == ["gmm", "mlda"]
    for name, prediction in predicted.items():
        np.testing.assert_allclose(found[name], prediction.probabilities, atol=2e-5)
    description = json.loads(Path("made/model.json").read_text())
    assert description["format"] == "onnx, as onnxruntime.InferenceSession reads it"
    assert [one["shape"] for one in description["outputs"]] == [["items", 3], ["items", 3]]


@pytest.mark.usefixtures("flatbuffers")
def test_units_are_part_of_the_program(command):
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1], 20)
    points = (1e4 + rng.normal(10.0 * kinds[:, None], 1.0, (40, 3)) * [1.0, 10.0, 0.0]).astype(np.float32)
    config = {
        "rounds": 1,
        "modules": {
            "point": {"type": "observation", "data": "points"},
            "gmm": {"type": "gmm", "inputs": ["point"], "num_classes": 2, "sweeps": 5, "chains": 1},
        },
    }
    run = mmcli.train(config, data={"points": points}, output="run", progress=False)
    asked = points + rng.normal(0, 5, points.shape).astype(np.float32)  # between the classes, too

    done = command("export", "run", "--to", "stablehlo", "--items", "40")
    assert (done.out, done.err) == ("run-stablehlo\n", "")
    found = run_program("run-stablehlo", {"points": asked})

    expected = run.predict(points=asked)["gmm"].probabilities
    np.testing.assert_allclose(found["gmm"], expected, atol=1e-4)
    if find_spec("onnxruntime") is not None:
        assert command("export", "run", "--to", "onnx").out == "run-onnx\n"
        np.testing.assert_allclose(run_program("run-onnx", {"points": asked}, MODEL)["gmm"], expected, atol=1e-4)


def test_what_cannot_be_exported_is_one_line(trained, command):
    Path("there").mkdir()

    taken = command("export", trained.run, "--to", "stablehlo", "-o", "there")
    other = command("export", trained.run, "--to", "torch")
    absent = command("export", "elsewhere", "--to", "stablehlo")

    assert (taken.code, taken.err) == (
        2,
        "mmcli: error: there: exists already; remove it, or name another folder with -o\n",
    )
    choices = "'torch' is not one of 'stablehlo', 'onnx'."
    assert (other.code, other.err) == (
        2,
        f"mmcli: error: Invalid value for '--to': {choices} (see `mmcli export --help`)\n",
    )
    assert absent.code == 2
    assert not Path("elsewhere-stablehlo").exists()


def test_a_package_that_is_not_installed_is_one_line_and_nothing_is_made(trained, command, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    monkeypatch.delitem(sys.modules, "jax._src.export.serialization", raising=False)
    monkeypatch.delitem(sys.modules, "jax._src.export.serialization_generated", raising=False)

    done = command("export", trained.run, "--to", "stablehlo", "-o", "made")

    remedy = "mmcli export needs the package flatbuffers: pip install '.[export]' in the clone"
    assert (done.code, done.err) == (2, f"mmcli: error: {remedy}\n")
    assert not Path("made").exists()


def test_onnx_that_is_not_installed_is_one_line_and_nothing_is_made(trained, command, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "mmcli.engine.onnx_program", raising=False)
    monkeypatch.delitem(sys.modules, "mmcli.engine.onnx_graph", raising=False)

    done = command("export", trained.run, "--to", "onnx", "-o", "made")

    remedy = "--to onnx needs the package onnx: pip install '.[onnx]' in the clone"
    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {remedy}\n")
    assert not Path("made").exists()


def test_a_module_of_sequences_is_refused(trained, command, monkeypatch):
    run = mmcli.load_run(trained.run)
    monkeypatch.setattr(export, "load_run", lambda *_places, **_options: run)
    monkeypatch.setattr(type(run.graph), "sequences", {"chain": None})
    sequences = command("export", "run", "--to", "stablehlo")
    monkeypatch.undo()

    assert sequences.err.startswith("mmcli: error: chain: a module of sequences; models whose items are independent")
