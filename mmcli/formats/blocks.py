"""Arrays of .npz and .npy files a block of rows at a time.

They are read, not mapped: pages of a mapped file count as memory of the process, and one that is cut short meanwhile
would end it by SIGBUS. A compressed member is unpacked as it is read; a member's checksum is compared at its end.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from mmcli.errors import DataError
from mmcli.formats import npz
from mmcli.formats.opening import opened
from mmcli.streamed import StreamedRows


def stream(file: Path, key: str | None) -> StreamedRows | None:
    """The rows of a table that is kept row by row; None for another array, which is to be read whole.

    Blocks raise DataError too, as soon as the file is not what it was.

    Args:
        file: .npz or .npy.
        key: which array of a .npz; None for a .npy.

    Raises:
        DataError: as `npz.read_member` and `npz.read_npy`, but for a checksum.
    """
    stamp = _stamp(file)
    with _array(file, key) as (inside, num_bytes):
        header = npz.read_header(inside, num_bytes)
    if len(header.shape) != 2 or header.fortran_order:
        return None
    return StreamedRows(header.shape, header.dtype, functools.partial(_blocks, file, key, header, stamp))


def _blocks(file: Path, key: str | None, header: npz.Header, stamp: tuple[int, ...], size: int) -> Iterator[npz.Array]:
    num_rows, num_columns = header.shape
    with _array(file, key) as (inside, num_bytes):
        npz.read_header(inside, num_bytes)
        for start in range(0, num_rows, size):
            rows = min(size, num_rows - start)
            wanted = rows * num_columns * header.dtype.itemsize
            content = inside.read(wanted)
            # What was checked is what is used. A writer that sets the time of the file back goes unnoticed.
            if len(content) != wanted or _stamp(file) != stamp:
                raise DataError("changed while it was read; let nothing write to it, then do it again")
            yield np.frombuffer(content, header.dtype).reshape(rows, num_columns)
        inside.read(1)  # the end of a member of a .npz is where its checksum is compared


@contextmanager
def _array(file: Path, key: str | None) -> Iterator[tuple[IO[bytes], int]]:
    """An array in the format of numpy, and how long it is."""
    with opened(file) as stream:
        if key is None:
            yield stream, file.stat().st_size
        else:
            with npz.member(stream, key) as inside:
                yield inside


def _stamp(file: Path) -> tuple[int, ...]:
    """What tells whether a file is the same and unchanged."""
    status = file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
