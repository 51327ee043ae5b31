"""Deep pictures: one white for all of a command, which fits their values, is said, and is kept."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RAMP = np.add.outer(np.arange(16), np.arange(16)) * 255 / 30
BYTES = RAMP.astype("u1")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)


def save(name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(Path("deep", name))


@pytest.fixture
def made(command):
    """The rows of the pictures in `deep`, and what was said of them."""

    def make(*options):
        done = command("data", "images", "deep", "-o", "out.npz", *options)
        assert done.code == 0, done.err
        with np.load("out.npz") as arrays:
            return dict(arrays), done.err.splitlines()

    return make


DEEP = {
    "8 bits in 32": ([BYTES.astype("i4")], 255),
    "8 bits in 16": ([BYTES.astype("u2")], 255),
    "whole numbers in floats": ([BYTES.astype("f4")], 255),
    "12 bits in 16": ([(RAMP * 4095 / 255).astype("u2")], 4095),
    "16 bits": ([(RAMP * 257).astype("u2")], 65535),
    "16 bits in 32": ([(RAMP * 257).astype("i4")], 65535),
    "fractions": ([(RAMP / 255).astype("f4")], 1),
    "black or white in 32 bits": ([(RAMP > 100).astype("i4")], 1),
    "a dark one beside a bright one": ([(RAMP / 10).astype("u2"), (RAMP * 4095 / 255).astype("u2")], 4095),
    "bytes in several depths": ([BYTES.astype("u2"), BYTES.astype("i4"), BYTES.astype("f4")], 255),
}


@pytest.mark.parametrize("name", DEEP)
def test_one_white_fits_the_values_of_all(made, name):
    pictures, white = DEEP[name]
    for number, values in enumerate(pictures):
        save(f"{number}.tif", values)

    arrays, lines = made()

    expected = np.stack([values.ravel() / white for values in pictures])
    np.testing.assert_allclose(arrays["images"], expected, atol=1e-6)
    assert arrays["images"].max() > 0.9
    assert arrays["image_white"] == white
    most = max(values.max() for values in pictures)
    assert lines[0] == (
        f"{len(pictures)} of {len(pictures)} images are deeper than 8 bits and hold 0 to {most:g}: {white} is white; "
        f"for the same of other images, --white {white}"
    )


def test_depths_mixed_in_one_folder_give_the_same_rows(made):
    save("a.png", BYTES)
    save("b.tif", BYTES.astype("i4"))

    arrays, lines = made()

    np.testing.assert_array_equal(arrays["images"][0], arrays["images"][1])
    assert arrays["images"].max() == 1
    assert lines[0].startswith("1 of 2 images are deeper than 8 bits and hold 0 to 255: 255 is white;")
    resized, _ = made("--size", 8)
    np.testing.assert_allclose(resized["images"][0], resized["images"][1], atol=1e-6)


def test_white_can_be_named_so_that_commands_agree(made, command):
    save("a.tif", BYTES.astype("u2"))

    arrays, lines = made("--white", 4095)

    np.testing.assert_allclose(arrays["images"], BYTES.reshape(1, -1) / 4095, atol=1e-7)
    assert arrays["image_white"] == 4095
    assert lines == ["out.npz: 1 image of 16x16 in gray, 256 columns, no labels"]
    done = command("data", "images", "deep", "-o", "out.npz", "--white", 100)
    assert done.code == 2
    assert done.err.startswith("deep/a.tif: pixels from 0 to 255, where 0 to 100 are read; set white by --white")
    save("a.tif", BYTES)
    assert command("data", "images", "deep", "-o", "out.npz", "--white", 100).code == 2
    assert made("--white", 510)[0]["images"].max() == pytest.approx(0.5)


def test_white_of_png_is_as_its_format_says(made):
    save("a.png", BYTES.astype("u2"))

    arrays, lines = made()

    np.testing.assert_allclose(arrays["images"], BYTES.reshape(1, -1) / 65535, atol=1e-8)
    assert "image_white" not in arrays
    assert lines[0] == "the brightest pixel of all is 0.0039 of white; if that is wrong, name white by --white"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (BYTES.astype("i4") - 1, "deep/a.tif: pixels from -1 to 254, where 0 to 65535 are read; set white"),
        (BYTES.astype("i4") * 300, "deep/a.tif: pixels from 0 to 76500, where 0 to 65535 are read; set white"),
        ((RAMP / 100).astype("f4"), "deep/a.tif: pixels from 0 to 2.55, where 0 to 1 are read; set white by"),
        (np.full((16, 16), np.nan, "f4"), "deep/a.tif: pixels from nan to nan, where 0 to 1 are read"),
    ],
)
def test_values_of_no_usual_range_are_refused(command, values, message):
    save("a.tif", values)

    done = command("data", "images", "deep", "-o", "out.npz")

    assert done.code == 2
    assert done.err.startswith(message)


def test_fractions_and_whole_numbers_have_no_white_in_common(command):
    save("a.tif", BYTES.astype("i4"))
    save("b.tif", (RAMP / 255).astype("f4"))

    done = command("data", "images", "deep", "-o", "out.npz")

    assert (done.code, done.err) == (
        2,
        "some pictures hold fractions from 0 to 1 and others whole numbers up to 255; make a file of each\n",
    )


def test_white_travels_with_pairs_as_one_number(command, made):
    save("a.tif", BYTES.astype("u2"))
    save("b.tif", BYTES.astype("u2"))
    made()
    np.save("speech.npy", np.eye(2))

    assert command("data", "pair", "out.npz", "speech.npy", "-o", "pairs.npz").code == 0
    assert np.load("pairs.npz")["image_white"] == 255
    assert '"meaning": "of the whole file"' in command("data", "show", "out.npz", "--json").out
