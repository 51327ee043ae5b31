"""Text of numbers as numpy.savetxt and spreadsheets write it, plain or gzip, read in blocks of lines.

A line is an item. Numbers stand between white space, or between commas where the first line has one; `#` begins a
comment; blank lines count for nothing. A first line of names, none of them a number, names the columns.
"""

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase, IncrementalNewlineDecoder
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import DataError
from mmcli.formats.opening import GZIP_MAGIC, opened, refuse_bomb, unpacked
from mmcli.watching import watched
from mmcli.wording import shown

Array = NDArray[Any]

SAMPLE_SIZE = 4096  # bytes that tell text from what is none
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r"))
_BLOCK = 1 << 20  # bytes; strings of one number each take fifty times the space
_LONGEST = 16 << 20  # characters of a line
_EXACT = 2**24  # whole numbers up to it are exact in float32


class _Heading(NamedTuple):
    """What the first line that says something says of all."""

    delimiter: str | None
    names: tuple[str, ...] | None  # of the columns; None where the first line is an item
    num_columns: int
    line: int  # where it stands, from 1


class _Lines(NamedTuple):
    """Lines of a text, without their ends."""

    first: int  # the number of the first, from 1
    lines: Sequence[str]
    num_bytes: int  # of the file, read so far


def is_text(start: bytes) -> bool:
    """Whether a file that begins so can be text."""
    return bool(start) and len(start.translate(None, _CONTROLS)) == len(start)


def read_text(file: Path) -> Array:
    """All numbers of a text, (N, D): float32, or float64 where there are some that float32 does not hold.

    Raises:
        DataError: what is wrong, without the name of the file, with the line.
    """
    heading, rows, num_rows = None, np.empty((0, 0), np.float32), 0
    with _text(file) as text, watched(file, file.stat().st_size) as advance:
        for block in text:
            advance(block.num_bytes)
            lines, number = block.lines, block.first
            if heading is None:
                skipped = next((index for index, line in enumerate(lines) if _fields(line)), len(lines))
                lines, number = lines[skipped:], number + skipped
                if not lines:
                    continue
                heading = _heading(lines[0], number)
                rows = np.empty((0, heading.num_columns), np.float32)
                if heading.names is not None:
                    lines, number = lines[1:], number + 1
            if not any(map(_fields, lines)):  # numpy would warn
                continue
            numbers = _numbers(lines, heading)
            if numbers is None:
                raise _fault(lines, number, heading)
            rows = _with_room(rows, num_rows + len(numbers), numbers.dtype)
            rows[num_rows : num_rows + len(numbers)] = numbers
            num_rows += len(numbers)
    if not num_rows:
        raise DataError("no numbers in it; write an item a line")
    rows.resize((num_rows, rows.shape[1]), refcheck=False)
    return rows


def column_names(file: Path) -> tuple[str, ...] | None:
    """The names of the columns; None where the first line is an item.

    Raises:
        DataError: as `read_text`.
    """
    with _text(file) as text:
        for block in text:
            for number, line in enumerate(block.lines, block.first):
                if _fields(line):
                    return _heading(line, number).names
    return None


def line_of(file: Path, row: int) -> int | None:
    """The line, from 1, that holds a row, from 0; None where there is none.

    Raises:
        DataError: as `read_text`.
    """
    left = row + (column_names(file) is not None)
    with _text(file) as text:
        for block in text:
            for number, line in enumerate(block.lines, block.first):
                left -= bool(_fields(line))
                if left < 0:
                    return number
    return None


@contextmanager
def _text(file: Path) -> Iterator[Iterator[_Lines]]:
    with opened(file) as stream:
        is_gzip = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        stream.seek(0)
        if not is_gzip:
            yield _blocks(stream, stream, is_gzip=False)
            return
        with unpacked(stream) as inside:
            yield _blocks(inside, stream, is_gzip=True)


def _blocks(stream: BufferedIOBase, raw: BufferedIOBase, *, is_gzip: bool) -> Iterator[_Lines]:
    """The lines of a stream, whatever ends them; `raw` is what the file itself has been read by."""
    decoder = IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    number, num_read, rest, is_last = 1, 0, "", False
    while not is_last:
        content = stream.read(_BLOCK)
        num_read, is_last = num_read + len(content), not content
        if is_gzip:
            refuse_bomb(num_read, raw.tell(), "gunzip it first")
        said = rest + decoder.decode(content, final=is_last)
        if said.isspace():  # splitting millions of blank lines takes long
            number, rest = number + said.count("\n"), ""
            continue
        *lines, rest = said.split("\n")
        if len(rest) > _LONGEST:
            raise DataError(f"longer than {_LONGEST >> 20} MB; an item is a line", line=number + len(lines))
        yield _Lines(number, [*lines, rest] if is_last else lines, raw.tell())
        number += len(lines)


def _fields(line: str) -> str:
    """What a line says, without comment and the space around it."""
    return line.partition("#")[0].strip()


def _heading(line: str, number: int) -> _Heading:
    said = _fields(line)
    delimiter = "," if "," in said else None
    fields = [field.strip().strip('"') for field in said.split(delimiter)]
    if any(map(_is_number, fields)):
        return _Heading(delimiter, None, len(fields), number)
    if "" in fields:
        remedy = "name every column (pandas: index=False), or none"
        raise DataError(f"column {fields.index('')} (from 0) has no name; {remedy}", line=number)
    return _Heading(delimiter, tuple(fields), len(fields), number)


def _is_number(field: str) -> bool:
    """Whether numpy takes a field for a number; what only Python does, 1_000 and digits of other scripts, is none."""
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field


def _numbers(lines: Sequence[str], heading: _Heading) -> Array | None:
    """(N, D) of lines that say something; None where one is not as the heading promises."""
    try:
        numbers: Array = np.loadtxt(lines, delimiter=heading.delimiter, comments="#", ndmin=2)
    except ValueError:
        return None
    if numbers.shape[1] != heading.num_columns:
        return None
    if (np.abs(numbers) > _EXACT).any():
        return numbers
    narrow = numbers.astype(np.float32)
    # A small difference of large decimals is lost in float32.
    return narrow if np.array_equal(narrow, numbers, equal_nan=True) else numbers


def _with_room(rows: Array, num_rows: int, dtype: np.dtype[Any]) -> Array:
    """The array with so many rows or more, of a type that holds what it does and `dtype`."""
    if np.promote_types(rows.dtype, dtype) != rows.dtype:
        rows = rows.astype(dtype)
    if num_rows > len(rows):
        # In place, where the system can: it moves pages and copies nothing.
        rows.resize((num_rows + num_rows // 8, rows.shape[1]), refcheck=False)
    return rows


def _fault(lines: Sequence[str], number: int, heading: _Heading) -> DataError:
    """What is wrong with the first wrong line, of which there is one; `number` is that of the first."""
    while len(lines) > 1:
        half = len(lines) // 2
        before = lines[:half]
        if any(map(_fields, before)) and _numbers(before, heading) is None:
            lines = before
        else:
            lines, number = lines[half:], number + half
    fields = _fields(lines[0]).split(heading.delimiter)
    for column, field in enumerate(fields):
        if not _is_number(field):
            what = shown(field.strip(), 40) or "nothing"
            remedy = "write numbers (nan where one is missing)"
            remedy += ", or nothing but names" if number == heading.line else ""
            return DataError(f"{what} at column {column} (from 0) is no number; {remedy}", line=number)
    text = f"{len(fields)} in a row, but {heading.num_columns} in line {heading.line}"
    return DataError(f"{text}; every item has as many numbers", line=number)
