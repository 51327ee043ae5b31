"""Files that no config should name, and what is said of each: one table for the test and for the torture."""

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N = 4
CONFIG = """\
data:
  images: {file: good.npz, key: images}
  speech: {file: good.npz, key: speech}
  digits: {file: good.npz, key: digits}
modules:
  image:  {type: observation, data: images}
  speech: {type: observation, data: speech}
  vae:    {type: vae, inputs: [image], latent_dim: 2}
  gmm:    {type: gmm, inputs: [vae], num_classes: 2, labels: digits}
  mlda:   {type: mlda, inputs: [speech, gmm], num_classes: 2, labels: digits}
"""
IMAGES = np.linspace(0, 1, 3 * N).reshape(N, 3)
SPEECH = np.arange(5 * N).reshape(N, 5)
DIGITS = np.arange(N)
TRAP = "as a bomb does"


class Bad(NamedTuple):
    """A file that is wrong."""

    name: str
    role: str  # which of the data it stands for
    make: bytes | str | Callable[[Path], object]  # what is in it, or what makes it
    said: str  # a part of the line
    key: str | None = None

    def lay_out(self, folder: Path) -> None:
        """Write the file, what else the config names, and the config."""
        np.savez(folder / "good.npz", images=IMAGES, speech=SPEECH, digits=DIGITS)
        if callable(self.make):
            self.make(folder / "bad")
        else:
            (folder / "bad").write_bytes(self.make.encode() if isinstance(self.make, str) else self.make)
        key = f", key: {self.key}" if self.key else ""
        old = f"{{file: good.npz, key: {self.role}}}"
        (folder / "x.yaml").write_text(CONFIG.replace(old, f"{{file: bad{key}}}"))

    @property
    def line(self) -> str:
        """How what is said begins, without the folder."""
        return f"x.yaml:{2 + ['images', 'speech', 'digits'].index(self.role)}:11: data.{self.role}: "


def idx(array: np.ndarray, code: int, sizes: tuple[int, ...] | None = None) -> bytes:
    sizes = array.shape if sizes is None else sizes
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + array.tobytes()


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=allow_pickle)
    return stream.getvalue()


def npy_promising(shape: tuple[int, ...]) -> bytes:
    """A header of doubles, and 16 bytes."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)


def npz(content: bytes, name: str = "x.npy", compression: int = zipfile.ZIP_DEFLATED, **untrue: int) -> bytes:
    """An archive of one member, of which the directory says what is `untrue`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr(name, content)
        for field, value in untrue.items():
            setattr(archive.filelist[0], field, value)
    return stream.getvalue()


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def gzip_of_repeated(block: bytes, times: int) -> bytes:
    """A gzip file of a block many times over, made in a moment; its checksum is wrong, which nobody should get to."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + packed * times + deflate.flush() + bytes(8)


def unreadable(path: Path) -> None:
    path.write_bytes(npy(IMAGES))
    path.chmod(0)


def text(array: np.ndarray) -> str:
    stream = io.StringIO()
    np.savetxt(stream, array)
    return stream.getvalue()


def put(array: np.ndarray, index: Any, value: float) -> np.ndarray:
    changed = np.array(array, float)
    changed[index] = value
    return changed


class Bomb:
    """Says so if it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("unpickled",))


PIXELS = np.arange(N * 6, dtype=np.uint8).reshape(N, 2, 3)
IDX = idx(PIXELS, 8)
IDX_GZ = gzip.compress(IDX)
NPY, NPZ = npy(IMAGES), npz(npy(IMAGES), compression=zipfile.ZIP_STORED)
ROWS = "row t of every array must be item t"
UNKNOWN = "neither .npz, .npy, IDX, Parquet nor text; write it with numpy.savez or numpy.save"
PICKLES = "holds Python objects, which mmcli never unpickles; save numbers"
CUT = "cut short: the end of the gzip file is missing; copy or download it again"
NO_NUMBER = "is no number; write numbers (nan where one is missing)"
COUNTS = "modules.mlda takes counts, which are 0 or more"
WHOLE = "labels are whole numbers; number the classes"
MORE = f"(from 0) and 1 more; {WHOLE}"
RANGE = "modules.vae takes 0 to 1: scale the array"
NAN = "fill it, drop the item, or set missing: nan (whole rows)"
LARGE = "too large for float32; scale the array"

BAD_FILES = [
    # What is no file.
    Bad("missing", "images", lambda _: None, "no such file; data paths are relative to the config file"),
    Bad("empty", "images", b"", "is empty; write it again"),
    Bad("folder", "images", Path.mkdir, "is a directory; name a file that holds an array"),
    Bad("pipe", "images", os.mkfifo, "is not a regular file; name a file that holds an array"),
    Bad("device", "images", lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    Bad("loop", "images", lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
    Bad("no permission", "images", unreadable, "cannot be read: Permission denied"),
    # What is of no format.
    Bad("picture", "images", b"\x89PNG\r\n\x1a\n" + bytes(100), UNKNOWN),
    Bad("pickle", "images", pickle.dumps(Bomb()), UNKNOWN),
    Bad("text in UTF-16", "images", text(IMAGES).encode("utf-16"), UNKNOWN),
    Bad("zeros", "images", bytes(1000), UNKNOWN),
    Bad("gzip of .npy", "images", gzip.compress(NPY), "a gzip file of neither IDX nor text"),
    Bad("gzip of gzip", "images", gzip.compress(IDX_GZ), "a gzip file of neither IDX nor text"),
    Bad("gzip cut in its header", "images", IDX_GZ[:5], CUT),
    # IDX.
    Bad("IDX of an unknown type", "images", b"\0\0\x0a" + IDX[3:], UNKNOWN),
    Bad("IDX of no dimension", "images", b"\0\0\x08\0" + IDX[4:], UNKNOWN),
    Bad("IDX of other magic", "images", b"\0\1" + IDX[2:], UNKNOWN),
    Bad("IDX cut in its sizes", "images", IDX[:10], "cut short in the sizes of its 3 dimensions"),
    Bad("IDX too short", "images", IDX[:-1], "promises 4 x 2 x 3, 24 bytes, at most 23 are there"),
    Bad("IDX too long", "images", IDX + b"x", "promises 4 x 2 x 3, 24 bytes, more are there"),
    Bad("IDX of 79 billion exabytes", "images", idx(PIXELS, 8, (2**32 - 1,) * 3), "at most 24 are there"),
    Bad("IDX of 255 dimensions", "images", idx(np.zeros(1, np.uint8), 8, (1,) * 255), "cannot be read: maximum"),
    Bad("short gzip of IDX", "images", IDX_GZ[:-1], CUT),
    Bad("shorter gzip of IDX", "images", IDX_GZ[:25], CUT),
    Bad("gzip of short IDX", "images", gzip.compress(IDX[:-1]), "24 bytes, 23 are there"),
    Bad("gzip of long IDX", "images", gzip.compress(IDX + b"x"), "24 bytes, more are there"),
    Bad("bad CRC of IDX", "images", IDX_GZ[:-8] + bytes(4) + IDX_GZ[-4:], "damaged gzip file (CRC check failed"),
    Bad("bad length of IDX", "images", IDX_GZ[:-4] + bytes(4), "damaged gzip file (Incorrect length"),
    Bad("junk behind gzip", "images", IDX_GZ + b"junk", "damaged gzip file (Not a gzipped file"),
    Bad("damaged deflate", "images", IDX_GZ[:10] + b"\xff" * 30, "damaged gzip file (Error -3"),
    Bad("gzip of IDX of 10 GB", "images", gzip.compress(idx(PIXELS, 8, (10**10 // 784, 28, 28))), "at most"),
    Bad("bomb of IDX", "images", gzip.compress(idx(PIXELS, 8, (200_000, 28, 28)) + os.urandom(300_000)), TRAP),
    Bad("IDX with a key", "images", IDX, "an IDX file holds one array without a name; remove the key", "x"),
    Bad("IDX labels as images", "images", idx(DIGITS.astype("u1"), 8), "1 dimension (4,); an observation has 2"),
    Bad("IDX images as labels", "digits", IDX, "2 dimensions (4, 6); labels have 1; take the column"),
    Bad("IDX of fractions as labels", "digits", idx((DIGITS / 2).astype(">f4"), 0x0D), f"0.5 at row 1 {MORE}"),
    Bad("IDX of fewer labels", "digits", idx(DIGITS[:3].astype("u1"), 8), f"3 rows, but data.images has 4; {ROWS}"),
    # .npy
    Bad(".npy of objects", "images", npy(np.array([Bomb()]), allow_pickle=True), PICKLES),
    Bad(".npy cut in its header", "images", NPY[:20], "cannot be read: EOF: reading array header"),
    Bad(".npy too short", "images", NPY[:-8], "its header promises 96 bytes of data, 88 are there"),
    Bad(".npy too long", "images", NPY + bytes(8), "its header promises 96 bytes of data, 104 are there"),
    Bad(".npy of 80 TB", "images", npy_promising((10**10, 1000)), "its header promises 80000000000000 bytes of data"),
    Bad(".npy of a negative size", "images", npy_promising((-1, 2)), "its header promises -16 bytes of data"),
    Bad(".npy of no shape", "images", NPY.replace(b"(4, 3)", b"[4, 3]"), "cannot be read: shape is not valid"),
    Bad(".npy of no header", "images", NPY.replace(b"{'descr'", b"__import"), "cannot be read: "),
    Bad(".npy of version 3", "images", NPY.replace(b"\x01\x00", b"\x03\x00", 1), "format 3.0 of numpy is not read"),
    Bad(".npy of complex numbers", "images", npy(IMAGES + 0j), "holds values of type complex128; save numbers"),
    Bad(".npy of words", "images", npy(["a", "b", "c", "d"]), "holds values of type <U1; save numbers"),
    Bad(".npy of fields", "images", npy(np.zeros(N, [("x", "f4")])), "save numbers"),
    Bad(".npy with a key", "images", NPY, "a .npy file holds one array without a name; remove the key", "x"),
    # .npz
    Bad(".npz without a key", "images", NPZ, "name one of its arrays by key: x"),
    Bad(".npz without the key", "images", NPZ, "no array y; it holds x", "y"),
    Bad(".npz of objects", "images", npz(npy(np.array([Bomb()]), allow_pickle=True)), PICKLES, "x"),
    Bad(".npz of other things", "images", npz(b"<xml/>", "xl/workbook.xml"), "no array x; it holds none", "x"),
    Bad(".npz whose entry climbs", "images", npz(NPY, "../x.npy"), "no array x; it holds ../x", "x"),
    Bad(".npz whose entry climbs and is wrong", "images", npz(NPY[:-8], "../../x.npy"), "88 are there", "../../x"),
    Bad(".npz with an absolute entry", "images", npz(NPY[:-8], "/tmp/x.npy"), "88 are there", "/tmp/x"),
    Bad(".npz cut short", "images", NPZ[:-30], "cannot be read: File is not a zip file", "x"),
    Bad(".npz of a bad CRC", "images", NPZ.replace(np.ones(1).tobytes(), bytes(8)), "cannot be read: Bad CRC-32", "x"),
    Bad(".npz under a password", "images", npz(NPY, flag_bits=1), "under a password; save it without one", "x"),
    Bad(".npz by bzip2", "images", npz(NPY, compression=zipfile.ZIP_BZIP2), "in a way that numpy does not write", "x"),
    Bad(
        *(".npz of 1 KB that declares 10 GB", "images", npz(npy_promising((10**10 // 8,)), file_size=10**10 + 74)),
        *("damaged: it promises 10000000074 bytes, at most", "x"),
    ),
    Bad(
        *(".npz of 1 KB that stores 10 GB", "images"),
        npz(npy_promising((10**10 // 8,)), compression=zipfile.ZIP_STORED, file_size=10**10 + 74, compress_size=10**10),
        *("damaged: it promises 10000000074 bytes, at most", "x"),
    ),
    Bad(".npz that is a bomb", "images", npz(npy(np.zeros((N, 5 << 20)))), TRAP, "x"),
    # Values.
    Bad("NaN", "images", npy(put(IMAGES, (1, 2), np.nan)), f"nan at row 1, column 2 (from 0); {NAN}"),
    Bad("infinity", "speech", npy(put(SPEECH, (3, 0), -np.inf)), f"-inf at row 3, column 0 (from 0); {LARGE}"),
    Bad("1e39", "speech", npy(put(SPEECH, (3, 0), 1e39)), f"1e+39 at row 3, column 0 (from 0); {LARGE}"),
    Bad("negative counts", "speech", npy(SPEECH - 1), f"-1 at row 0, column 0 (from 0); {COUNTS}"),
    Bad("bytes for 0 to 1", "images", npy(IMAGES * 255), f"at row 0, column 1 (from 0) and 10 more; {RANGE}"),
    Bad("one dimension", "images", npy(IMAGES[:, 0]), "1 dimension (4,); an observation has 2"),
    Bad("three dimensions", "images", npy(IMAGES[None]), "3 dimensions (1, 4, 3); an observation has 2"),
    Bad("no rows", "images", npy(IMAGES[:0]), "empty: 0 rows of 3 columns"),
    Bad("labels that are fractions", "digits", npy(DIGITS / 2), f"0.5 at row 1 {MORE}"),
    Bad("labels that are infinite", "digits", npy(put(DIGITS, 2, np.inf)), f"inf at row 2 (from 0); {WHOLE}"),
    Bad("labels that are all NaN", "digits", npy(DIGITS * np.nan), "no item has a label; label some, or measure no"),
    Bad("labels too large", "digits", npy(np.full(N, 2**64 - 1, "u8")), f"{2**64 - 1} at row 0 (from 0) and 3 more"),
    Bad("fewer rows", "speech", npy(SPEECH[:3]), f"3 rows, but data.images has 4; {ROWS}"),
    Bad("more labels", "digits", npy(np.arange(5)), f"5 rows, but data.images has 4; {ROWS}"),
    # Text.
    Bad("ragged text", "speech", "1 2 3\n4 5\n", ":2: 2 in a row, but 3 in line 1; every item has as many numbers"),
    Bad("text with a word", "speech", "# x\n1 2\n\n3 x\n", f":4: x at column 1 (from 0) {NO_NUMBER}"),
    Bad("text with nothing between commas", "speech", "1,2,3\n4,,6\n", f":2: nothing at column 1 (from 0) {NO_NUMBER}"),
    Bad("text by semicolons", "speech", "1;2\n3;x\n", f":2: x at column 1 (from 0) {NO_NUMBER}"),
    Bad("text of two decimal signs", "speech", "1,5;2\n3.5;4\n", ":2: decimal commas and points in one file"),
    Bad("text under 0,1", "speech", "0,1\n.5,1.5\n", ":1: 0,1 may name the columns of 1 items, or be the first of 2;"),
    Bad("text beyond 2^53", "speech", "9007199254740993 1\n2 3\n", ":1: 9007199254740993 at row 0, column 0 (from 0);"),
    Bad("numbers beyond 2^53", "speech", npy(np.full((4, 3), 2**53 + 1)), ": 9007199254740993 at row 0, column 0"),
    Bad("text of NaN", "speech", "1 2\n\n3 nan\n", f":3: nan at row 1, column 1 (from 0); {NAN}"),
    Bad("text of infinity", "speech", "1 2\n3 inf\n", f":2: inf at row 1, column 1 (from 0); {LARGE}"),
    Bad("text of negative counts", "speech", "a,b\n1,2\n-3,4\n", f":3: -3 at row 1, column 0 (from 0); {COUNTS}"),
    Bad("text of half a name", "speech", "id 1 2\n3 4 5\n", f":1: id at column 0 (from 0) {NO_NUMBER}, or"),
    Bad("text of names only", "speech", "a,b\n", "no numbers in it; write an item a line"),
    Bad("text of comments only", "speech", "# a\n# b\n\n", "no numbers in it; write an item a line"),
    Bad("text with an index", "speech", ",a,b\n0,1,2\n", ":1: column 0 (from 0) has no name; name every column"),
    Bad("text with a key and no names", "speech", "1 2\n3 4\n", "holds one array without a name; remove the key", "a"),
    Bad("text without the column", "speech", "a b\n3 4\n", "no column c; it has a, b", "c"),
    Bad("text with the column twice", "speech", "a a\n3 4\n", "2 columns of the name a; give each its own", "a"),
    Bad("text of labels with fractions", "digits", "0\n1\n1.5\n2\n", f":3: 1.5 at row 2 (from 0); {WHOLE}"),
    Bad("text of words for labels", "digits", "cat\ndog\ncat\ndog\n", f":2: dog at column 0 (from 0) {NO_NUMBER}"),
    Bad("text of fewer rows", "speech", text(SPEECH[:3]), f"3 rows, but data.images has 4; {ROWS}"),
    Bad("JSON", "speech", '{"a": [1, 2]}\n', "no numbers in it"),
    Bad("text without an end of line", "speech", b"1\n" + b"3 " * (9 << 20), ":2: longer than 16 MB"),
    Bad("short gzip of text", "speech", gzip.compress(text(SPEECH).encode())[:-9], CUT),
    Bad("bad CRC of text", "speech", gzip.compress(text(SPEECH).encode())[:-8] + bytes(8), "damaged gzip file (CRC"),
    Bad("bomb of blank lines", "speech", gzip_of_repeated(b"\n" * (1 << 20), 10_000), TRAP),
    Bad("bomb of one line", "speech", gzip_of_repeated(b"1 " * (1 << 19), 10_000), TRAP),
    # Parquet.
    Bad("Parquet cut short", "speech", parquet(x=np.arange(N))[:-20], "cannot be read: "),
    Bad("Parquet of words", "speech", parquet(x=[1], y=["a"]), "no numbers in y; name a column of numbers by key"),
    Bad("Parquet of ragged lists", "speech", parquet(x=[[1, 2], [3]]), "lists of 1 to 2 numbers in column x"),
    Bad("Parquet without the column", "speech", parquet(x=[1]), "no column y; it has x", "y"),
    Bad("Parquet with nothing in a row", "speech", parquet(x=[1.0, None]), f"nan at row 1, column 0 (from 0); {NAN}"),
    Bad("Parquet that is a bomb", "speech", parquet(x=np.zeros(20_000_000)), TRAP),
]  # fmt: skip
# What can be read, and the key, to be damaged at random by the torture.
GOOD_FILES: dict[str, tuple[bytes, str | None]] = {
    ".npy": (NPY, None),
    ".npz": (npz(NPY), "x"),
    "IDX": (IDX, None),
    "gzip of IDX": (IDX_GZ, None),
    "text": (text(IMAGES).encode(), None),
    "CSV": (b"a,b,c\n1,2,3\n4,5,6\n", "b"),
    "gzip of text": (gzip.compress(text(IMAGES).encode()), None),
    "Parquet": (parquet(x=[1.5, None, 3.0], y=[[1, 2], [3, None], None]), None),
}
# What takes seconds to read before it is refused, for the torture.
SLOW_FILES = [
    Bad("bomb of zeros", "speech", gzip_of_repeated(b"0\n" * (1 << 19), 10_000), TRAP),
    Bad("bomb of long numbers", "speech", gzip_of_repeated(b"0.000000000000000000e+00 0\n" * 40_000, 10_000), TRAP),
]
