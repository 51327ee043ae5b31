"""Arrays from files of any format that mmcli reads, told apart by their first bytes, whatever their names."""

from io import BufferedReader
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmcli.errors import DataError
from mmcli.formats import idx, npz
from mmcli.formats.opening import GZIP_MAGIC, opened, unpacked

Array = NDArray[Any]


def read_array(file: Path, key: str | None, kinds: str = npz.NUMBERS) -> Array:
    """One array from a file, as it is stored; of an IDX file, its items as rows (see `idx.as_items`).

    Args:
        file: .npz, .npy or IDX, plain or gzip.
        key: which array of a .npz; None where a file holds one array.
        kinds: numpy's letters for the types that are let through: numbers, unless "U" asks for text.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    with opened(file) as stream:
        start = _start(stream)
        if npz.is_npz(start):
            return npz.read_member(stream, key, kinds)
        if npz.is_npy(start):
            _refuse_key(key, "a .npy file")
            return npz.read_npy(stream, file.stat().st_size, kinds)
        is_idx = idx.is_idx(start) or (start.startswith(GZIP_MAGIC) and idx.is_idx(_start_inside(stream)))
    if is_idx:
        _refuse_key(key, "an IDX file")
        return idx.as_items(idx.read_idx(file))
    raise DataError("neither .npz, .npy nor IDX; write it with numpy.savez or numpy.save")


def array_names(file: Path) -> list[str]:
    """The names of the arrays of a .npz, in its order; empty for any other file.

    Raises:
        DataError: as `read_array`.
    """
    if not file.is_file():
        return []
    with opened(file) as stream:
        return npz.member_names(stream) if npz.is_npz(_start(stream)) else []


def _start(stream: BufferedReader) -> bytes:
    start = stream.read(npz.MAGIC_SIZE)
    stream.seek(0)
    return start


def _start_inside(stream: BufferedReader) -> bytes:
    with unpacked(stream) as inside:
        return inside.read(idx.MAGIC_SIZE)


def _refuse_key(key: str | None, what: str) -> None:
    if key is not None:
        raise DataError(f"{what} holds one array without a name; remove the key")
