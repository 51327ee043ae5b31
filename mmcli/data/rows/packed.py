"""Packed rows in memory: values that one or two bytes hold exactly, behind the protocol of `mmcli.data.rows.protocol`.

Counts up to 255 or 65,535, and pixels k / 255, take a quarter or half of the memory of float32.

N rows, D columns.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE = 64  # bytes; jax shares arrays of the host that begin at a multiple, and copies others
BLOCK_VALUES = 1 << 20  # converted at a time where rows change their form


class Form(NamedTuple):
    """A way to store values: as whole numbers, which are `divisor` times as much."""

    dtype: DTypeLike
    divisor: int

    def codes(self, values: NDArray[np.float32]) -> NDArray[Any] | None:
        """Values as whole numbers; None where one of them would not be the same again."""
        scaled = np.rint(values * np.float32(self.divisor))
        if scaled.size and not (scaled.min() >= 0 and scaled.max() <= np.iinfo(self.dtype).max):  # NaN is neither
            return None
        codes = scaled.astype(self.dtype)
        return codes if np.array_equal(self.values(codes), values) else None

    def values(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Values of whole numbers, float32."""
        values = codes.astype(np.float32)
        if self.divisor != 1:
            values /= np.float32(self.divisor)
        return values


FORMS = (Form(np.uint8, 1), Form(np.uint8, 255), Form(np.uint16, 1))  # the first that all values fit is taken


@dataclass(frozen=True)
class PackedRows:
    """(N, D) float32 values, stored in a form."""

    codes: NDArray[Any]
    form: Form

    ndim = 2
    is_sparse = False
    is_streamed = False
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        rows, columns = self.codes.shape
        return rows, columns

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that they take."""
        return self.codes.nbytes

    @property
    def num_stored(self) -> int:
        """Numbers that are kept of them."""
        return self.codes.size

    def most_entries(self, _bounds: Sequence[int]) -> int:
        """0: the rows are not sparse."""
        return 0

    def first(self, num_rows: int) -> "PackedRows":
        """The first rows, packed as all are."""
        return PackedRows(self.codes[:num_rows], self.form)

    def blocks(self, size: int) -> Iterator[NDArray[np.float32]]:
        """All rows in order, `size` at a time, fewer at the end."""
        return (self[start : start + size] for start in range(0, len(self.codes), size))

    def parts(self, bounds: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """All rows in order, those between two bounds at a time."""
        return (self[first:last] for first, last in pairwise(bounds))

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Values of some rows."""
        return self.form.values(self.codes[rows])


def joined(blocks: Iterable[NDArray[np.float32]], shape: tuple[int, int]) -> PackedRows | NDArray[np.float32]:
    """All blocks as one: packed in the first of `FORMS` that all values fit, or an array of float32 where none does.

    Beside it a block at a time is in memory; what was joined before is converted where the form changes.
    """
    forms, first = list(FORMS), 0
    whole = _aligned(shape, forms[0].dtype)
    for block in blocks:
        last = first + len(block)
        while forms and (codes := forms[0].codes(block)) is None:
            whole = _repacked(whole, first, forms)
        whole[first:last] = codes if forms else block
        first = last
    return PackedRows(whole, forms[0]) if forms else whole


def _repacked(whole: NDArray[Any], num_rows: int, forms: list[Form]) -> NDArray[Any]:
    """The first rows in the next form that they fit, or as float32; forms that they do not fit are dropped."""
    before, step = forms.pop(0), max(1, BLOCK_VALUES // whole.shape[1])
    starts = range(0, num_rows, step)
    while forms:
        packed, form = _aligned(whole.shape, forms[0].dtype), forms[0]
        for start in starts:
            rows = slice(start, min(start + step, num_rows))
            codes = form.codes(before.values(whole[rows]))
            if codes is None:
                break
            packed[rows] = codes
        else:
            return packed
        forms.pop(0)
    values = np.empty(whole.shape, np.float32)
    for start in starts:
        rows = slice(start, min(start + step, num_rows))
        values[rows] = before.values(whole[rows])
    return values


def _aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array that begins at a multiple of LINE bytes."""
    num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(num_bytes + LINE, np.uint8)
    offset = -memory.ctypes.data % LINE
    aligned: NDArray[Any] = memory[offset : offset + num_bytes].view(dtype).reshape(shape)
    return aligned
