"""`mmcli data show`: what a file holds, in a table, as JSON and as a picture."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csr_array

from mmcli.ingest.contents import Holding, describe
from mmcli.ingest.panels import make_panels
from mmcli.modules.registry import find_spec
from mmcli.modules.spec import Options

RATES = "0 or more: gmm, mlda, mixture, vae with likelihood: gaussian"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An array of each kind, of four items."""
    monkeypatch.chdir(tmp_path)
    images = np.zeros((4, 16), np.float32)
    images[2:, 5] = 0.5
    missing = np.ones((4, 2)) * 3
    missing[1] = np.nan
    np.savez(
        "all.npz",
        images=images,
        speech=np.array([[0, 3], [1, 0], [2, 2], [0, 0]], np.uint8),
        rates=np.array([[0.5, 3], [1, 0], [2, 2], [0, 0]]),
        points=np.array([[-0.5, 3], [1, 0], [2, 2], [0, 0]]),
        missing=missing,
        holes=np.array([[np.nan, 1], [1, 0], [2, 2], [0, 0]]),
        endless=np.array([[np.inf, 1], [1, 0], [2, 2], [0, 0]]),
        cube=np.zeros((4, 2, 2)),
        column=np.array([0.25, 1, 2, 3]),
        labels=np.array([1, 0, 1, 1]),
        spoken=np.array([1, 0, 1, 1]),
        label_names=np.array(["ant", "bee"]),
        paths=np.array(["a", "b", "c", "d"]),
        objects=np.array([{}, 1, 2, 3], dtype=object),
        nothing=np.zeros((0, 3)),
        alone=np.array(7),
        hac_lags=np.array([5, 2]),
    )
    return tmp_path / "all.npz"


OBJECTS = "holds Python objects, which mmcli never unpickles; save numbers, or text by array.astype(str)"


@pytest.mark.usefixtures("file")
def test_arrays_and_labels_in_a_table(command):
    done = command("data", "show", "all.npz")

    assert done.code == 0
    assert done.err == ""
    assert done.out.splitlines() == [
        "array        shape      type     range      zeros",
        "images       4 x 16     float32  0 to 0.5   96.9%   0 to 1: vae, gmm, mlda, mixture",
        "speech       4 x 2      uint8    0 to 3     50.0%   counts: mlda",
        f"rates        4 x 2      float64  0 to 3     37.5%   {RATES}",
        "points       4 x 2      float64  -0.5 to 3  37.5%   real values: gmm, mixture, vae with likelihood: gaussian",
        "missing      4 x 2      float64  3          0.0%    counts: mlda; 1 row of NaN (missing: nan)",
        "holes        4 x 2      float64  0 to 2     37.5%   NaN in some columns of 1 row; fill it, or drop the items",
        "endless      4 x 2      float64  0 to 2     37.5%   holds infinity; mend it",
        "cube         4 x 2 x 2  float64  0          100.0%  more than 2 dimensions; reshape(len(array), -1)",
        "column       4          float64  0.25 to 3          numbers; reshape(-1, 1) makes them a column",
        "labels       4          int64    0 to 1             labels, or a mask of rows (known)",
        "spoken       4          int64    0 to 1             labels, or a mask of rows (known)",
        "label_names  2          text                        of the whole file",
        "paths        4          text                        text, for the record",
        f"objects{' ' * 45}{OBJECTS}",
        "nothing      0 x 3      float64                     empty",
        "alone        one        int64    7                  a single number",
        "hac_lags     2          int64    2 to 5             of the whole file",
        "",
        "labels: 2 labels (and their items): ant (1), bee (3)",
        "",
        "spoken: 2 labels (and their items): 0 (1), 1 (3)",
    ]


@pytest.mark.usefixtures("file")
def test_the_same_as_json(command):
    record = json.loads(command("data", "show", "all.npz", "--json").out)

    assert record["file"] == "all.npz"
    assert record["labels"] == {"labels": {"ant": 1, "bee": 3}, "spoken": {"0": 1, "1": 3}}
    assert record["arrays"]["speech"] == {
        "shape": [4, 2],
        "dtype": "uint8",
        "low": 0.0,
        "high": 3.0,
        "zeros": 0.5,
        "meaning": "counts: mlda",
    }
    assert record["arrays"]["objects"]["shape"] is None


def test_tables_without_names(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("data.txt", [[1, 2], [3, 4], [0, 1]], fmt="%d")
    Path("table.csv").write_text("x,labels\n0.5,2\n0.25,2\n")

    assert (
        command("data", "show", "data.txt").out.splitlines()[1] == "(one)  3 x 2  float32  0 to 4  16.7%  counts: mlda"
    )
    assert command("data", "show", "table.csv").out.splitlines()[1:] == [
        "(one)   2 x 1  float32  0.25 to 0.5  0.0%   0 to 1: vae, gmm, mlda, mixture",
        "labels  2      float32  2                   labels",
        "",
        "labels: 1 label (and their items): 2 (2)",
    ]


def test_the_picture_shows_images_and_means_of_each_class(command, file):
    done = command("data", "show", "all.npz", "--plot", "all.png")

    assert done.code == 0
    with Image.open("all.png") as picture:
        picture.load()
        assert picture.width > 1200  # of the wider of the two, the spectra
    with np.load(file) as arrays:
        panels = {
            panel.name: panel
            for panel in make_panels({name: arrays[name] for name in ("images", "speech", "labels", "label_names")})
        }
    ant, bee = panels["images"].strips
    assert (ant.name, bee.name) == panels["speech"].rows == ("ant", "bee")
    assert (ant.pictures.shape, bee.pictures.shape) == ((1, 4, 4), (3, 4, 4))
    assert bee.pictures[:, 1, 1].tolist() == [0, 0.5, 0.5]
    np.testing.assert_allclose(panels["speech"].values, np.sqrt([[1, 0], [2 / 3, 5 / 3]]))
    assert panels["speech"].unit == "square root of the mean"


def test_images_without_labels_fill_rows_and_values_below_zero_have_no_root():
    images, points = make_panels({"images": np.ones((20, 16)), "points": np.array([[-1.0, 3.0], [0.0, 1.0]])})

    assert [len(strip.pictures) for strip in images.strips] == [16, 4]
    assert [strip.name for strip in images.strips] == ["", ""]
    np.testing.assert_array_equal(points.values, [[-0.5, 2.0]])
    assert points.unit == "mean"


def test_a_type_is_named_by_what_its_spec_says(register):
    class Narrow(Options):
        scale: Literal["unit", "byte"] = "unit"

    gmm = find_spec("gmm")
    inputs = dataclasses.replace(gmm.inputs, bounds=lambda options: (0, 1) if options.scale == "unit" else (0, 255))
    register(dataclasses.replace(gmm, name="narrow", options=Narrow, inputs=inputs))

    assert describe("", np.array([[0.5, 1]])).meaning == "0 to 1: vae, gmm, mlda, mixture, narrow"
    assert describe("", np.array([[0.5, 2]])).meaning == (f"{RATES}, narrow with scale: byte")
    assert describe("", np.array([[-0.5, 2]])).meaning == "real values: gmm, mixture, vae with likelihood: gaussian"


def test_hac_features_are_drawn_by_stream_and_lag_and_images_in_color():
    arrays = {
        "speech": np.ones((3, 24)),
        "hac_lags": np.array([5, 2]),
        "hac_mfcc": np.zeros((2, 13)),
        "images": np.ones((3, 18)),
        "image_shape": np.array([2, 3, 3]),
    }

    speech, images = make_panels(arrays)

    streams = ("mfcc", "delta", "delta-delta")
    assert speech.blocks == tuple(f"{stream}, lag {lag}" for stream in streams for lag in (5, 2))
    assert speech.rows == ("",)
    assert images.strips[0].pictures.shape == (3, 2, 3, 3)


def test_recordings_are_drawn_by_length_and_loudness_of_each_speaker():
    arrays = {
        "a_speech_seconds": np.array([0.5, 1.0, 2.0], np.float32),
        "a_speech_decibels": np.array([-30.0, -20.0, -25.0], np.float32),
        "a_speakers": np.array(["ben", "anna", "ben"]),
    }

    [panel] = make_panels(arrays)

    assert panel.title == "3 recordings of 2 speakers: 0.50 to 2.00 s, 0.1 min in all, -30 to -20 dB"
    assert panel.name == "a_recordings"
    assert panel.names == {0: "anna", 1: "ben"}
    np.testing.assert_array_equal(panel.groups, [0, 1, 1])
    np.testing.assert_array_equal(panel.points, [[1, -20], [0.5, -30], [2, -25]])

    [panel] = make_panels(arrays | {"a_speakers": np.array(["ben"]), "labels": np.array([7, 7, 8])})

    assert panel.title.startswith("3 recordings: 0.50 to")
    assert panel.note == "By label; the name stands at the median."
    assert panel.names == {0: "7", 1: "8"}
    assert make_panels({name: arrays[name] for name in ("a_speech_seconds", "a_speakers")}) == []


def test_speakers_are_counted_and_drawn(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(
        "sounds.npz",
        speech_seconds=np.array([0.5, 1.0]),
        speech_decibels=np.array([-30.0, -20.0]),
        speakers=np.array(["ben", "ben"]),
    )

    done = command("data", "show", "sounds.npz", "--plot", "out.png")

    assert done.code == 0, done.err
    assert "length (s) of each recording, for the record" in done.out
    assert done.out.splitlines()[-1] == "speakers: 1 speaker (and their items): ben (2)"
    with Image.open("out.png") as picture:
        assert picture.height > 300


def test_a_sparse_matrix_is_described_by_what_it_holds():
    dense = np.array([[0, 3, 0], [0, 0, 2]])

    assert describe("", csr_array(dense)) == Holding((2, 3), "int64, sparse", 0, 3, 1 - 2 / 6, "counts: mlda")
    [panel] = make_panels({"": csr_array(dense), "labels": np.array([4, 5])})
    np.testing.assert_array_equal(panel.values, np.sqrt(dense))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.npz"], "mmcli: error: gone.npz: no such file"),
        (["folder"], "folder: is a directory; name a file that holds an array"),
        (["pipe"], "pipe: is not a regular file; name a file that holds an array"),
        (["empty"], "empty: is empty; write it again"),
        (["cut.npz"], "cut.npz: cannot be read: File is not a zip file"),
        (["ragged.csv"], "ragged.csv:2: "),
        (["labels.npz", "--plot", "out.png"], "labels.npz: holds no array of items by columns, so there is nothing to"),
        (["all.npz", "--plot", "out.pdf"], "mmcli: error: out.pdf: the picture is a PNG; name it .png"),
        (["all.npz", "--plot", "gone/out.png"], "mmcli: error: gone/out.png: cannot be written (No such file or"),
    ],
)
def test_bad_input_is_refused_in_a_line(command, file, arguments, message):
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("empty").touch()
    Path("cut.npz").write_bytes(file.read_bytes()[:-50])
    Path("ragged.csv").write_text("1,2\n3\n")
    np.savez("labels.npz", labels=[0, 1])

    done = command("data", "show", *arguments)

    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("out.png").exists()


@pytest.mark.parametrize(
    ("labels", "counted"),
    [
        (np.array([-1, 1, -1]), {"-1": 2, "1": 1}),
        (np.array([2**63, 2**64 - 1, 2**63], np.uint64), {str(2**63): 2, str(2**64 - 1): 1}),
        (np.array([np.nan, 3, 3]), {"3": 2, "no label": 1}),
        (np.array(["dog", "", "dog"]), {"dog": 2, "no label": 1}),
    ],
)
def test_labels_of_every_kind_are_counted_and_drawn(command, tmp_path, monkeypatch, labels, counted):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.arange(6.0).reshape(3, 2), labels=labels)

    done = command("data", "show", "a.npz", "--json", "--plot", "a.png")

    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["labels"] == {"labels": counted}
    assert found["arrays"]["labels"]["meaning"].startswith("labels")
    assert Path("a.png").exists()
