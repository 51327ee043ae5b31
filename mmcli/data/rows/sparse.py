"""Sparse rows in memory: scipy's csr_array behind the protocols of `mmcli.data.rows.protocol`, and when it pays.

N rows, V columns, E entries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HostRows: TypeAlias = "NDArray[Any] | csr_array"

# What keeps rows sparse. Updates of the MLDA take as long on dense ones where 5 % of the values are not zero, or up to
# 10 % with many topics (benchmarks/sparse_or_dense.py); of few values either takes a moment.
MOST_SHARE, FEW_VALUES = 0.05, 1e6
MAX_DENSE = 2**31  # bytes; what is more is never made dense


@dataclass(frozen=True)
class SparseRows:
    """A csr_array (N, V) of sorted indices."""

    matrix: Any

    is_sparse = True
    is_streamed = False

    @property
    def shape(self) -> tuple[int, int]:
        """N and V."""
        num_rows, num_columns = self.matrix.shape
        return num_rows, num_columns

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that they take."""
        # What modules learn of each column is counted as 64 dense rows.
        arrays = (self.matrix.data, self.matrix.indices, self.matrix.indptr)
        return sum(int(array.nbytes) for array in arrays) + dense_bytes((64, self.shape[1]))

    @property
    def num_stored(self) -> int:
        """Numbers that are kept of them."""
        return int(self.matrix.nnz)

    def most_entries(self, bounds: Sequence[int]) -> int:
        """Most entries between two bounds, at least 1."""
        return int(np.diff(self.matrix.indptr[list(bounds)]).max(initial=1))

    def first(self, num_rows: int) -> "csr_array":
        """The first rows, held as all are."""
        return self.matrix[:num_rows]

    def blocks(self, size: int) -> "Iterator[csr_array]":
        """All rows in order, `size` at a time, fewer at the end."""
        return (self.matrix[start : start + size] for start in range(0, self.shape[0], size))

    def parts(self, bounds: Sequence[int]) -> "Iterator[csr_array]":
        """All rows in order, those between two bounds at a time."""
        return (self.matrix[first:last] for first, last in pairwise(bounds))

    @property
    def stored(self) -> NDArray[Any]:
        """Entries, in the order of the rows."""
        entries: NDArray[Any] = self.matrix.data
        return entries

    @property
    def dense(self) -> NDArray[Any]:
        """All values, (N, D)."""
        rows: NDArray[Any] = self.matrix.toarray()
        return rows

    def position(self, index: int) -> tuple[int, ...]:
        """Row and column of a stored value."""
        row = int(np.searchsorted(self.matrix.indptr, index, side="right")) - 1
        return row, int(self.matrix.indices[index])

    def all_nan(self) -> NDArray[np.bool_]:
        """Rows that hold NaN and nothing else, (N,)."""
        num_rows, num_columns = self.shape
        row_of_entry = np.repeat(np.arange(num_rows), np.diff(self.matrix.indptr))
        num_nan = np.bincount(row_of_entry[np.isnan(self.matrix.data)], minlength=num_rows)
        return np.asarray(num_nan == num_columns)

    def masked(self, keep: NDArray[np.bool_]) -> "csr_array":
        """The rows with zeros where they are not kept."""
        entries = np.repeat(keep, np.diff(self.matrix.indptr))
        starts = np.concatenate([[0], np.cumsum(np.diff(self.matrix.indptr) * keep)])
        return as_csr((self.matrix.data[entries], self.matrix.indices[entries], starts), self.shape)

    def as_type(self, dtype: DTypeLike) -> "csr_array":
        """The rows as `dtype`."""
        return self.matrix.astype(dtype)


def as_csr(matrix: Any, shape: tuple[int, int] | None = None) -> "csr_array":
    """A csr_array of float64 from any matrix of scipy: sorted, each entry once and none of them zero."""
    from scipy.sparse import csr_array  # takes as long as all else that a command imports

    rows = csr_array(matrix, shape=shape, dtype=np.float64, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def pays(shape: tuple[int, int], num_entries: int) -> bool:
    """Whether rows are better sparse: many values, few of them not zero, or too many to be dense at all."""
    num_values = shape[0] * shape[1]
    few = num_values < FEW_VALUES or num_entries > MOST_SHARE * num_values
    return not few or dense_bytes(shape) > MAX_DENSE


def dense_bytes(shape: tuple[int, int]) -> int:
    """Size of (N, V) float32."""
    return 4 * shape[0] * shape[1]


def zeros(shape: tuple[int, int], *, may_be_sparse: bool) -> HostRows:
    """Rows of zeros, float32."""
    if may_be_sparse and pays(shape, 0):
        return as_csr(((), (), np.zeros(shape[0] + 1, np.int32)), shape).astype(np.float32)
    return np.broadcast_to(np.float32(0), shape)  # one zero, however many rows
