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
        return self.array.nbytes

    @property
    def num_stored(self) -> int:
        return self.array.size

    def most_entries(self, _bounds: Sequence[int]) -> int:
        return 0

    def first(self, num_rows: int) -> NDArray[Any]:
        return self.array[:num_rows]

    def blocks(self, size: int) -> Iterator[NDArray[Any]]:
        return (self.array[start : start + size] for start in range(0, len(self.array), size))

    def parts(self, bounds: Sequence[int]) -> Iterator[NDArray[Any]]:
        return (self.array[first:last] for first, last in pairwise(bounds))

    @property
    def stored(self) -> NDArray[Any]:
        return self.array

    @property
    def dense(self) -> NDArray[Any]:
        return self.array

    def position(self, index: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(index, self.array.shape)))

    def all_nan(self) -> NDArray[np.bool_]:
        return np.asarray(np.isnan(self.array).all(axis=1))

    def masked(self, keep: NDArray[np.bool_]) -> NDArray[Any]:
        return np.where(keep[:, None], self.array, 0)

    def as_type(self, dtype: DTypeLike) -> NDArray[Any]:
        return np.ascontiguousarray(self.array, dtype)
