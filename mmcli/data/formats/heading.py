"""First line of a table of text: names of its columns, or an item.

A line of numbers may be either: pandas numbers the columns of an array 0, 1, ..., and years and frequencies are names
of columns too. All lines of a file decide, and where both readings are possible neither is chosen.

D columns; M lines below the first.
"""

import csv
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import DataError
from mmcli.util.text import shown

Array = NDArray[Any]

# Lines below the first from which on it stands apart by more than chance: an item that is the only one of a kind stands
# first once in M + 1 times, and has to be of the form of names besides.
_ENOUGH = 10
_LONG_RUN = 10  # columns; no item is 0, 1, ..., 9 by chance
_WHOLE = re.compile("0|[1-9][0-9]*")  # spelling of a column's number
_UNSIGNED = re.compile("[0-9]+(?:[.][0-9]+)?")
_NAME = re.compile(r"[^\W\d][\w .-]*")
_MISSING = frozenset({"na", "n/a", "nan", "null", "none", "inf", "infinity"})  # spellings of a missing number
_WHOLE_INSIDE = re.compile(r"(?<![^\s,;])[+-]?[0-9]+(?![^\s,;])")
_OTHER_INSIDE = re.compile("[.A-Za-z]")


class Heading(NamedTuple):
    """The first line that is neither blank nor a comment.

    Attributes:
        delimiter: between fields; None is white space.
        fields: of the line, without quotes.
        line: its number, from 1.
        is_names: whether the fields name the columns; None where all lines have to decide.
    """

    delimiter: str | None
    fields: tuple[str, ...]
    line: int
    is_names: bool | None

    @property
    def num_columns(self) -> int:
        """Number of columns."""
        return len(self.fields)

    @property
    def decimal_signs(self) -> set[str]:
        """Decimal signs of a first line that may be an item, as a new set."""
        return set() if self.is_names or self.delimiter != ";" else {",", "."}.intersection("".join(self.fields))


def content(line: str) -> str:
    """Line without its comment and surrounding space."""
    return line.partition("#")[0].strip()


def split(line: str, delimiter: str | None) -> list[str]:
    """Fields of a line; a quoted one may hold the delimiter."""
    if delimiter is None:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a field of more than 128 KiB
        return line.split(delimiter)


def read_heading(line: str, below: str, number: int, header: bool | None) -> Heading:
    """Read the heading of a text.

    Args:
        line: the first with content.
        below: the next with content, or "".
        number: of the first, from 1.
        header: whether it names the columns; None: undecided.

    Raises:
        DataError: a name is missing.
    """
    line = content(line)
    delimiter = next((sign for sign in ";," if sign in line and (not below or sign in below)), None)
    if delimiter is None and "," in line:
        delimiter = ","
    written = line.split(delimiter)
    quoted = all(len(field.strip()) > 1 and field.strip()[0] == field.strip()[-1] == '"' for field in written)
    fields = tuple(field.strip().strip('"') for field in (split(line, delimiter) if '"' in line else written))
    is_names = header
    if header is None:
        is_names = True if quoted else _are_names([decimal(field, delimiter) for field in fields])
    if is_names and "" in fields:
        remedy = "name every column (pandas: index=False), or none"
        raise DataError(f"column {fields.index('')} (from 0) has no name; {remedy}", line=number)
    heading = Heading(delimiter, fields, number, is_names)
    refuse_mixed_decimals((), number, heading, heading.decimal_signs)
    return heading


def decimal(field: str, delimiter: str | None) -> str:
    """Field with a decimal point in place of the decimal comma that stands between semicolons."""
    return field.replace(",", ".") if delimiter == ";" else field


def refuse_mixed_decimals(lines: Sequence[str], first: int, heading: Heading, signs: set[str]) -> None:
    """Refuse decimal commas and points in one file with semicolons; `signs` accumulates those seen.

    With both, 1.234 may be more than a thousand.

    Raises:
        DataError: both occur.
    """
    if heading.delimiter != ";":
        return
    for number, line in enumerate(lines or [""], first):
        signs.update({",", "."}.intersection(content(line)))
        if len(signs) > 1:
            raise DataError("decimal commas and points in one file; write all numbers with points", line=number)


def is_number(field: str) -> bool:
    """Whether numpy reads a field as a number, which excludes 1_000 and digits of other scripts, unlike Python."""
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field


def _are_names(fields: Sequence[str]) -> bool | None:
    """Whether the fields of a first line are names; None where the line alone does not decide."""
    numbers = [field for field in fields if is_number(field)]
    if not numbers:
        return True
    others = [field for field in fields if not is_number(field)]
    if others:
        is_run = len(numbers) > 1 and numbers == [str(number) for number in range(len(numbers))]
        # An index of pandas has no name; it is refused with a remedy.
        is_named = all(_NAME.fullmatch(field) and field.lower() not in _MISSING for field in others) or others == [""]
        return is_run and is_named
    if not all(map(_UNSIGNED.fullmatch, numbers)) or (len(numbers) == 1 and not _WHOLE.fullmatch(numbers[0])):
        return False
    values = list(map(float, numbers))
    return None if all(one < other for one, other in pairwise(values)) else False


class Evidence:
    """Evidence of the lines below a first line of ascending numbers, on whether that names the columns."""

    def __init__(self, heading: Heading) -> None:
        fields = [decimal(field, heading.delimiter) for field in heading.fields]
        self._values = np.array(fields, float)  # (D,)
        self._is_whole = all(map(_WHOLE.fullmatch, fields))
        self._num_rows = 0
        self._has_whole = self._has_other = self._ascends = False
        self._low, self._high = np.full(len(fields), np.inf), np.full(len(fields), -np.inf)

    def add(self, numbers: Array, lines: Sequence[str]) -> None:
        """Add the numbers (R, D) of lines, and their spelling."""
        self._num_rows += len(numbers)
        if not (self._has_whole and self._has_other):
            text = "\n".join(lines)
            if "#" in text:
                text = "\n".join(map(content, lines))
            # A number has one point at most: with as many as numbers, none is written whole, and no search is needed.
            all_points = text.count(".") == numbers.size
            self._has_whole = self._has_whole or not (all_points or _WHOLE_INSIDE.search(text) is None)
            self._has_other = self._has_other or bool(_OTHER_INSIDE.search(text))
        if numbers.shape[1] > 1:
            self._ascends = self._ascends or bool((np.diff(numbers, axis=1) > 0).all(axis=1).any())
        self._low = np.fmin(self._low, np.fmin.reduce(numbers, axis=0))
        self._high = np.fmax(self._high, np.fmax.reduce(numbers, axis=0))

    def verdict(self) -> bool | None:
        """Whether the first line names the columns; None where it may be an item as well."""
        if not self._num_rows:
            return False
        is_run = self._is_whole and bool((np.diff(self._values) == 1).all())
        # Whole numbers above others, or the reverse: no writer spells one item differently from all the rest.
        is_other_form = not self._has_whole if self._is_whole else not self._has_other
        if len(self._values) == 1:  # 0 above whole numbers is the first of many labels, if another 0 follows
            is_name = self._values[0] == 0 and not self._low <= 0 <= self._high and self._num_rows >= _ENOUGH
            return None if self._is_whole and (is_other_form or is_name) else False
        if is_run and self._values[0] == 0:
            return self._verdict_from_zero(is_other_form)
        return self._verdict_ascending(is_run, is_other_form)

    def _verdict_from_zero(self, is_other_form: bool) -> bool | None:
        """Verdict for 0, 1, ..., as pandas writes, and as an item may be."""
        size, is_enough = len(self._values), self._num_rows >= _ENOUGH
        is_alone = size > 2 and not self._ascends and (is_enough or size >= _LONG_RUN)
        return True if is_alone or (is_other_form and is_enough) else None

    def _verdict_ascending(self, is_run: bool, is_other_form: bool) -> bool | None:
        """Verdict for years, frequencies, and any item that ascends."""
        size, is_enough = len(self._values), self._num_rows >= _ENOUGH
        if self._is_whole and is_other_form:
            return True if size > 2 and is_enough else None
        if self._ascends or size < 3:
            return False
        if not ((self._values < self._low) | (self._values > self._high)).all():
            return None if is_run and is_enough else False
        if is_run and is_enough:
            return True
        return None if is_other_form or is_enough else False


def may_name(heading: Heading, table: Array) -> bool:
    """Whether a first line of numbers, read as the first item of a table (M + 1, D), may name the columns as well.

    A single 0 may, as pandas writes it above one column, and numbers outside the range of all below.
    """
    values, below = table[0], table[1:]
    if heading.is_names is not None or not len(below):
        return False
    if heading.fields == ("0",):
        return True
    is_outside = (values < np.fmin.reduce(below)) | (values > np.fmax.reduce(below))
    return len(below) >= _ENOUGH and bool(is_outside.all())


def undecided(heading: Heading, num_rows: int) -> DataError:
    """Error for a first line that may be either, above `num_rows` items."""
    return DataError(f"{_both_readings(heading, num_rows)}; set {_REMEDY}", line=heading.line)


def doubt(heading: Heading, num_rows: int) -> str:
    """Remark on a first line that is read as an item and `may_name` the columns of the `num_rows` items below."""
    return f"{_both_readings(heading, num_rows)}; read as an item; {_REMEDY} decides"


_REMEDY = "header: true or header: false (--header or --no-header of mmcli data)"


def _both_readings(heading: Heading, num_rows: int) -> str:
    line = shown(",".join(heading.fields), 40)
    return f"{line} may name the columns of {num_rows} items, or be the first of {num_rows + 1}"
