"""Opening data files, plain or gzip: every failure becomes one line, and no declared size is trusted unchecked."""

import gzip
import hashlib
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from pathlib import Path

from mmcli.errors import DataError
from mmcli.util.text import shown

GZIP_MAGIC = b"\x1f\x8b"
MAX_DEFLATE_RATIO = 1032  # of bytes out to bytes in; zlib's technical notes, "Maximum compression factor"
# A file that unpacks to more than both counts as a bomb, as small files full of zeros are.
SUSPECT_BYTES, SUSPECT_RATIO = 64 << 20, 250

# Raised by reading damaged files. NotImplementedError: a zip file that Python does not read;
# SyntaxError, TypeError and TokenError: a header that is no dictionary of Python.
READING_ERRORS = (
    *(OSError, EOFError, MemoryError, RuntimeError, SyntaxError, TypeError, ValueError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


@contextmanager
def opened(file: Path) -> Iterator[BufferedReader]:
    """Open a regular file at its beginning.

    Raises:
        DataError: it is not a regular file, or reading it fails; without its name.
    """
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would block until it has a writer
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise DataError(f"is {kind}; name a file that holds an array")
        with file.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise DataError("no such file; data paths are relative to the config file") from None
    except READING_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"cannot be read: {shown(reason.splitlines()[0], 160)}") from None


def digest(file: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        DataError: as in `opened`.
    """
    with opened(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def unpacked(stream: BufferedReader) -> Iterator[BufferedIOBase]:
    """Contents of a gzip file; its checksum is compared at its end.

    Raises:
        DataError: it is cut short or damaged.
    """
    try:
        with gzip.GzipFile(fileobj=stream) as inside:
            yield inside
    except EOFError:
        raise DataError("cut short: the end of the gzip file is missing; copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"damaged gzip file ({shown(str(error), 100)}); copy or download it again") from None


def refuse_bomb(num_unpacked: int, num_packed: int, remedy: str) -> None:
    """Refuse few bytes that unpack to so many that they would fill memory.

    Args:
        num_unpacked: bytes, as declared or as read so far.
        num_packed: bytes of the file that they come from.
        remedy: how to have it read all the same.

    Raises:
        DataError: they do.
    """
    if num_unpacked > SUSPECT_BYTES and num_unpacked > SUSPECT_RATIO * num_packed:
        least = f"more than {SUSPECT_RATIO} times its size"
        raise DataError(
            f"unpacks to {num_unpacked / 1e6:.0f} MB or more, {least}, as a bomb does; if it is none, {remedy}"
        )
