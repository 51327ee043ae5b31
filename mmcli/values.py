"""Values of data, as float32 and held to rules; the first that breaks one is told by its row and column.

N rows, D columns.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmcli import sparse, streamed
from mmcli.errors import DataError
from mmcli.formats.whole_numbers import is_rounded
from mmcli.sparse import HostRows
from mmcli.streamed import RowSource, StreamedRows
from mmcli.wording import shown

BLOCK_VALUES = 1 << 20  # of a file that are checked at a time: 8 MiB of float64

Rule: TypeAlias = tuple[Callable[[NDArray[np.float32]], NDArray[np.bool_]], str]  # what it finds is wrong; the remedy


class WrongValueError(DataError):
    """A value that is not fit for what hears it, in a row from 0."""

    def __init__(self, text: str, row: int) -> None:
        super().__init__(text)
        self.row = row


def checked(
    array: RowSource, known: NDArray[np.bool_], missing: str | None, rules: Iterable[Rule]
) -> Iterator[HostRows]:
    """Rows as float32, zeros where not known: in blocks if they are streamed, otherwise all at once.

    Where rows of NaN are missing ones, `known` (N,) learns of them.

    Raises:
        DataError: after the last block: of the first rule that values break, the first such value.
    """
    rounded = _Tally("beyond 2^53 float64 rounds whole numbers; subtract an offset, or scale the array")
    tallies = [(is_wrong, _Tally(remedy)) for is_wrong, remedy in rules]
    first, size = 0, len(known)
    if isinstance(array, StreamedRows):
        size = max(1, BLOCK_VALUES // array.shape[1])
    for block in streamed.blocks_of(array, size):
        there = known[first : first + block.shape[0]]
        if missing == "nan":
            there &= ~sparse.all_nan(block)
        kept, rows = _as_float32(block, there)
        rounded.add(kept, is_rounded(sparse.stored(kept)), first)
        for is_wrong, tally in tallies:
            tally.add(kept, is_wrong(sparse.stored(rows)), first)
        first += block.shape[0]
        yield rows
    for tally in (rounded, *(tally for _, tally in tallies)):
        tally.refuse()


def _as_float32(block: HostRows, known: NDArray[np.bool_]) -> tuple[HostRows, HostRows]:
    """Rows with zeros where they are not known, as they were stored and as float32."""
    kept = block if known.all() else sparse.kept(block, known)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
        return kept, sparse.as_float32(kept)


def converted(array: StreamedRows, known: NDArray[np.bool_], file: Path, size: int) -> Iterator[NDArray[np.float32]]:
    """The blocks of rows that were checked, float32."""
    first = 0
    try:
        for block in array.blocks(size):
            yield _as_float32(block, known[first : first + len(block)])[1]
            first += len(block)
    except DataError as error:  # since the check
        raise DataError(error.of(shown(str(file)))) from None


def refuse(array: HostRows, wrong: NDArray[np.bool_], remedy: str) -> None:
    """Raise DataError with the first of the wrong ones of an array's stored values, if there are any."""
    tally = _Tally(remedy)
    tally.add(array, wrong, 0)
    tally.refuse()


class _Tally:
    """Values that are wrong for one reason: the first, and how many, over the blocks of an array."""

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy
        self._count = 0
        self._value, self._row, self._where = 0.0, 0, ""

    def add(self, block: HostRows, wrong: NDArray[np.bool_], first_row: int) -> None:
        """Count the wrong ones of a block's stored values."""
        if wrong.any():
            if not self._count:
                index = int(np.argmax(wrong))
                row, *column = sparse.position(block, index)
                self._value, self._row = sparse.stored(block).flat[index], first_row + row
                axes = zip(("row", "column"), (self._row, *column), strict=False)
                self._where = ", ".join(f"{axis} {place}" for axis, place in axes)
            self._count += int(np.count_nonzero(wrong))

    def refuse(self) -> None:
        """Raise DataError if any were."""
        if self._count:
            more = f" and {self._count - 1} more" if self._count > 1 else ""
            value = f"{self._value:g}" if isinstance(self._value, float | np.floating) else str(self._value)
            text = f"{value} at {self._where} (from 0){more}; {self._remedy}"
            raise WrongValueError(text, self._row)
