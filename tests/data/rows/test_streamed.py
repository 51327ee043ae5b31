"""Data that stay in their files: block by block they are what they are in memory, faults included."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny import TINY, tiny_arrays

from mmcli import load_run
from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.data import validation
from mmcli.data.dataset import load_datasets, load_sources
from mmcli.data.rows.streamed import StreamedRows
from mmcli.data.selection import Request, choose
from mmcli.errors import DataError

ARRAYS = tiny_arrays()
N, D = ARRAYS["words"].shape
SINGLE = TINY.replace("file: tiny.npz, key: images", "file: images.npy")
RANGE = "modules.vae takes 0 to 1: scale the array, or change the module's options"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, and blocks of 7 rows: 60 are eight of them and a shorter one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(validation, "BLOCK_VALUES", 7 * D)
    return Path(os.path.realpath(tmp_path))


def load(config=TINY, *, hold=False, **changes):
    arrays = ARRAYS | changes
    if not Path("images.npy").exists():
        np.save("images.npy", arrays["images"])
    if not Path("tiny.npz").exists():
        np.savez("tiny.npz", **arrays)
    Path("x.yaml").write_text(config)
    read = load_config("x.yaml")
    return load_datasets(read, build_graph(read), hold=hold)


def joined(rows, size=9):
    assert isinstance(rows, StreamedRows)
    blocks = list(rows.blocks(size))
    assert [len(block) for block in blocks] == [size] * (N // size) + [N % size] * (N % size > 0)
    assert {block.dtype for block in blocks} == {np.dtype(np.float32)}
    return np.concatenate(blocks)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("config", [TINY, SINGLE], ids=["npz", "npy"])
def test_blocks_hold_what_is_held_in_memory(config, save):
    save("tiny.npz", **ARRAYS)

    kept, held = load(config), load(config, hold=True)

    for name, rows in held.observations.items():
        assert isinstance(rows, np.ndarray)
        for _ in range(2):  # they can be read again
            np.testing.assert_array_equal(joined(kept.observations[name]), rows)
    np.testing.assert_array_equal(held.observations["word"], ARRAYS["words"].astype(np.float32))
    assert kept.digests == held.digests
    assert kept.first(12).num_items == 12
    (block,) = kept.first(12).observations["word"].blocks(50)
    np.testing.assert_array_equal(block, ARRAYS["words"][:12])


@pytest.mark.parametrize("dtype", ["bool", "u1", ">i4", "f2", ">f8", "longdouble"])
def test_blocks_are_of_any_numbers(dtype):
    images = (ARRAYS["images"] > 0.5).astype(dtype)

    np.testing.assert_array_equal(joined(load(SINGLE, images=images).observations["image"]), images.astype(np.float32))


def test_what_is_kept_column_by_column_is_held():
    assert isinstance(load(SINGLE, images=np.asfortranarray(ARRAYS["images"])).observations["image"], np.ndarray)


def test_rows_are_missing_in_any_block():
    images, seen = ARRAYS["images"].copy(), np.ones((N, 1), np.int8)
    images[[3, 30, 59]] = np.nan
    images[40, 2], seen[[39, 40, 41]] = np.inf, 0
    config = TINY.replace("key: images", "key: images, missing: nan, known: seen").replace(
        "  kinds:", "  seen: {file: tiny.npz, key: seen}\n  kinds:"
    )

    kept = load(config, images=images, seen=seen)

    missing = [3, 30, 39, 40, 41, 59]
    np.testing.assert_array_equal(np.flatnonzero(~kept.known["image"]), missing)
    images[missing] = 0
    np.testing.assert_array_equal(joined(kept.observations["image"]), images)


def changed(*places):
    images = ARRAYS["images"].astype(float)
    for row, column, value in places:
        images[row, column] = value
    return images


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(
    ("places", "text"),
    [
        ([(59, 11, 2)], f"2 at row 59, column 11 (from 0); {RANGE}"),
        ([(8, 1, -1), (8, 3, 7), (50, 0, 9)], f"-1 at row 8, column 1 (from 0) and 2 more; {RANGE}"),
        (
            [(0, 0, -1), (20, 5, 1e39), (55, 3, np.nan), (56, 0, np.nan)],  # the first reason, not the first place
            "nan at row 55, column 3 (from 0) and 1 more; fill it, drop the item, or set missing: nan (whole rows)",
        ),
        (
            [(0, 0, -1), (20, 5, 1e39)],
            "1e+39 at row 20, column 5 (from 0); too large for float32; scale the array",
        ),
    ],
)
def test_a_fault_is_told_by_its_place_in_the_file(folder, places, text, hold):
    with pytest.raises(DataError) as caught:
        load(SINGLE, images=changed(*places), hold=hold)

    assert str(caught.value) == f"x.yaml:5:11: data.images: {folder}/images.npy: {text}"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_checksum_is_compared_where_the_last_block_ends(folder, compression):
    """The bytes say that a value is out of range; the checksum says that they are not what was written."""
    np.savez("good.npz", **ARRAYS)
    with zipfile.ZipFile("good.npz") as good, zipfile.ZipFile("tiny.npz", "w", compression) as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name)[:-4] + np.float32(7).tobytes())
        info = bad.getinfo("images.npy")
        info.CRC ^= 1  # goes to the directory at the end of the archive

    with pytest.raises(DataError) as caught:
        load()

    assert f"data.images: {folder}/tiny.npz: cannot be read: " in str(caught.value).splitlines()[0]


CHANGED = "changed while it was read; let nothing write to it, then do it again"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("other", CHANGED),
        ("shorter", CHANGED),
        ("replaced", CHANGED),
        ("gone", "no such file; data paths are relative to the config file"),
    ],
)
def test_a_file_that_changes_after_the_check_is_not_used(folder, change, text):
    rows = load(SINGLE).observations["image"]
    path = Path("images.npy")
    blocks = rows.blocks(7)
    np.testing.assert_array_equal(next(blocks), ARRAYS["images"][:7])
    if change == "gone":
        path.unlink()
    elif change == "replaced":
        np.save("new.npy", ARRAYS["images"])
        Path("new.npy").replace(path)
    elif change == "shorter":
        os.truncate(path, path.stat().st_size // 2)
    else:
        os.utime(path, ns=(0, 0))

    for again in (blocks, rows.blocks(7)):
        with pytest.raises(DataError) as caught:
            list(again)

        assert str(caught.value) == f"{folder}/images.npy: {text}"


def test_prediction_says_the_same_of_files_and_of_memory(trained):
    run = load_run(trained.run)
    many = np.arange(1050) % N  # two batches and a part of one
    senses = {"images": ARRAYS["images"][many], "words": ARRAYS["words"][many]}
    np.savez_compressed("many.npz", **senses)
    chosen = choose(run.config, Request(named=["many.npz"]), without=())

    kept = load_sources(*chosen, run.graph, run.widths)

    assert all(isinstance(rows, StreamedRows) for rows in kept.observations.values())
    said = [batch.items["mlda"]["Pdz"] for batch in run.predict_batches(kept)]
    np.testing.assert_array_equal(np.concatenate(said), run.predict(**senses)["mlda"].probabilities)
