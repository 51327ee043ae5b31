"""`mmcli data images`: files of every mode, and IDX, as rows of pixels from 0 to 1."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmcli.ingest import depth
from mmcli.ingest.images import read_image

GRAY = np.arange(0, 240, 20, dtype=np.uint8).reshape(3, 4)
COLORS = np.stack([GRAY, GRAY[::-1], np.full_like(GRAY, 50)], axis=2)
LUMINANCE = COLORS @ [0.299, 0.587, 0.114]  # ITU-R 601-2


def arrays_of(file: Path | str) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images, gray and in color, in each of two sub-folders."""
    monkeypatch.chdir(tmp_path)
    for label, shade in (("cat", 0), ("dog", 5)):
        (tmp_path / "images" / label).mkdir(parents=True)
        Image.fromarray(GRAY + shade).save(tmp_path / "images" / label / "9.png")
        Image.fromarray(COLORS + shade).save(tmp_path / "images" / label / "10.bmp")
    return tmp_path / "images"


@pytest.mark.usefixtures("images")
def test_rows_are_pixels_and_sub_folders_labels(command):
    done = command("data", "images", "images", "-o", "out.npz")

    assert done == (0, "out.npz\n", "out.npz: 4 images of 4x3 in gray, 12 columns, 2 labels\n")
    out = arrays_of("out.npz")
    assert out["images"].dtype == np.float32
    assert out["image_shape"].tolist() == [3, 4]
    assert out["label_names"].tolist() == ["cat", "dog"]
    assert out["labels"].tolist() == [0, 0, 1, 1]
    names = ("cat/9.png", "cat/10.bmp", "dog/9.png", "dog/10.bmp")
    assert out["image_paths"].tolist() == [f"images/{name}" for name in names]
    np.testing.assert_array_equal(out["images"][0], GRAY.ravel() / np.float32(255))
    np.testing.assert_allclose(out["images"][1], LUMINANCE.ravel() / 255, atol=0.003)


@pytest.mark.usefixtures("images")
def test_in_color_and_in_another_size(command):
    done = command("data", "images", "images/*/*", "-o", "out.npz", "--color", "--size", "2x3")

    assert done.err == "out.npz: 4 images of 2x3 in color, 18 columns, no labels\n"
    out = arrays_of("out.npz")
    assert out["image_shape"].tolist() == [3, 2, 3]
    made = out["images"].reshape(4, 3, 2, 3)
    np.testing.assert_allclose(made[1][:, :, 2], made[1][0, 0, 2])  # blue is the same everywhere
    assert (made[0][:, :, 0] == made[0][:, :, 1]).all()
    assert 0 <= made.min() <= made.max() <= 1
    done = command("data", "images", "images", "-o", "out.npz", "--size", 5)
    assert done.err == "out.npz: 4 images of 5x5 in gray, 25 columns, 2 labels\n"


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def transparent() -> Image.Image:
    image = Image.fromarray(COLORS).convert("RGBA")
    image.putalpha(0)
    return image


def palette() -> Image.Image:
    image = Image.new("P", (4, 3))
    image.putpalette([channel for shade in range(12) for channel in [20 * shade] * 3])
    image.putdata(list(range(12)))
    return image


def test_any_mode_is_read_as_it_is_seen(tmp_path):
    gray = GRAY / 255
    deep = (GRAY.astype(np.uint16) * 257).astype(np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees, clockwise
    frames = [Image.fromarray(shade) for shade in (GRAY, 255 - GRAY)]
    cases = {
        "gray": (saved(tmp_path / "gray.png", Image.fromarray(GRAY)), gray),
        "16 bits": (saved(tmp_path / "deep.png", Image.fromarray(deep)), gray),
        "float": (saved(tmp_path / "float.tif", Image.fromarray(gray.astype(np.float32))), gray),
        "palette": (saved(tmp_path / "palette.png", palette()), gray),
        "palette, one clear": (saved(tmp_path / "clear.png", palette(), transparency=0), np.where(GRAY == 0, 1, gray)),
        "black or white": (saved(tmp_path / "bits.png", Image.fromarray(GRAY > 100)), (GRAY > 100) * 1.0),
        "transparent": (saved(tmp_path / "alpha.png", transparent()), np.ones((3, 4))),
        "animated": (saved(tmp_path / "moving.gif", frames[0], save_all=True, append_images=frames[1:]), gray),
        "turned": (saved(tmp_path / "turned.png", Image.fromarray(GRAY), exif=turned), np.rot90(gray, -1)),
        "CMYK": (saved(tmp_path / "print.tif", Image.fromarray(COLORS).convert("CMYK")), LUMINANCE / 255),
    }

    for name, (path, expected) in cases.items():
        image = read_image(path, None, color=False)
        pixels = depth.scaled(image, depth.shared_white([image]))
        np.testing.assert_allclose(pixels[:, :, 0], expected, atol=0.003, err_msg=name)
        assert read_image(path, None, color=True).pixels.shape == (*expected.shape, 3)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_and_their_labels(command, tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    write_idx(tmp_path / f"images-ubyte{suffix}", pixels)
    write_idx(tmp_path / f"labels-ubyte{suffix}", np.array([7, 0, 7, 1, 2]))

    done = command("data", "images", f"images-ubyte{suffix}", "--labels", f"labels-ubyte{suffix}", "-o", "out.npz")

    assert done.err == "out.npz: 5 images of 4x4 in gray, 16 columns, 4 labels\n"
    out = arrays_of("out.npz")
    np.testing.assert_array_equal(out["images"], pixels.reshape(5, 16) / np.float32(255))
    assert out["labels"].tolist() == [7, 0, 7, 1, 2]
    assert "label_names" not in out
    assert command("data", "images", f"images-ubyte{suffix}", "-o", "out.npz", "--size", 8, "--color").code == 0
    assert arrays_of("out.npz")["images"].shape == (5, 192)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is that large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.fixture
def bad_images(images: Path) -> dict[str, str]:
    """Images that cannot be used, and why, beside four that can."""
    folder = images / "dog"
    whole = (folder / "9.png").read_bytes()
    (folder / "bomb.png").write_bytes(bomb(60_000, 60_000))
    (folder / "cut.png").write_bytes(whole[:50])
    (folder / "empty.png").write_bytes(b"")
    Image.fromarray(np.full((3, 4), 2.5, np.float32)).save(folder / "floats.tif")
    (folder / "large.png").write_bytes(bomb(8000, 8000))
    (folder / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 3 4\n")
    (folder / "notes.txt").write_text("left alone")
    return {
        "bomb.png": "cannot be read as an image: Image size (3600000000 pixels) exceeds limit",
        "cut.png": "cannot be read as an image: ",
        "empty.png": "cannot be read as an image: cannot identify image file the file",
        "floats.tif": "pixels from 2.5 to 2.5, where 0 to 1 are read",
        "large.png": "8000 x 8000 pixels; make it smaller first",
        "script.png": "cannot be read as an image: cannot identify image file the file",
    }


def test_what_cannot_be_used_is_listed_and_counted(command, bad_images):
    done = command("data", "images", "images", "-o", "out.npz")

    assert done.code == 0
    note, *lines, count, made = done.err.splitlines()
    assert note == "images: 1 file skipped, of another kind: dog/notes.txt"
    for line, (name, reason) in zip(lines, bad_images.items(), strict=True):
        assert line.startswith(f"images/dog/{name}: {reason}")
    assert (count, made) == (
        "6 of 10 images left out",
        "out.npz: 4 images of 4x3 in gray, 12 columns, 2 labels",
    )
    strict = command("data", "images", "images", "-o", "strict.npz", "--strict")
    assert strict.code == 2
    assert strict.err.splitlines()[-1] == "6 of 10 images cannot be used; mend them, or leave out --strict"
    assert not Path("strict.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.png"], "mmcli: error: gone.png: no such file or folder, and no file matches it as a pattern"),
        (["list.csv"], "gone.png: no such file\n1 of 1 images cannot be used; there is nothing to write"),
        (["images", "small.png"], "small.png: has no label, as 1 of 5 files; put them into sub-folders, or leave all"),
        (
            ["images", "small.png", "--label-by", "none"],
            "small.png: 2x2, but images/cat/9.png is 4x3; make all alike, for example by --size 4x3",
        ),
        (["images", "--labels", "labels"], "mmcli: error: --labels is for an IDX file; images of other kinds are"),
        (["pixels", "small.png"], "mmcli: error: 2 files, of which some are IDX; name one IDX file, or images of"),
        (["labels"], "labels: 3 of uint8; images are bytes, items x rows x columns, and x 3 in color"),
        (["pixels", "--labels", "labels"], "labels: 3 of uint8; the labels of 2 images are as many whole numbers"),
        (["pixels", "--labels", "gone"], "gone: no such file"),
        (["cut"], "cut: damaged: its header promises 2 x 2 x 2, 8 bytes, at most 7 are there"),
        (["images", "--size", "0"], "mmcli: error: Invalid value for '--size': '0' is not a size in pixels, as 28 or"),
        (["images", "--size", "3x"], "mmcli: error: Invalid value for '--size': '3x' is not a size in pixels, as 28"),
        (["images", "--size", "2000"], "mmcli: error: 4 images of 2000x2000 need 64 MB; make them smaller by --size"),
        (["images", "-o", "images"], "mmcli: error: images: arrays go to an .npz; name it so"),
    ],
)
@pytest.mark.usefixtures("images")
def test_bad_input_is_refused(command, monkeypatch, arguments, message):
    monkeypatch.setattr("mmcli.ingest.images.MAX_BYTES", 1 << 20)
    Path("list.csv").write_text("gone.png,1\n")
    Image.fromarray(GRAY[:2, :2]).save("small.png")
    write_idx(Path("pixels"), np.zeros((2, 2, 2)))
    write_idx(Path("labels"), np.zeros(3))
    Path("cut").write_bytes(Path("pixels").read_bytes()[:-1])

    done = command("data", "images", *arguments, *([] if "-o" in arguments else ["-o", "out.npz"]))

    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1 + message.count("\n")
    assert not Path("out.npz").exists()
