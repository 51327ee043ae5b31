"""Sparse matrices of scipy.sparse.save_npz; every part is checked before it is used as an index."""

from collections.abc import Collection
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats import npz
from mmcli.data.formats.whole_numbers import EXACT, is_rounded
from mmcli.data.rows import sparse
from mmcli.errors import DataError
from mmcli.util.text import shown

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PARTS = "format", "shape", "data", "indices", "indptr"
IS_ARRAY = "_is_array"  # beside the parts: whether scipy makes a csr_array of them, or a csr_matrix
MAX_WIDTH = 10_000_000  # columns; a small file can declare any number, and modules hold at least a number for each
MAX_ENTRIES = 2**31 - 1  # indices are int32


def is_matrix(names: Collection[str]) -> bool:
    """Whether the names of the arrays of a .npz are those of a scipy matrix, of any format."""
    return {"format", "shape", "data"} <= set(names)


def read_csr(stream: IO[bytes]) -> "csr_array":
    """Read a CSR matrix (N, V), float64; duplicate entries are summed, as in scipy.

    Raises:
        DataError: it is in another of scipy's formats, or its parts contradict one another.
    """
    kept_as = npz.read_member(stream, "format", "S", PARTS).tobytes().rstrip(b"\0").decode("latin-1")
    if kept_as != "csr":
        raise DataError(
            f"a scipy matrix in the format {shown(kept_as, 20)}; csr is read: save_npz(file, matrix.tocsr())"
        )
    shape = npz.read_member(stream, "shape", "iu", PARTS)
    if shape.shape != (2,) or (shape < 0).any():
        raise _damaged(f"its shape is {shown(str(shape.tolist()), 60)}, not rows and columns")
    num_rows, num_columns = map(int, shape)
    _refuse_too_large(num_columns, 0)
    starts = _vector(stream, "indptr", "iu")
    if len(starts) != num_rows + 1:
        raise _damaged(f"{num_rows} rows, but indptr has {len(starts)} values, not {num_rows + 1}")
    if starts[0] != 0 or (starts[1:] < starts[:-1]).any():
        raise _damaged("indptr does not ascend from 0")
    num_entries = int(starts[-1])
    _refuse_too_large(num_columns, num_entries)
    columns, values = _vector(stream, "indices", "iu"), _vector(stream, "data", "biuf")
    for name, part in (("indices", columns), ("data", values)):
        if len(part) != num_entries:
            raise _damaged(f"indptr ends at {num_entries}, but {name} has {len(part)} values")
    if num_entries and not 0 <= columns.min() <= columns.max() < num_columns:
        worst = columns.min() if columns.min() < 0 else columns.max()
        raise _damaged(f"indices holds {worst} where there are columns 0 to {num_columns - 1}")
    return _assembled(values, columns, starts, (num_rows, num_columns))


def checked(matrix: "csr_array") -> "csr_array":
    """A matrix in memory as one that `read_csr` gives, float64.

    Raises:
        DataError: it has too many columns or entries, holds no numbers, or float64 would round one of them.
    """
    npz.refuse_kind(matrix.dtype, npz.NUMBERS, in_file=False)
    num_rows, num_columns = map(int, matrix.shape)
    _refuse_too_large(num_columns, int(matrix.nnz))
    return _assembled(matrix.data, matrix.indices, matrix.indptr, (num_rows, num_columns))


def _refuse_too_large(num_columns: int, num_entries: int) -> None:
    if num_columns > MAX_WIDTH:
        raise DataError(f"{num_columns} columns, {MAX_WIDTH} are the most; leave out those that are never used")
    if num_entries > MAX_ENTRIES:
        raise DataError(f"{num_entries} entries, {MAX_ENTRIES} are the most; train on fewer rows")


_SMALLER = "divide the matrix, and save it again"


def _assembled(
    values: NDArray[Any], columns: NDArray[Any], starts: NDArray[Any], shape: tuple[int, int]
) -> "csr_array":
    """Matrix of consistent parts; none of its whole numbers is rounded.

    Raises:
        DataError: a sum of duplicate entries would be rounded.
    """
    _refuse_rounded(values, columns, starts)
    # Native byte order, which scipy assumes.
    entries = values.astype(np.float64), columns.astype(np.int32), starts.astype(np.int32)
    rows = sparse.as_csr(entries, shape)
    if values.dtype.kind in "iu" and rows.nnz < len(values) and (np.abs(rows.data) >= EXACT).any():
        raise DataError(f"entries that are there twice sum to 2^53 or more, where float64 rounds; {_SMALLER}")
    return rows


def _refuse_rounded(values: NDArray[Any], columns: NDArray[Any], starts: NDArray[Any]) -> None:
    """Refuse whole numbers that float64 would round.

    Raises:
        DataError: there are any; with the first.
    """
    if (rounded := is_rounded(values)).any():
        index = int(np.argmax(rounded))
        row = int(np.searchsorted(starts, index, side="right")) - 1
        where = f"{values[index]} at row {row}, column {columns[index]} (from 0)"
        raise DataError(f"{where} is beyond 2^53, where float64 rounds whole numbers; {_SMALLER}")


def _vector(stream: IO[bytes], name: str, kinds: str) -> NDArray[Any]:
    """Part (n,) of the matrix, of a type in `kinds`.

    Raises:
        DataError: it is missing, or has another shape or type.
    """
    vector = npz.read_member(stream, name, kinds, PARTS)
    if vector.ndim != 1:
        raise _damaged(f"{name} has {vector.ndim} dimensions, not 1")
    return vector


def _damaged(what: str) -> DataError:
    """Error for a matrix whose parts contradict one another."""
    return DataError(f"damaged sparse matrix: {what}; make it again with scipy.sparse.save_npz")
