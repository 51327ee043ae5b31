"""Tables of real numbers and categories -> standardised columns and one-hot rows, with missing cells kept."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats import array_names, read_array
from mmcli.data.labels import LABELS, make_labels
from mmcli.data.npz import check_output, write_arrays
from mmcli.errors import DataError, UsageError
from mmcli.ingest.arrays import is_whole, read_text_array
from mmcli.ingest.csv_columns import Table, find_levels, one_hot, read_table, real_values
from mmcli.ingest.places import place, refuse_other_than_file
from mmcli.util.text import counted, listed, shown

REALS = "reals"  # array of the real columns without missing cells
_JOINT, _ALONE, _MEAN, _SCALE, _LEVELS = (f"table_{name}" for name in ("joint", "alone", "mean", "scale", "levels_"))


class Layout(NamedTuple):
    """Which columns of a table become which arrays.

    Attributes:
        joint: real columns without missing cells, those of `reals`.
        alone: real columns with missing cells, each an array (N, 1) of its own.
        mean: of each of joint and alone.
        scale: standard deviation of each of joint and alone.
        levels: of each column of categories.
    """

    joint: list[str]
    alone: list[str]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    levels: dict[str, list[str]]

    @property
    def columns(self) -> list[str]:
        """All columns that are used."""
        return [*self.joint, *self.alone, *self.levels]

    def arrays(self) -> dict[str, Any]:
        """Arrays that `_read_layout` reads."""
        levels = {_LEVELS + name: np.array(of_column) for name, of_column in self.levels.items()}
        names = {_JOINT: np.array(self.joint, np.str_), _ALONE: np.array(self.alone, np.str_)}
        return names | {_MEAN: self.mean, _SCALE: self.scale} | levels


def make_table(
    named: str,
    output: Path,
    *,
    labels: str | None,
    categories: Collection[str],
    drop: Collection[str],
    like: Path | None,
) -> list[str]:
    """Write the columns of a CSV as arrays that modules can observe.

    OUT.npz gets `reals` (N, R) float32, the real columns without missing cells, standardised; an array (N, 1) of each
    real column with missing cells, NaN there; an array (N, L) of each column of categories, one-hot, a row of NaN where
    missing; `labels` and `label_names`; and what `like` needs.

    Args:
        named: the table.
        output: OUT.npz.
        labels: column of labels; None takes a column of that name, if there is one.
        categories: columns of numbers that are categories.
        drop: columns that are left out.
        like: a file made by this function, whose columns, means, scales and levels are used.

    Returns:
        Lines on what was left out and what was written.

    Raises:
        UsageError: options name columns that are not there or contradict each other, or OUT.npz cannot be written.
        DataError: a file cannot be used.
    """
    check_output(output)
    file = place(named)
    if like is not None and (categories or drop):
        raise UsageError(f"the columns are those of {shown(str(like))}; leave out --categories and --drop")
    layout = None if like is None else _read_layout(like)
    try:
        table = read_table(file)
        label_column = labels or (LABELS if LABELS in table.columns else None)
        _refuse_unknown(table, [*categories, *drop, *([labels] if labels else [])])
        notes: list[str] = []
        if layout is None:
            used = [name for name in table.columns if name != label_column and name not in drop]
            layout = _lay_out(table, used, categories, notes)
        arrays = _arrays(table, layout, notes)
        numbers = None if label_column is None else make_labels(_label_texts(table, label_column))
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None
    own = {} if numbers is None else numbers.arrays()
    write_arrays(output, arrays | own | layout.arrays())
    kinds = f"{counted(len(layout.mean), 'real column')}, {counted(len(layout.levels), 'column')} of categories"
    made = f"{shown(str(output))}: {counted(len(table.lines), 'item')}, {kinds}, arrays {listed(arrays)}"
    return [*notes, made + ("" if own else ", no labels")]


def _refuse_unknown(table: Table, names: Sequence[str]) -> None:
    """Refuse columns named by options that the table lacks.

    Raises:
        UsageError: there is one.
    """
    for name in names:
        if name not in table.columns:
            raise UsageError(f"no column {shown(name, 60)}; there are {listed(table.columns)}")


def _lay_out(table: Table, used: Sequence[str], categories: Collection[str], notes: list[str]) -> Layout:
    """Decide what each column is; those that do not vary go to `notes`.

    Raises:
        DataError: a column is neither of numbers nor of categories, or none is left.
    """
    reals: dict[str, NDArray[np.float64]] = {}
    levels: dict[str, list[str]] = {}
    for name in used:
        values = None if name in categories else real_values(table, name)
        if values is None:
            levels[name] = find_levels(table, name, categories)
        else:
            reals[name] = values
    constant = [name for name, of_column in levels.items() if len(of_column) < 2]
    constant += [name for name, values in reals.items() if len(np.unique(values[~np.isnan(values)])) < 2]
    if constant:
        notes.append(f"{counted(len(constant), 'column')} of one value left out: {listed(constant)}")
    reals = {name: values for name, values in reals.items() if name not in constant}
    joint = [name for name, values in reals.items() if not np.isnan(values).any()]
    alone = [name for name in reals if name not in joint]
    ordered = [reals[name] for name in (*joint, *alone)]
    layout = Layout(
        joint,
        alone,
        np.array([np.nanmean(values) for values in ordered]),
        np.array([np.nanstd(values) for values in ordered]),
        {name: of_column for name, of_column in levels.items() if name not in constant},
    )
    if not layout.columns:
        raise DataError("no column is left; give one that varies")
    _refuse_collisions([*alone, *layout.levels])
    return layout


def _refuse_collisions(columns: Sequence[str]) -> None:
    """Refuse columns whose arrays would have one name, or a name that is reserved.

    Raises:
        DataError: there are some.
    """
    taken: dict[str, str] = {}
    for name in columns:
        array = _array_name(name)
        if is_whole(array) or array in {REALS, LABELS}:
            raise DataError(f"column {shown(name, 60)}: an array cannot have that name; rename the column")
        if (before := taken.setdefault(array, name)) != name:
            raise DataError(f"columns {shown(before, 60)} and {shown(name, 60)} would be one array; rename one")


def _arrays(table: Table, layout: Layout, notes: list[str]) -> dict[str, Any]:
    """Arrays of items; cells that the layout has no value for go to `notes`.

    Raises:
        DataError: a column is lacking, or holds something else.
    """
    lacking = [name for name in layout.columns if name not in table.columns]
    if lacking:
        raise DataError(f"no column {shown(lacking[0], 60)}; there are {listed(table.columns)}")
    standard = dict(zip((*layout.joint, *layout.alone), _standardized(table, layout), strict=True))
    arrays: dict[str, Any] = {}
    if layout.joint:
        rows = np.column_stack([standard[name] for name in layout.joint])
        is_short = np.isnan(rows).any(axis=1)
        rows[is_short] = np.nan
        if is_short.any():
            notes.append(f"{REALS}: {counted(int(is_short.sum()), 'row')} with a missing cell are missing")
        arrays[REALS] = rows
    arrays |= {_array_name(name): standard[name][:, None] for name in layout.alone}
    for name, levels in layout.levels.items():
        unknown = {cell for cell in table.columns[name] if cell is not None} - set(levels)
        if unknown:
            notes.append(f"{shown(name, 60)}: unknown categories are missing: {listed(sorted(unknown))}")
        arrays[_array_name(name)] = one_hot(table.columns[name], levels)
    return arrays


def _standardized(table: Table, layout: Layout) -> Iterator[NDArray[np.float32]]:
    """Real columns (N,) of mean 0 and deviation 1 where the layout comes from.

    Raises:
        DataError: one holds no numbers.
    """
    for name, mean, scale in zip((*layout.joint, *layout.alone), layout.mean, layout.scale, strict=True):
        values = real_values(table, name)
        if values is None:
            raise DataError(f"column {shown(name, 60)} holds no numbers")
        yield ((values - mean) / scale).astype(np.float32)


def _label_texts(table: Table, name: str) -> NDArray[Any]:
    """Labels (N,) as text, "" where missing."""
    return np.array([cell or "" for cell in table.columns[name]])


def _array_name(column: str) -> str:
    """Name of the array of a column."""
    return re.sub(r"\W", "_", column)


def _read_layout(file: Path) -> Layout:
    """Layout of a file made by `make_table`.

    Raises:
        DataError: it is none.
    """
    try:
        refuse_other_than_file(file)
        names = array_names(file)
        if not {_JOINT, _ALONE, _MEAN, _SCALE} <= set(names):
            raise DataError("was not made by mmcli data table; name one that was")
        levels = {name.removeprefix(_LEVELS): read_text_array(file, name) for name in names if name.startswith(_LEVELS)}
        joint, alone = read_text_array(file, _JOINT), read_text_array(file, _ALONE)
        mean, scale = (np.asarray(read_array(file, name)) for name in (_MEAN, _SCALE))
        if not mean.shape == scale.shape == (len(joint) + len(alone),) or not (scale > 0).all():
            raise DataError("its means and scales do not fit its columns; make the file again")
        return Layout(joint, alone, mean, scale, levels)
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None
