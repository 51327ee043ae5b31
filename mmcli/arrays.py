"""Arrays from .npz and .npy files: what a file says about itself is compared with its size before it is believed."""

import math
import stat
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from mmcli.errors import DataError
from mmcli.wording import listed, shown, suggestion

# What reading a damaged file can raise. RuntimeError: an encrypted member; NotImplementedError: an unknown compression;
# SyntaxError, TypeError and TokenError: a header that is no dictionary of Python.
_READING_ERRORS = (
    *(OSError, EOFError, MemoryError, RuntimeError, SyntaxError, TypeError, ValueError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)

Array = NDArray[Any]


def read_array(file: Path, key: str | None) -> Array:
    """One array of numbers from a file, as it is stored.

    Args:
        file: a .npz or .npy, told apart by their first bytes.
        key: which array of a .npz; None for a .npy.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise DataError(f"is {kind}; name a .npz or .npy file")
        with file.open("rb") as stream:
            start = stream.read(len(npy.MAGIC_PREFIX))
            stream.seek(0)
            if start.startswith(b"PK"):
                return _read_member(stream, key)
            if start == npy.MAGIC_PREFIX:
                if key is not None:
                    raise DataError("a .npy file holds one array without a name; remove the key")
                return _read_npy(stream, file.stat().st_size)
        raise DataError("neither .npz nor .npy; write it with numpy.savez or numpy.save")
    except FileNotFoundError:
        raise DataError("no such file; data paths are relative to the config file") from None
    except _READING_ERRORS as error:
        raise _unreadable(error) from None


def array_names(file: Path) -> list[str]:
    """The names of the arrays of a .npz, in its order; empty for any other file.

    Raises:
        DataError: as `read_array`.
    """
    try:
        if not file.is_file() or not zipfile.is_zipfile(file):
            return []
        with zipfile.ZipFile(file) as archive:
            return _names(archive)
    except _READING_ERRORS as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"cannot be read: {shown(reason.splitlines()[0], 160)}")


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _read_member(stream: IO[bytes], key: str | None) -> Array:
    """An array of a .npz; no other member is touched."""
    with zipfile.ZipFile(stream) as archive:
        names = _names(archive)
        if key is None:
            raise DataError(f"name one of its arrays by key: {listed(names)}")
        if key not in names:
            raise DataError(f"no array {shown(key, 60)}{suggestion(key, names)}; it holds {listed(names)}")
        with archive.open(f"{key}.npy") as member:
            return _read_npy(member, archive.getinfo(f"{key}.npy").file_size)


def _read_npy(stream: IO[bytes], num_bytes: int) -> Array:
    """An array in the format of numpy, at most `num_bytes` long; Python objects are refused, not unpickled."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):  # 3.0 is for fields whose names go beyond Latin-1
        raise DataError(f"format {version[0]}.{version[1]} of numpy is not read; save a plain array of numbers")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.kind not in "biuf":
        what = "Python objects, which mmcli never unpickles" if dtype.hasobject else f"values of type {dtype}"
        raise DataError(f"holds {what}; save numbers")
    declared, present = math.prod(shape) * dtype.itemsize, num_bytes - stream.tell()
    if declared != present:  # before anything of that size is allocated
        raise DataError(f"damaged: its header promises {declared} bytes of data, {present} are there; make it again")
    stream.seek(0)
    array: Array = npy.read_array(stream, allow_pickle=False)
    stream.read(1)  # the end of a member of a .npz is where its checksum is compared
    return array
