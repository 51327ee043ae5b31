"""Convert observations to float32 and validate them; report the first invalid value by row and column.

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

BLOCK_VALUES = 1 << 20  # checked at a time: 8 MiB of float64

TOO_FAR = "too far from the other values of its column for float32; mend or clip it, or drop the item"

Rule: TypeAlias = tuple[Callable[[NDArray[Any]], NDArray[np.bool_]], str]  # values -> True where wrong; the remedy


class Watcher(Protocol):
    """Accumulates statistics of rows, block by block."""

    def add(self, block: HostRows, known: NDArray[np.bool_]) -> None:
        """Add the next rows (B, D), zeros where `known` (B,) is False."""


class WrongValueError(DataError):
    """A value that is invalid for the module that observes it, in a row from 0."""

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
    """Validate rows and convert them to float32, zeros where masked: in blocks if streamed, otherwise all at once.

    Where rows of NaN are missing, `known` (N,) is updated in place.

    Args:
        array: (N, D).
        known: mask (N,), True where a row is observed.
        missing: "nan" where rows of NaN are missing.
        rules: every observed value has to pass.
        precise: rows as float64 instead, always in blocks.
        watchers: receive the rows as stored, zeros where masked, until a value breaks a rule.

    Raises:
        DataError: after the last block: the first value that breaks the first broken rule.
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
    """Number of rows of an array in a block."""
    _, num_columns = array.shape
    return max(1, BLOCK_VALUES // int(num_columns))


def _kept(block: HostRows, known: NDArray[np.bool_], dtype: DTypeLike) -> tuple[HostRows, HostRows]:
    """Rows with zeros where masked, as stored and as `dtype`."""
    kept = block if known.all() else as_block(block).masked(known)
    with np.errstate(over="ignore"):  # values that are too large become infinite, and are refused as such
        return kept, as_block(kept).as_type(dtype)


def converted(
    array: RowSource, known: NDArray[np.bool_], file: Path, units: Units | None, size: int
) -> Iterator[NDArray[np.float32]]:
    """Convert blocks of validated rows to float32, as stored or in standard units; 0 where masked.

    Raises:
        DataError: the file has changed; after the last block: the first value that is too far from the others.
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
    except DataError as error:  # the file changed after it was checked
        raise DataError(error.of(shown(str(file)))) from None
    tally.refuse()


def refuse(array: HostRows, wrong: NDArray[np.bool_], remedy: str) -> None:
    """Refuse wrong stored values of an array.

    Raises:
        WrongValueError: there are any; with the first and their number.
    """
    tally = _Tally(remedy)
    tally.add(array, wrong, 0)
    tally.refuse()


class _Tally:
    """Values that break one rule, over the blocks of an array: the first, and their number."""

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy
        self._count = 0
        self._value, self._row, self._where = 0.0, 0, ""

    def add(self, block: HostRows, wrong: NDArray[np.bool_], first_row: int) -> None:
        """Count the wrong stored values of a block."""
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
        """Whether there are any."""
        return self._count > 0

    def refuse(self) -> None:
        """Report the first wrong value.

        Raises:
            WrongValueError: there are any.
        """
        if self._count:
            more = f" and {self._count - 1} more" if self._count > 1 else ""
            value = f"{self._value:g}" if isinstance(self._value, float | np.floating) else str(self._value)
            text = f"{value} at {self._where} (from 0){more}; {self._remedy}"
            raise WrongValueError(text, self._row)
