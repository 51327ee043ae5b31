"""Arrays in memory in place of data files: taken as a file of the same values would be, and their identity."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmcli.data.formats import csr, npz
from mmcli.data.rows.sparse import HostRows
from mmcli.data.rows.streamed import RowSource, StreamedRows
from mmcli.errors import DataError, UsageError

AGAIN = "an array in memory, which no file holds; give it again in Python, by data= of mmcli.train or mmcli.load_run"


class ArrayData(NamedTuple):
    """An array in memory, and its identity."""

    array: HostRows
    sha256: str


def given_arrays(data: Mapping[str, ArrayLike] | None) -> dict[str, ArrayData]:
    """Arrays of numpy, matrices of scipy.sparse, or what numpy makes an array of, by the names of the config's `data`.

    Raises:
        UsageError: a name is no text.
        DataError: what is given is no array of numbers or text, a line each.
    """
    taken, problems = {}, []
    for name, array in (data or {}).items():
        if not isinstance(name, str):
            raise UsageError(f"data: the name {name!r} is no text; give arrays by the names that modules use")
        try:
            rows = as_rows(array)
            taken[name] = ArrayData(rows, identity(rows))
        except DataError as error:
            problems.append(f'data["{name}"]: {error}')
    if problems:
        raise DataError("\n".join(problems))
    return taken


def as_rows(array: Any) -> HostRows:
    """An array, or a sparse matrix as csr_array of float64.

    Raises:
        DataError: it holds other than numbers and text, or cannot be made an array.
    """
    if hasattr(array, "tocsr"):
        return csr.checked(array.tocsr())
    if np.ma.isMaskedArray(array):
        raise DataError("a masked array, whose mask would be lost; fill it with NaN, or give the mask as `known`")
    try:
        made: NDArray[Any] = np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"cannot be made an array: {str(error).partition('. ')[0]}") from None
    npz.refuse_kind(made.dtype, npz.NUMBERS_AND_TEXT, in_file=False)
    return np.ascontiguousarray(made) if made.ndim else made


def identity(rows: HostRows) -> str:
    """SHA-256 in hex of type, shape and values of an array; of a sparse one, of its entries in order."""
    parts = (rows,) if isinstance(rows, np.ndarray) else (rows.data, rows.indices, rows.indptr)
    found = hashlib.sha256(f"{rows.dtype.str} {rows.shape}".encode())
    for part in parts:
        found.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data if part.size else b"")
    return found.hexdigest()


def row_source(array: HostRows) -> RowSource:
    """Rows in the form in which those of a file come, so that results do not depend on where the values were.

    Raises:
        DataError: text, which is no observation.
    """
    npz.refuse_kind(array.dtype, npz.NUMBERS, in_file=False)
    if array.ndim != 2 or not isinstance(array, np.ndarray):
        return array
    rows: NDArray[Any] = np.asarray(array)

    def blocks(size: int) -> Iterator[NDArray[Any]]:
        return (rows[start : start + size] for start in range(0, len(rows), size))

    return StreamedRows((rows.shape[0], rows.shape[1]), rows.dtype, blocks)
