"""Columns of a CSV with a line of names: real numbers, categories, and missing cells."""

import csv
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import DataError
from mmcli.ingest.places import refuse_other_than_file
from mmcli.util.text import counted, listed, shown

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})  # cells that are missing, in lower case
MAX_LEVELS = 100  # of a category that was not asked for; more are taken for names of the items


class Table(NamedTuple):
    """Cells of N rows, by column; a missing cell is None."""

    columns: dict[str, list[str | None]]
    lines: list[int]  # (N,) of the file
    has_decimal_commas: bool  # where columns are separated by semicolons


def read_table(file: Path) -> Table:
    """Read a CSV, separated by commas, semicolons or tabs.

    Raises:
        DataError: it is malformed; with the line, and without the name of the file.
    """
    refuse_other_than_file(file)
    rows, lines = [], []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            separator = next((sign for sign in "\t,;" if sign in first), ",")
            reader = csv.reader(stream, delimiter=separator, strict=True)
            for cells in reader:
                if cells:
                    rows.append([cell.strip() for cell in cells])
                    lines.append(reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read as a table: {shown(reason, 120)}") from None
    if len(rows) < 2:
        raise DataError("has no line of names and items below; write both")
    names, *rows = rows
    _check_names(names, lines[0])
    for cells, line in zip(rows, lines[1:], strict=True):
        if len(cells) != len(names):
            raise DataError(f"{counted(len(cells), 'cell')} in this line, but {counted(len(names), 'column')}", line)
    columns = {
        name: [None if cell.lower() in MISSING else cell for cell in cells]
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    return Table(columns, lines[1:], separator == ";")


def _check_names(names: Sequence[str], line: int) -> None:
    """Require that the first line names every column, each differently.

    Raises:
        DataError: it does not.
    """
    if "" in names:
        raise DataError(f"column {names.index('') + 1} has no name; the first line names all columns", line)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"two columns are named {shown(twice[0], 60)}; name them differently", line)
    if all(math.isfinite(_number(name)) for name in names):
        raise DataError("numbers alone in the first line, which names the columns; write their names above", line)


def real_values(table: Table, name: str) -> NDArray[np.float64] | None:
    """Numbers (N,) of a column, NaN where missing; None where no cell is a number.

    Raises:
        DataError: some cells are numbers, and one is not; with its line.
    """
    cells = table.columns[name]
    values = np.array([math.nan if cell is None else _number(cell, table.has_decimal_commas) for cell in cells])
    is_text = np.isnan(values) & np.array([cell is not None for cell in cells])
    if not is_text.any() or np.isnan(values).all():
        return None if is_text.any() else values
    row = int(is_text.argmax())
    raise DataError(
        f"column {shown(name, 60)} holds {shown(str(cells[row]), 40)} among numbers; mend it, or make categories of "
        f"them all by --categories {shown(name, 60)}",
        table.lines[row],
    )


def find_levels(table: Table, name: str, asked: Collection[str]) -> list[str]:
    """Distinct cells of a column of categories, in alphabetical order.

    Raises:
        DataError: they are too many for categories that were not asked for.
    """
    levels = sorted({cell for cell in table.columns[name] if cell is not None})
    if len(levels) > MAX_LEVELS and name not in asked:
        text = f"column {shown(name, 60)} holds {len(levels)} different texts, as {listed(levels[:2])}"
        raise DataError(f"{text}; leave it out by --drop, or name it by --categories if it is one")
    return levels


def one_hot(cells: Sequence[str | None], levels: Sequence[str]) -> NDArray[np.float32]:
    """Row (N, L) of each cell: 1 at its level, NaN in all columns where it is missing or another."""
    places: Mapping[str | None, int] = {level: place for place, level in enumerate(levels)}
    rows = np.full((len(cells), len(levels)), np.nan, np.float32)
    for row, cell in enumerate(cells):
        if cell in places:
            rows[row] = 0
            rows[row, places[cell]] = 1
    return rows


def _number(cell: str, has_decimal_commas: bool = False) -> float:
    """Finite number in a cell; NaN where there is none."""
    try:
        value = float(cell.replace(",", ".") if has_decimal_commas else cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and "_" not in cell else math.nan  # Python reads 1_0 as 10
