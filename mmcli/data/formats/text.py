"""Text of numbers as written by numpy.savetxt and spreadsheets, plain or gzip, read in blocks of lines.

A line is an item. Numbers are separated by white space, or by commas or semicolons where the first lines have them;
between semicolons a comma is a decimal comma. `#` begins a comment; blank lines are skipped. Module `heading` decides
whether the first line names the columns.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats.heading import (
    Evidence,
    Heading,
    content,
    decimal,
    doubt,
    is_number,
    may_name,
    read_heading,
    refuse_mixed_decimals,
    split,
    undecided,
)
from mmcli.data.formats.lines import blocks, contents
from mmcli.data.formats.whole_numbers import RoundedError, as_whole, first_rounded, rounded_field
from mmcli.errors import DataError
from mmcli.util.progress import watched
from mmcli.util.text import shown

Array = NDArray[Any]

SAMPLE_SIZE = 4096  # bytes, enough to distinguish text from binary data
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r"))
_EXACT_FLOAT32 = 2**24  # whole numbers up to it are exact in float32


class Table(NamedTuple):
    """Numbers of a text (N, D), and the names of its columns; None where the first line is an item."""

    array: Array
    names: tuple[str, ...] | None


def is_text(start: bytes) -> bool:
    """Whether a file that begins with these bytes can be text."""
    return bool(start) and len(start.translate(None, _CONTROLS)) == len(start)


def read_table(file: Path, header: bool | None = None) -> Table:
    """Read all numbers of a text: float32, or float64 where float32 does not hold some of them.

    Only whole numbers, some of which float64 would round, become int64 or uint64.

    Args:
        file: plain or gzip.
        header: whether the first line names the columns; None: decided by all lines.

    Raises:
        DataError: what is wrong, without the name of the file, with the line.
    """
    try:
        return _read_floats(file, header)
    except RoundedError as error:
        array = _read_whole(file, _heading(file, header), slice(None), error.names is not None)
        if array is None:
            raise DataError(f"{error.text}, or name one column by key", error.line) from None
        return Table(array, error.names)


def read_column(file: Path, index: int, header: bool | None = None) -> Array:
    """Read one column of numbers (N, 1), whatever the others hold; they may be text.

    Raises:
        DataError: as `read_table`.
    """
    heading = _heading(file, header)
    with_names = _names(file, header) is not None
    values: list[float] = []
    signs = heading.decimal_signs
    rounded: RoundedError | None = None
    for number, fields in _rows(file, heading, with_names):
        field = fields[index]
        refuse_mixed_decimals([field], number, heading, signs)
        field = decimal(field, heading.delimiter)
        if not is_number(field):
            raise _no_number(field, index, number, heading)
        values.append(float(field))
        rounded = rounded or rounded_field(field, index, number)
    if not values:
        raise DataError("no numbers in it; write an item a line")
    if rounded is not None:
        whole = _read_whole(file, heading, slice(index, index + 1), with_names)
        if whole is None:
            raise rounded
        return whole
    return _narrow(np.array(values)[:, None])


def column_names(file: Path, header: bool | None = None) -> tuple[str, ...] | None:
    """Names of the columns; None where the first line is an item.

    Raises:
        DataError: as `read_table`.
    """
    try:
        return _names(file, header)
    except _NoLineError:
        return None


def is_decided(file: Path, header: bool | None) -> bool:
    """Whether the first line alone decides if it names the columns, so that `column_names` reads no further.

    Raises:
        DataError: as `read_table`.
    """
    try:
        return _heading(file, header).is_names is not None
    except _NoLineError:
        return True


def heading_doubt(file: Path, table: Table) -> str | None:
    """Remark, file:line: text, on a first line read as an item of a table that may name its columns; else None.

    Raises:
        DataError: as `read_table`.
    """
    heading = _heading(file, None)
    if table.names is not None or not may_name(heading, table.array):
        return None
    return f"{shown(str(file))}:{heading.line}: {doubt(heading, len(table.array) - 1)}"


def line_of(file: Path, row: int, header: bool | None = None) -> int | None:
    """Line, from 1, that holds a row, from 0; None where there is none.

    Raises:
        DataError: as `read_table`.
    """
    left = row + (column_names(file, header) is not None)
    numbers = (number for number, _ in contents(file))
    return next(islice(numbers, left, None), None)


class _NoLineError(DataError):
    """Error for a text in which no line has content."""


def _names(file: Path, header: bool | None) -> tuple[str, ...] | None:
    """Names of the columns; None where the first line is an item."""
    heading = _heading(file, header)
    if heading.is_names is None:
        try:
            return _read_floats(file, header).names
        except RoundedError as error:
            return error.names
    return heading.fields if heading.is_names else None


def _heading(file: Path, header: bool | None) -> Heading:
    """Heading of a text.

    Raises:
        DataError: no line has content, or a name is missing.
    """
    first = list(islice(contents(file), 2))
    if not first:
        raise _NoLineError("no numbers in it; write an item a line")
    (number, line), *below = first
    return read_heading(line, below[0][1] if below else "", number, header)


def _read_floats(file: Path, header: bool | None) -> Table:
    """Read a table as floats, as `read_table` does.

    Raises:
        RoundedError: a whole number is rounded.
        DataError: as in `read_table`.
    """
    heading = _heading(file, header)
    evidence = Evidence(heading) if heading.is_names is None else None
    # The first row is reserved for a first line that may be an item.
    num_free = int(evidence is not None)
    rows, num_rows = np.empty((num_free, heading.num_columns), np.float32), num_free
    signs = heading.decimal_signs
    rounded: RoundedError | None = None
    with blocks(file) as text, watched(file, file.stat().st_size) as advance:
        for block in text:
            advance(block.num_bytes)
            lines, number = block.lines, block.first
            if heading.is_names is not False and number <= heading.line:
                lines, number = lines[heading.line + 1 - number :], max(number, heading.line + 1)
            if not any(map(content, lines)):  # numpy would only warn
                continue
            refuse_mixed_decimals(lines, number, heading, signs)
            numbers = _numbers(lines, heading)
            if numbers is None:
                raise _fault(lines, number, heading)
            rounded = rounded or first_rounded(numbers, lines, number, heading)
            if evidence is not None:
                evidence.add(numbers, lines)
            numbers = _narrow(numbers)
            rows = _with_room(rows, num_rows + len(numbers), numbers.dtype)
            rows[num_rows : num_rows + len(numbers)] = numbers
            num_rows += len(numbers)
    is_names = heading.is_names if evidence is None else evidence.verdict()
    if is_names is None:
        raise undecided(heading, num_rows - num_free)
    names = heading.fields if is_names else None
    if rounded is not None:
        rounded.names = names
        raise rounded
    if num_free and not is_names:
        first = _narrow(np.array([[float(decimal(field, heading.delimiter)) for field in heading.fields]]))
        rows = _with_room(rows, num_rows, first.dtype)
        rows[:1] = first
        num_free = 0
    if num_rows == num_free:
        raise DataError("no numbers in it; write an item a line")
    rows.resize((num_rows, rows.shape[1]), refcheck=False)
    return Table(rows[num_free:], names)


def _numbers(lines: Sequence[str], heading: Heading) -> Array | None:
    """(N, D) float64 of lines that have content; None where one contradicts the heading."""
    if heading.delimiter == ";":
        lines = [decimal(line, ";") for line in lines]
    try:
        numbers: Array = np.loadtxt(lines, delimiter=heading.delimiter, comments="#", ndmin=2)
    except ValueError:
        return None
    return numbers if numbers.shape[1] == heading.num_columns else None


def _narrow(numbers: Array) -> Array:
    """Same numbers in float32 where it holds each of them; small differences of large decimals are lost in float32."""
    if (np.abs(numbers) > _EXACT_FLOAT32).any():
        return numbers
    narrow = numbers.astype(np.float32)
    return narrow if np.array_equal(narrow, numbers, equal_nan=True) else numbers


def _with_room(rows: Array, num_rows: int, dtype: np.dtype[Any]) -> Array:
    """Array enlarged to `num_rows` or more, of a type that holds its values and those of `dtype`."""
    if np.promote_types(rows.dtype, dtype) != rows.dtype:
        rows = rows.astype(dtype)
    if num_rows > len(rows):
        # In place, where the system can move pages instead of copying.
        rows.resize((num_rows + num_rows // 8, rows.shape[1]), refcheck=False)
    return rows


def _rows(file: Path, heading: Heading, with_names: bool) -> Iterator[tuple[int, list[str]]]:
    """Fields of each item, and the number of its line.

    Raises:
        DataError: an item has more or fewer fields than the heading.
    """
    for number, line in islice(contents(file), int(with_names), None):
        fields = split(line.strip(), heading.delimiter)
        if len(fields) != heading.num_columns:  # a # within text begins no comment, if the number of fields is right
            fields = split(content(line), heading.delimiter)
        if len(fields) != heading.num_columns:
            raise _ragged(len(fields), number, heading)
        yield number, [content(field) for field in fields]


def _read_whole(file: Path, heading: Heading, columns: slice, with_names: bool) -> Array | None:
    """Columns of whole numbers only, int64 or uint64; None where some are not whole, or fit in neither."""
    values: list[list[int]] = []
    for _, fields in _rows(file, heading, with_names):
        if not all(field.lstrip("+-").isdecimal() and len(field) <= 40 for field in fields[columns]):
            return None
        values.append([int(field) for field in fields[columns]])
    return as_whole(values)


def _fault(lines: Sequence[str], number: int, heading: Heading) -> DataError:
    """Error for the first wrong line, of which there is one; `number` is that of the first line."""
    while len(lines) > 1:
        half = len(lines) // 2
        before = lines[:half]
        if any(map(content, before)) and _numbers(before, heading) is None:
            lines = before
        else:
            lines, number = lines[half:], number + half
    fields = content(lines[0]).split(heading.delimiter)
    for column, field in enumerate(fields):
        if not is_number(decimal(field, heading.delimiter)):
            return _no_number(field, column, number, heading)
    return _ragged(len(fields), number, heading)


def _no_number(field: str, column: int, line: int, heading: Heading) -> DataError:
    """Error for a field that is no number."""
    what = shown(field.strip(), 40) or "nothing"
    if "," in field.strip() or ("\t" in field.strip() and heading.delimiter == ","):
        remedy = "between decimal commas numbers are separated by semicolons"
    else:
        remedy = "write numbers (nan where one is missing)"
        remedy += ", or nothing but names" if line == heading.line else ""
        remedy += "; or name another column by key" if heading.is_names and heading.num_columns > 1 else ""
    return DataError(f"{what} at column {column} (from 0) is no number; {remedy}", line=line)


def _ragged(size: int, line: int, heading: Heading) -> DataError:
    """Error for a row of another length."""
    text = f"{size} in a row, but {heading.num_columns} in line {heading.line}"
    return DataError(f"{text}; every item has as many numbers", line=line)
