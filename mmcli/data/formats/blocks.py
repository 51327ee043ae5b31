"""Arrays of .npz and .npy files, a block of rows at a time.

Read, not mapped: pages of a mapped file count as memory of the process, and truncation of the file meanwhile would end
it by SIGBUS. A compressed member is unpacked as it is read; its checksum is compared at its end.
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
    """Rows of a table stored row by row; None for another array, which has to be read whole.

    Reading a block raises DataError too, as soon as the file has changed.

    Args:
        file: .npz or .npy.
        key: array of a .npz; None for a .npy.

    Raises:
        DataError: as in `npz.read_member` and `npz.read_npy`, except for checksums.
    """
    with _array(file, key) as (inside, num_bytes):
        stamp = _stamp(file)
        header = npz.read_header(inside, num_bytes)
    if len(header.shape) != 2 or header.fortran_order:
        return None
    return StreamedRows(header.shape, header.dtype, functools.partial(_blocks, file, key, header, stamp))


def _blocks(file: Path, key: str | None, header: npz.Header, stamp: "_Stamp", size: int) -> Iterator[npz.Array]:
    """Read blocks of `size` rows.

    Raises:
        DataError: the file is damaged or has changed.
    """
    num_rows, num_columns = header.shape
    with _array(file, key, stamp) as (inside, num_bytes):
        npz.read_header(inside, num_bytes)
        for start in range(0, num_rows, size):
            rows = min(size, num_rows - start)
            content = inside.read(rows * num_columns * header.dtype.itemsize)
            _refuse_changed(file, stamp)
            yield np.frombuffer(content, header.dtype).reshape(rows, num_columns)
        inside.read(1)  # reading past the end of a member of a .npz compares its checksum


@contextmanager
def _array(file: Path, key: str | None, stamp: "_Stamp | None" = None) -> Iterator[tuple[IO[bytes], int]]:
    """Open an array in the format of numpy; yield its length too. With `stamp`, the file has to be unchanged.

    Raises:
        DataError: the file is damaged or has changed.
    """
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
    """Identity, size and time of a file, by which a change is detected."""
    status = file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _refuse_changed(file: Path, stamp: _Stamp) -> None:
    """Refuse a file that has changed, so that the data used are the data checked.

    A change that keeps size and time goes unnoticed: by a writer that sets the time back, or within the clock
    resolution of the file system, some milliseconds.

    Raises:
        DataError: it has changed.
    """
    if _stamp(file) != stamp:
        raise DataError("changed while it was read; let nothing write to it, then do it again")
