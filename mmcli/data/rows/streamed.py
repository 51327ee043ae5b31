"""Rows that stay in a file, or are computed, and come block by block: memory does not grow with their number.

N rows, D columns.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmcli.data.rows.sparse import HostRows


@dataclass(frozen=True)
class StreamedRows:
    """(N, D) numbers in a file or of a computation, behind the protocol `mmcli.data.rows.protocol.Rows`.

    Attributes:
        shape: N and D.
        dtype: of the blocks.
        blocks: reads the file, or computes, anew: all rows in their order, so many at a time, fewer at the end.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    blocks: Callable[[int], Iterator[NDArray[Any]]]

    ndim = 2
    is_sparse = False
    is_streamed = True
    num_bytes = 0

    @property
    def num_stored(self) -> int:
        """Numbers in the file: N times D."""
        return self.shape[0] * self.shape[1]

    def most_entries(self, _bounds: Sequence[int]) -> int:
        """0: the rows are not sparse."""
        return 0

    def first(self, num_rows: int) -> "StreamedRows":
        """The first rows, in the file as all are."""

        def blocks(size: int) -> Iterator[NDArray[Any]]:
            left = shape[0]
            for block in self.blocks(size):
                yield block[:left]
                left -= len(block)
                if left <= 0:
                    return

        shape = (min(num_rows, self.shape[0]), self.shape[1])
        return StreamedRows(shape, self.dtype, blocks)

    def mapped(self, function: Callable[[NDArray[Any]], NDArray[Any]], dtype: DTypeLike) -> "StreamedRows":
        """The results (B, D) of a function of the rows of each block (B, D)."""
        return StreamedRows(self.shape, np.dtype(dtype), lambda size: map(function, self.blocks(size)))

    def parts(self, bounds: Sequence[int]) -> Iterator[NDArray[Any]]:
        """All rows in their order, those between two bounds at a time; at most two parts are in memory."""
        sizes = np.diff(bounds)
        blocks = self.blocks(int(sizes.max()))
        rest = next(blocks)
        for size in sizes.tolist():
            while len(rest) < size:
                rest = np.concatenate([rest, next(blocks)])
            yield rest[:size]
            rest = rest[size:]
        for _ in blocks:  # the end of a file is where its checksum is compared
            pass


RowSource: TypeAlias = "HostRows | StreamedRows"


def joined(blocks: Iterable[NDArray[Any]], shape: tuple[int, int], dtype: DTypeLike) -> NDArray[Any]:
    """All blocks as one array, beside which one block at a time is in memory."""
    whole = np.empty(shape, dtype)
    rest = whole
    for block in blocks:
        rest[: len(block)] = block
        rest = rest[len(block) :]
    return whole
