"""Dense rows in memory: a numpy array behind the protocols of `mmcli.data.rows.protocol`.

N rows, D columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class DenseRows:
    """An array (N, D)."""

    array: NDArray[Any]

    is_sparse = False
    is_streamed = False

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that they take."""
        return self.array.nbytes

    @property
    def num_stored(self) -> int:
        """Numbers that are kept of them."""
        return self.array.size

    def most_entries(self, _bounds: Sequence[int]) -> int:
        """0: the rows are not sparse."""
        return 0

    def first(self, num_rows: int) -> NDArray[Any]:
        """The first rows, held as all are."""
        return self.array[:num_rows]

    def blocks(self, size: int) -> Iterator[NDArray[Any]]:
        """All rows in order, `size` at a time, fewer at the end."""
        return (self.array[start : start + size] for start in range(0, len(self.array), size))

    def parts(self, bounds: Sequence[int]) -> Iterator[NDArray[Any]]:
        """All rows in order, those between two bounds at a time."""
        return (self.array[first:last] for first, last in pairwise(bounds))

    @property
    def stored(self) -> NDArray[Any]:
        """All values, (N, D)."""
        return self.array

    @property
    def dense(self) -> NDArray[Any]:
        """All values, (N, D)."""
        return self.array

    def position(self, index: int) -> tuple[int, ...]:
        """Row and column of a stored value."""
        return tuple(map(int, np.unravel_index(index, self.array.shape)))

    def all_nan(self) -> NDArray[np.bool_]:
        """Rows that hold NaN and nothing else, (N,)."""
        return np.asarray(np.isnan(self.array).all(axis=1))

    def masked(self, keep: NDArray[np.bool_]) -> NDArray[Any]:
        """The rows with zeros where they are not kept."""
        return np.where(keep[:, None], self.array, 0)

    def as_type(self, dtype: DTypeLike) -> NDArray[Any]:
        """The rows as `dtype`, in C order."""
        return np.ascontiguousarray(self.array, dtype)
