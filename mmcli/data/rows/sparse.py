"""Sparse observations on the host: scipy's csr_array, and when it pays to keep one.

N rows, V columns, E entries.
"""

from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HostRows: TypeAlias = "NDArray[Any] | csr_array"

# What keeps rows sparse. Updates of the MLDA take as long on dense ones where 5 % of the values are not zero, or up to
# 10 % with many topics (benchmarks/sparse_or_dense.py); of few values either takes a moment.
MOST_SHARE, FEW_VALUES = 0.05, 1e6
MAX_DENSE = 2**31  # bytes; what is more is never made dense


def as_csr(matrix: Any, shape: tuple[int, int] | None = None) -> "csr_array":
    """What scipy can make a csr_array of, as one of float64: sorted, each entry once and none of them zero."""
    from scipy.sparse import csr_array  # takes as long as all else that a command imports

    rows = csr_array(matrix, shape=shape, dtype=np.float64, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def is_sparse(rows: object) -> TypeGuard[Any]:
    return hasattr(rows, "indptr")


def pays(shape: tuple[int, int], num_entries: int) -> bool:
    """Whether rows are better sparse: many values, few of them not zero, or too many to be dense at all."""
    num_values = shape[0] * shape[1]
    few = num_values < FEW_VALUES or num_entries > MOST_SHARE * num_values
    return not few or dense_bytes(shape) > MAX_DENSE


def dense_bytes(shape: tuple[int, int]) -> int:
    """What (N, V) float32 take."""
    return 4 * shape[0] * shape[1]


def stored(rows: HostRows) -> NDArray[Any]:
    """The values that are there: (N, V), or the entries (E,)."""
    return rows if isinstance(rows, np.ndarray) else rows.data


def position(rows: HostRows, index: int) -> tuple[int, ...]:
    """Where the value number `index` of `stored(rows)`, flattened, is."""
    if isinstance(rows, np.ndarray):
        return tuple(map(int, np.unravel_index(index, rows.shape)))
    return int(np.searchsorted(rows.indptr, index, side="right")) - 1, int(rows.indices[index])


def all_nan(rows: HostRows) -> NDArray[np.bool_]:
    """(N,) which rows hold NaN and nothing else."""
    if isinstance(rows, np.ndarray):
        return np.asarray(np.isnan(rows).all(axis=1))
    row_of_entry = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    num_nan = np.bincount(row_of_entry[np.isnan(rows.data)], minlength=rows.shape[0])
    return np.asarray(num_nan == rows.shape[1])


def kept(rows: HostRows, keep: NDArray[np.bool_]) -> HostRows:
    """The same with zeros in the rows that are not kept, (N,)."""
    if isinstance(rows, np.ndarray):
        return np.where(keep[:, None], rows, 0)
    entries = np.repeat(keep, np.diff(rows.indptr))
    starts = np.concatenate([[0], np.cumsum(np.diff(rows.indptr) * keep)])
    return as_csr((rows.data[entries], rows.indices[entries], starts), rows.shape)


def as_type(rows: HostRows, dtype: DTypeLike) -> HostRows:
    """The same as `dtype`; dense ones in C order."""
    return np.ascontiguousarray(rows, dtype) if isinstance(rows, np.ndarray) else rows.astype(dtype)


def dense(rows: HostRows) -> NDArray[Any]:
    """The same as an array."""
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def nothing(shape: tuple[int, int], *, may_be_sparse: bool) -> HostRows:
    """Rows of zeros, float32."""
    if may_be_sparse and pays(shape, 0):
        return as_type(as_csr(((), (), np.zeros(shape[0] + 1, np.int32)), shape), np.float32)
    return np.broadcast_to(np.float32(0), shape)  # one zero, however many rows


def num_bytes(rows: HostRows) -> int:
    """What rows take, dense or sparse; of sparse ones with what is learned of their columns, as of 64 rows."""
    if isinstance(rows, np.ndarray):
        return rows.nbytes
    return int(rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes) + dense_bytes((64, rows.shape[1]))
