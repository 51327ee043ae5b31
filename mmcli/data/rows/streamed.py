"""Rows that stay in a file and come block by block, so that memory does not grow with their number.

N rows, D columns.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmcli.data.rows.sparse import HostRows


@dataclass(frozen=True)
class StreamedRows:
    """(N, D) numbers in a file.

    Attributes:
        shape: N and D.
        dtype: of the blocks.
        blocks: reads the file anew: all rows in their order, so many at a time, fewer at the end.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    blocks: Callable[[int], Iterator[NDArray[Any]]]

    ndim = 2

    def first(self, num_rows: int) -> "StreamedRows":
        """The same of the first rows."""

        def blocks(size: int) -> Iterator[NDArray[Any]]:
            left = shape[0]
            for block in self.blocks(size):
                yield block[:left]
                left -= len(block)
                if left <= 0:
                    return

        shape = (min(num_rows, self.shape[0]), self.shape[1])
        return StreamedRows(shape, self.dtype, blocks)


class Forms(NamedTuple):
    """The same rows twice, where some modules take them as they are and others in standard units."""

    plain: Any  # (N, D) rows of any kind
    standard: Any

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        rows, columns = self.plain.shape
        return rows, columns


RowSource: TypeAlias = "HostRows | StreamedRows"
SentRows: TypeAlias = "HostRows | StreamedRows | Forms"


def first(rows: SentRows, num_rows: int) -> SentRows:
    """The same of the first rows."""
    if isinstance(rows, Forms):
        return Forms(first(rows.plain, num_rows), first(rows.standard, num_rows))
    return rows.first(num_rows) if isinstance(rows, StreamedRows) else rows[:num_rows]


def blocks_of(rows: SentRows, size: int) -> Iterator[Any]:
    """All rows in their order, `size` at a time, fewer at the end."""
    if isinstance(rows, Forms):
        return map(Forms, blocks_of(rows.plain, size), blocks_of(rows.standard, size))
    if isinstance(rows, StreamedRows):
        return rows.blocks(size)
    return (rows[start : start + size] for start in range(0, rows.shape[0], size))


def parts_of(rows: SentRows, bounds: Sequence[int]) -> Iterator[Any]:
    """All rows in their order, those between two bounds at a time.

    Args:
        rows: N of them.
        bounds: 0, ascending, N.
    """
    if isinstance(rows, Forms):
        return map(Forms, parts_of(rows.plain, bounds), parts_of(rows.standard, bounds))
    if isinstance(rows, StreamedRows):
        return _recut(rows.blocks(max(1, int(np.diff(bounds).max(initial=1)))), np.diff(bounds).tolist())
    return (rows[first:last] for first, last in pairwise(bounds))


def _recut(blocks: Iterator[NDArray[Any]], sizes: Iterable[int]) -> Iterator[NDArray[Any]]:
    """The rows of all blocks in parts of other sizes; at most two blocks are in memory at a time."""
    rest = next(blocks)
    for size in sizes:
        while len(rest) < size:
            rest = np.concatenate([rest, next(blocks)])
        yield rest[:size]
        rest = rest[size:]
    for _ in blocks:  # the end of a file is where its checksum is compared
        pass


def joined(blocks: Iterable[NDArray[Any]], shape: tuple[int, int], dtype: DTypeLike) -> NDArray[Any]:
    """What all blocks hold as one array, beside which one block at a time is in memory."""
    whole = np.empty(shape, dtype)
    rest = whole
    for block in blocks:
        rest[: len(block)] = block
        rest = rest[len(block) :]
    return whole
