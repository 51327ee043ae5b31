"""Arrays of .npz and .npy files a block of rows at a time.

They are read, not mapped: pages of a mapped file count as memory of the process, and one that is cut short meanwhile
would end it by SIGBUS. A compressed member is unpacked as it is read; a member's checksum is compared at its end.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from mmcli.data.formats import npz
from mmcli.data.formats.opening import opened
from mmcli.data.rows.streamed import StreamedRows
from mmcli.errors import DataError


def stream(file: Path, key: str | None) -> StreamedRows | None:
    """The rows of a table that is kept row by row; None for another array, which is to be read whole.

    Blocks raise DataError too, as soon as the file is not what it was.

    Args:
        file: .npz or .npy.
        key: which array of a .npz; None for a .npy.

    Raises:
        DataError: as `npz.read_member` and `npz.read_npy`, but for a checksum.
    """
    with _array(file, key) as (inside, num_bytes):
        stamp = _stamp(file)
        header = npz.read_header(inside, num_bytes)
    if len(header.shape) != 2 or header.fortran_order:
        return None
    return StreamedRows(header.shape, header.dtype, functools.partial(_blocks, file, key, header, stamp))


def _blocks(file: Path, key: str | None, header: npz.Header, stamp: "_Stamp", size: int) -> Iterator[npz.Array]:
    num_rows, num_columns = header.shape
    with _array(file, key, stamp) as (inside, num_bytes):
        npz.read_header(inside, num_bytes)
        for start in range(0, num_rows, size):
            rows = min(size, num_rows - start)
            content = inside.read(rows * num_columns * header.dtype.itemsize)
            _refuse_changed(file, stamp)
            yield np.frombuffer(content, header.dtype).reshape(rows, num_columns)
        inside.read(1)  # the end of a member of a .npz is where its checksum is compared


@contextmanager
def _array(file: Path, key: str | None, stamp: "_Stamp | None" = None) -> Iterator[tuple[IO[bytes], int]]:
    """An array in the format of numpy, and how long it is; of a file that has to be as it was, if that is given."""
    with opened(file) as stream:
        if stamp is not None:
            _refuse_changed(file, stamp)
        if key is None:
            yield stream, file.stat().st_size
        else:
            with npz.member(stream, key) as inside:
                yield inside


_Stamp: TypeAlias = tuple[int, ...]


def _stamp(file: Path) -> _Stamp:
    """What tells whether a file is the same and unchanged."""
    status = file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _refuse_changed(file: Path, stamp: _Stamp) -> None:
    """Raise DataError if a file is not what it was, so that what is used is what was checked.

    A change that leaves size and time as they were goes unnoticed: by a writer that sets the time back, or by one as
    quick as the clock of the file system, some milliseconds.
    """
    if _stamp(file) != stamp:
        raise DataError("changed while it was read; let nothing write to it, then do it again")
