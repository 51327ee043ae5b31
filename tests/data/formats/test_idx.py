"""IDX files: every type of element, plain and gzip, and every way in which they can be wrong."""

import functools
import gzip
import struct

import numpy as np
import pytest

from mmcli.data.formats import array_names, read_array
from mmcli.data.formats.idx import TYPES, read_idx
from mmcli.errors import DataError

BYTES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def idx_bytes(array, sizes=None):
    code = next(code for code, dtype in TYPES.items() if np.dtype(dtype) == array.dtype.newbyteorder(">"))
    sizes = array.shape if sizes is None else sizes
    header = bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


GOOD = idx_bytes(BYTES)
packed = functools.partial(gzip.compress, mtime=0)  # equal content has equal bytes at any time
PACKED = packed(GOOD)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", TYPES.values())
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (2, 1, 3, 2), (0,), (0, 28, 28)])
def test_an_array_comes_back_as_it_was(tmp_path, dtype, shape, pack):
    array = (np.arange(np.prod(shape)).reshape(shape) - 3).astype(np.dtype(dtype).newbyteorder("="))
    (tmp_path / "any.name").write_bytes(pack(idx_bytes(array)))

    found = read_idx(tmp_path / "any.name")

    assert found.dtype == array.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_pixels_become_rows_from_0_to_1(tmp_path):
    images = np.array([[[0, 51], [102, 255]], [[255, 0], [1, 254]]], np.uint8)
    (tmp_path / "images").write_bytes(gzip.compress(idx_bytes(images)))

    found = read_array(tmp_path / "images", None)

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], np.array([0, 0.2, 0.4, 1], np.float32))
    np.testing.assert_array_equal(found[1], np.array([255, 0, 1, 254], np.float32) / np.float32(255))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([5, 0, 255], np.uint8), np.array([5, 0, 255], np.uint8)),
        (np.array([[5, 0], [1, 255]], np.uint8), np.array([[5, 0], [1, 255]], np.uint8)),
        (np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.arange(8, dtype=np.int16).reshape(2, 4)),
    ],
    ids=["labels", "a table of bytes", "numbers that are no bytes"],
)
def test_what_is_no_pixels_keeps_its_values(tmp_path, array, expected):
    (tmp_path / "f").write_bytes(idx_bytes(array))

    found = read_array(tmp_path / "f", None)

    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_it_holds_one_array_without_a_name(tmp_path):
    (tmp_path / "f").write_bytes(PACKED)

    assert array_names(tmp_path / "f") == []
    with pytest.raises(DataError, match=r"^an IDX file holds one array without a name; remove the key$"):
        read_array(tmp_path / "f", "x")


AGAIN = "copy or download it again"
CUT = f"cut short: the end of the gzip file is missing; {AGAIN}"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not IDX: it begins with nothing, not with 00 00, a type and a rank"),
        (b"\0\0", "not IDX: it begins with 00 00, not with 00 00, a type and a rank"),
        (b"\0\0\x0a\3" + GOOD[4:], "not IDX: it begins with 00 00 0a 03, not with 00 00, a type and a rank"),
        (b"\0\0\x08\0" + GOOD[4:], "not IDX: it begins with 00 00 08 00, not with 00 00, a type and a rank"),
        (b"\1\0\x08\3" + GOOD[4:], "not IDX: it begins with 01 00 08 03, not with 00 00, a type and a rank"),
        (GOOD[:10], f"cut short in the sizes of its 3 dimensions; {AGAIN}"),
        (GOOD[:-1], f"damaged: its header promises 2 x 3 x 4, 24 bytes, at most 23 are there; {AGAIN}"),
        (GOOD + b"x", f"damaged: its header promises 2 x 3 x 4, 24 bytes, more are there; {AGAIN}"),
        (
            idx_bytes(BYTES, [2**32 - 1] * 3),
            "damaged: its header promises 4294967295 x 4294967295 x 4294967295, 79228162458924105385300197375 bytes",
        ),
        (b"\0\0\x08\xff" + struct.pack(">255I", *[1] * 255) + b"x", "cannot be read: maximum supported dimension"),
        (packed(b"\0\0\x08"), "not IDX: it begins with 00 00 08, not with 00 00, a type and a rank"),
        (
            packed(GOOD[:-1]),
            f"damaged: its header promises 2 x 3 x 4, 24 bytes, 23 are there; {AGAIN}",
        ),
        (
            packed(GOOD + bytes(9)),
            f"damaged: its header promises 2 x 3 x 4, 24 bytes, more are there; {AGAIN}",
        ),
        (PACKED[:-1], CUT),
        (PACKED[:20], CUT),
        (PACKED[:5], CUT),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "damaged gzip file (CRC check failed"),
        (PACKED[:-4] + b"\0\0\0\0", f"damaged gzip file (Incorrect length of data produced); {AGAIN}"),
        (PACKED[:10] + b"\xff" * 20, "damaged gzip file (Error -3 while decompressing data: invalid block type)"),
        (PACKED + b"junk", "damaged gzip file (Not a gzipped file (b'ju'))"),
        (
            packed(idx_bytes(BYTES, [50_000, 28, 28])),
            "damaged: its header promises 50000 x 28 x 28, 39200000 bytes, at most",
        ),
        (
            packed(idx_bytes(BYTES, [200_000, 28, 28]) + np.random.default_rng(0).bytes(300_000)),
            "unpacks to 157 MB or more, more than 250 times its size, as a bomb does; if it is none, gunzip it first",
        ),
    ],
)
def test_a_damaged_or_hostile_file_gives_one_line(tmp_path, content, text):
    (tmp_path / "f").write_bytes(content)

    with pytest.raises(DataError) as caught:
        read_idx(tmp_path / "f")

    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_gives_one_line(tmp_path):
    with pytest.raises(DataError, match=r"^no such file; data paths are relative to the config file$"):
        read_idx(tmp_path / "no")
    with pytest.raises(DataError, match=r"^is a directory; name a file that holds an array$"):
        read_idx(tmp_path)
