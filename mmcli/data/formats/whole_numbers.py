"""Whole numbers, which serve as labels and identities too: exact, or refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats.heading import Heading, content
from mmcli.errors import DataError
from mmcli.util.text import shown

Array = NDArray[Any]

EXACT = 2**53  # whole numbers up to it are exact in float64


class RoundedError(DataError):
    """Error for a whole number rounded by float64, in a text whose first line is known to be names or an item."""

    names: tuple[str, ...] | None = None


def as_whole(values: Sequence[Sequence[int]]) -> Array | None:
    """Rows of whole numbers (N, D) as int64 or uint64; None where neither holds all of them."""
    low, high = min(map(min, values)), max(map(max, values))
    for dtype in (np.int64, np.uint64):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.array(values, dtype)
    return None


def is_rounded(numbers: Array) -> NDArray[np.bool_]:
    """True where float64 does not hold a whole number exactly; all False for an array of other numbers."""
    if numbers.dtype.kind not in "iu" or numbers.dtype.itemsize < 8:
        return np.zeros(numbers.shape, bool)
    # Without casting back: the nearest float of 2**63 - 1 is 2**63, which int64 does not hold.
    low_bits = numbers & numbers.dtype.type(2**11 - 1)
    large = (numbers > EXACT) | (numbers < -EXACT) if numbers.dtype.kind == "i" else numbers > EXACT
    if not (large & (low_bits != 0)).any():
        return np.zeros(numbers.shape, bool)
    exact = [int(float(value)) == value for value in numbers[large].tolist()]
    found = np.zeros(numbers.shape, bool)
    found[large] = ~np.array(exact)
    return found


def rounded_field(field: str, column: int, line: int) -> RoundedError | None:
    """Error for a whole number that float64 rounds; None for other fields."""
    digits = field.strip()
    if not 16 <= len(digits) <= 300 or not digits.lstrip("+-").isdecimal() or int(float(digits)) == int(digits):
        return None
    where = f"{shown(digits, 40)} at column {column} (from 0)"
    return RoundedError(f"{where} is beyond 2^53, where float64 rounds whole numbers; write it smaller", line)


def first_rounded(numbers: Array, lines: Sequence[str], first: int, heading: Heading) -> RoundedError | None:
    """Error for the first whole number that float64 rounded; None where there is none."""
    large = (np.abs(numbers) >= EXACT) & np.isfinite(numbers)
    if not large.any():
        return None
    written = [(number, line) for number, line in enumerate(lines, first) if content(line)]
    for row, column in np.argwhere(large).tolist():
        number, line = written[row]
        field = content(line).split(heading.delimiter)[column]
        if (error := rounded_field(field, column, number)) is not None:
            return error
    return None
