"""Values of data, as float32 and held to rules; the first that breaks one is told by its row and column.

N rows, D columns.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmcli.data.formats.whole_numbers import is_rounded
from mmcli.data.rows.protocol import as_block, as_rows
from mmcli.data.rows.sparse import HostRows
from mmcli.data.rows.streamed import RowSource
from mmcli.data.units import Units
from mmcli.errors import DataError
from mmcli.util.text import shown

BLOCK_VALUES = 1 << 20  # of a file that are checked at a time: 8 MiB of float64

TOO_FAR = "too far from the other values of its column for float32; mend or clip it, or drop the item"

Rule: TypeAlias = tuple[Callable[[NDArray[Any]], NDArray[np.bool_]], str]  # what it finds is wrong; the remedy


class Watcher(Protocol):
    """What looks at rows, block by block."""

    def add(self, block: HostRows, known: NDArray[np.bool_]) -> None:
        """Look at the next rows."""


class WrongValueError(DataError):
    """A value that is not fit for what hears it, in a row from 0."""

    def __init__(self, text: str, row: int) -> None:
        super().__init__(text)
        self.row = row


def checked(
    array: RowSource,
    known: NDArray[np.bool_],
    missing: str | None,
    rules: Iterable[Rule],
    *,
    precise: bool = False,
    watchers: Sequence[Watcher] = (),
) -> Iterator[HostRows]:
    """Rows as float32, zeros where not known: in blocks if they are streamed, otherwise all at once.

    Where rows of NaN are missing ones, `known` (N,) learns of them.

    Args:
        array: (N, D).
        known: (N,) which rows are there.
        missing: nan where rows of NaN are not.
        rules: that values are held to.
        precise: rows as float64 instead, always in blocks.
        watchers: look at the rows as they are stored, zeros where not known, until one breaks a rule.

    Raises:
        DataError: after the last block: of the first rule that values break, the first such value.
    """
    rounded = _Tally("beyond 2^53 float64 rounds whole numbers; subtract an offset, or scale the array")
    tallies = [(is_wrong, _Tally(remedy)) for is_wrong, remedy in rules]
    first, size = 0, len(known)
    rows_of_array = as_rows(array)
    if precise or rows_of_array.is_streamed:
        size = block_size(array)
    for block in rows_of_array.blocks(size):
        there = known[first : first + block.shape[0]]
        if missing == "nan":
            there &= ~as_block(block).all_nan()
        kept, rows = _kept(block, there, np.float64 if precise else np.float32)
        rounded.add(kept, is_rounded(as_block(kept).stored), first)
        for is_wrong, tally in tallies:
            tally.add(kept, is_wrong(as_block(rows).stored), first)
        first += block.shape[0]
        if not any(tally.found for _, tally in tallies):
            for watcher in watchers:
                watcher.add(kept, there)
        yield rows
    for tally in (rounded, *(tally for _, tally in tallies)):
        tally.refuse()


def block_size(array: RowSource) -> int:
    """How many rows of an array to look at at a time."""
    _, num_columns = array.shape
    return max(1, BLOCK_VALUES // int(num_columns))


def _kept(block: HostRows, known: NDArray[np.bool_], dtype: DTypeLike) -> tuple[HostRows, HostRows]:
    """Rows with zeros where they are not known, as they were stored and as `dtype`."""
    kept = block if known.all() else as_block(block).masked(known)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
        return kept, as_block(kept).as_type(dtype)


def converted(
    array: RowSource, known: NDArray[np.bool_], file: Path, units: Units | None, size: int
) -> Iterator[NDArray[np.float32]]:
    """The blocks of rows that were checked, float32: as they are, or in standard units, 0 where they are not known.

    Raises:
        DataError: the file has changed; after the last block: a value is too far from the others, the first such.
    """
    first, tally = 0, _Tally(TOO_FAR)
    try:
        for block in as_rows(array).blocks(size):
            there = known[first : first + block.shape[0]]
            if units is None:
                yield _kept(block, there, np.float32)[1]
            else:
                rows = as_block(as_block(block).masked(there)).dense
                tally.add(rows, units.too_far(rows) & there[:, None], first)
                yield np.where(there[:, None], units.standard(rows), np.float32(0))
            first += block.shape[0]
    except DataError as error:  # since the check
        raise DataError(error.of(shown(str(file)))) from None
    tally.refuse()


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
                row, *column = as_block(block).position(index)
                self._value, self._row = as_block(block).stored.flat[index], first_row + row
                axes = zip(("row", "column"), (self._row, *column), strict=False)
                self._where = ", ".join(f"{axis} {place}" for axis, place in axes)
            self._count += int(np.count_nonzero(wrong))

    @property
    def found(self) -> bool:
        """Whether any were."""
        return self._count > 0

    def refuse(self) -> None:
        """Raise DataError if any were."""
        if self._count:
            more = f" and {self._count - 1} more" if self._count > 1 else ""
            value = f"{self._value:g}" if isinstance(self._value, float | np.floating) else str(self._value)
            text = f"{value} at {self._where} (from 0){more}; {self._remedy}"
            raise WrongValueError(text, self._row)
