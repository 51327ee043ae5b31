"""Arrays of .npz and .npy files; sizes that a file declares are compared with its actual size before use."""

import math
import os
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mmcli.data.formats.opening import MAX_DEFLATE_RATIO, refuse_bomb
from mmcli.errors import DataError
from mmcli.util.text import listed, shown, suggestion

MAGIC_SIZE = len(npy.MAGIC_PREFIX)
NUMBERS = "biuf"  # numpy's letters for types of numbers
NUMBERS_AND_TEXT = NUMBERS + "U"

Array = NDArray[Any]


class Header(NamedTuple):
    """Header of an array in the format of numpy."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]


def is_npz(start: bytes) -> bool:
    """Whether a file that begins with these bytes can be a .npz."""
    return start.startswith(b"PK")


def is_npy(start: bytes) -> bool:
    """Whether a file that begins with these bytes is a .npy."""
    return start.startswith(npy.MAGIC_PREFIX)


def member_names(stream: IO[bytes]) -> list[str]:
    """Names of the arrays of a .npz, in order."""
    with zipfile.ZipFile(stream) as archive:
        return _names(archive)


def _names(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays of an archive, in order."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def read_member(stream: IO[bytes], key: str | None, kinds: str = NUMBERS, parts: Collection[str] = ()) -> Array:
    """Read an array of a .npz; no other member is touched, and nothing is extracted.

    Args:
        stream: the archive.
        key: name of the array.
        kinds: numpy's letters for the accepted types.
        parts: names of the matrix's parts, of which it is one; whether the file is a bomb is judged by all together.

    Raises:
        DataError: there is no such array, it holds no numbers, or it contradicts the archive's directory.
    """
    with member(stream, key, parts) as (inside, num_bytes):
        return read_npy(inside, num_bytes, kinds)


@contextmanager
def member(stream: IO[bytes], key: str | None, parts: Collection[str] = ()) -> Iterator[tuple[IO[bytes], int]]:
    """Open an array of a .npz in the format of numpy; yield its length too. Arguments as in `read_member`.

    Raises:
        DataError: there is no such array, or it contradicts the archive's directory.
    """
    with zipfile.ZipFile(stream) as archive:
        names = _names(archive)
        if key is None:
            raise DataError(f"name one of its arrays by key: {listed(names)}")
        if key not in names:
            raise DataError(f"no array {shown(key, 60)}{suggestion(key, names)}; it holds {listed(names)}")
        info = archive.getinfo(f"{key}.npy")
        num_bytes = stream.seek(0, os.SEEK_END)
        _refuse_untrue(info, num_bytes)
        whole = [archive.getinfo(f"{name}.npy") for name in {key, *parts} & set(names)]
        num_packed = min(sum(part.compress_size for part in whole), num_bytes)
        remedy = "save it uncompressed, by " + ("save_npz(..., compressed=False)" if parts else "numpy.savez")
        refuse_bomb(sum(part.file_size for part in whole), num_packed, remedy)
        with archive.open(info) as inside:
            yield inside, info.file_size


def _refuse_untrue(info: zipfile.ZipInfo, num_bytes: int) -> None:
    """Refuse a member whose directory entry is impossible in an archive of `num_bytes`.

    Raises:
        DataError: it is.
    """
    if info.flag_bits & 1:
        raise DataError("under a password; save it without one")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # other methods unpack without a bound
        raise DataError("compressed in a way that numpy does not write; write it with numpy.savez_compressed")
    ratio = 1 if info.compress_type == zipfile.ZIP_STORED else MAX_DEFLATE_RATIO
    most = ratio * min(info.compress_size, num_bytes)
    if info.file_size > most:
        raise DataError(f"damaged: it promises {info.file_size} bytes, at most {most} are there; make it again")


def read_npy(stream: IO[bytes], num_bytes: int, kinds: str = NUMBERS) -> Array:
    """Read an array in the format of numpy, of `num_bytes` or fewer; Python objects are refused, not unpickled.

    Raises:
        DataError: it is damaged, or of a type not in `kinds`, numpy's letters.
    """
    read_header(stream, num_bytes, kinds)
    stream.seek(0)
    array: Array = npy.read_array(stream, allow_pickle=False)
    stream.read(1)  # reading past the end of a member of a .npz compares its checksum
    return array


def read_header(stream: IO[bytes], num_bytes: int, kinds: str = NUMBERS) -> Header:
    """Read the header of an array in the format of numpy, checked against its length; the first value is next to read.

    Raises:
        DataError: as in `read_npy`.
    """
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):  # 3.0 is for fields whose names go beyond Latin-1
        raise DataError(f"format {version[0]}.{version[1]} of numpy is not read; save a plain array of numbers")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    header = Header(*read(stream))
    refuse_kind(header.dtype, kinds, in_file=True)
    declared, present = math.prod(header.shape) * header.dtype.itemsize, num_bytes - stream.tell()
    if declared != present:  # before anything of that size is allocated
        raise DataError(f"damaged: its header promises {declared} bytes of data, {present} are there; make it again")
    return header


def refuse_kind(dtype: np.dtype[Any], kinds: str, *, in_file: bool) -> None:
    """Raise DataError where the type of an array, in a file or in memory, is none of `kinds`, numpy's letters."""
    if dtype.kind not in kinds:
        pickled = ", which mmcli never unpickles" if in_file else ""
        what = f"Python objects{pickled}" if dtype.hasobject else f"values of type {dtype}"
        verb = "save" if in_file else "give"
        remedy = f"{verb} numbers, or text by array.astype(str)" if "U" in kinds else f"{verb} numbers"
        raise DataError(f"holds {what}; {remedy}")
