"""Arrays of data files as senses of a model: the kind of each, and labels, which only measure.

N items, D columns.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mmcli.data.labels import LABEL_NAMES, LABELS, Labels, make_labels
from mmcli.errors import DataError, UsageError
from mmcli.ingest.arrays import PAIR_ROWS, is_whole, read_arrays
from mmcli.ingest.panels import is_labels, is_whole_numbers
from mmcli.ingest.places import kind_at
from mmcli.util.text import counted, listed, shown

FEWEST_PIXELS = 16  # columns; fewer from 0 to 1 are taken for real values


class SenseKind(StrEnum):
    """Kind of the rows of an array."""

    PIXELS = "pixels"  # 0 to 1
    COUNTS = "counts"  # whole numbers from 0
    CATEGORIES = "categories"  # one 1 in each row
    REAL = "real values"


class Sense(NamedTuple):
    """An array of items by columns that a model can observe."""

    file: Path
    key: str  # "" for the one array of a file
    kind: SenseKind
    width: int
    is_missing: NDArray[np.bool_]  # (N,) rows of NaN
    remark: str = ""  # on values that could be of another kind

    @property
    def num_items(self) -> int:
        """N."""
        return len(self.is_missing)


class LabelColumn(NamedTuple):
    """An array of labels, one an item."""

    file: Path
    key: str
    labels: Labels


class Found(NamedTuple):
    """Contents of some files.

    Attributes:
        senses: of one number of items.
        labels: of the same items; None where there are none.
        left_out: arrays that a model does not take, each with the reason.
    """

    senses: list[Sense]
    labels: LabelColumn | None
    left_out: list[str]


def find_senses(files: Sequence[Path]) -> Found:
    """Read files, and find the senses and labels in them.

    Raises:
        UsageError: there is no such file; or rows of two files are not those of the same items.
        DataError: a file cannot be read, or none of them holds a sense.
    """
    contents = [each for file in dict.fromkeys(files) for each in _contents(file)]
    senses = [each for each in contents if isinstance(each, Sense)]
    columns = [each for each in contents if isinstance(each, LabelColumn)]
    left_out = [each for each in contents if isinstance(each, str)]
    if not senses:
        raise DataError("; ".join(left_out) or f"{listed(map(str, files))}: no array of items by columns")
    _refuse_other_items(senses, columns)
    columns.sort(key=lambda column: column.key != LABELS)  # stable: those named so come first
    left_out += [
        f"{_named(column.file, column.key)} is left out: whole numbers, one an item, as labels are; a module has one"
        for column in columns[1:]
        if column.key != LABELS
    ]
    return Found(senses, columns[0] if columns else None, left_out)


def _contents(file: Path) -> Iterator[Sense | LabelColumn | str]:
    """Arrays of a file: senses, labels, or the reason why an array is neither.

    Raises:
        UsageError: there is no such file, or a config cannot hold its name.
        DataError: it cannot be read.
    """
    if kind_at(file) is None:
        raise UsageError(f"{shown(str(file))}: no such file")
    if not _is_utf8(str(file)):
        raise UsageError(f"{shown(str(file))}: not a name in UTF-8, as a config is; rename the file")
    try:
        arrays = read_arrays(file)
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None
    for key, array in arrays.items():
        if is_whole(key) or key == PAIR_ROWS:
            continue
        try:
            if not isinstance(array, DataError) and is_labels(key, array):
                yield LabelColumn(file, key, make_labels(array, arrays.get(LABEL_NAMES) if key == LABELS else None))
            else:
                yield _sense(file, key, array)
        except DataError as error:
            yield f"{_named(file, key)} is left out: {error}"


def _sense(file: Path, key: str, array: Any) -> Sense:
    """Describe an array as a sense.

    Raises:
        DataError: no model can observe it; with the reason.
    """
    if isinstance(array, DataError):
        raise array
    if array.dtype.kind == "U":
        raise DataError("text")
    if array.ndim != 2:
        remedy = "reshape(-1, 1) makes a column" if array.ndim == 1 else "reshape(len(array), -1) makes rows"
        raise DataError(f"of {counted(array.ndim, 'dimension')}; {remedy}")
    if not all(array.shape):
        raise DataError("empty")
    values = array.data if issparse(array) else array
    absent = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    is_missing = np.zeros(array.shape[0], bool) if issparse(array) else np.asarray(absent.all(axis=1))  # (N,)
    if absent.any() and (issparse(array) or (absent.any(axis=1) & ~is_missing).any()):
        raise DataError("NaN in some columns of a row; fill it, or drop the items")
    there = values[~absent]
    if not there.size or not np.isfinite(there).all():
        raise DataError("no numbers" if not there.size else "holds infinity")
    kind, remark = _kind(array, there, is_missing)
    if issparse(array) and kind in (SenseKind.PIXELS, SenseKind.REAL):
        raise DataError("sparse, and no counts; store it dense")
    return Sense(file, key, kind, array.shape[1], is_missing, remark)


def _kind(array: Any, there: NDArray[Any], is_missing: NDArray[np.bool_]) -> tuple[SenseKind, str]:
    """Kind of an array (N, D), and a remark where it is not certain.

    Args:
        array: dense or sparse.
        there: its values that are not NaN.
        is_missing: (N,) rows of NaN.
    """
    low, high = float(there.min()), float(there.max())
    is_whole_kind = is_whole_numbers(there)
    if low < 0 or (high > 1 and not is_whole_kind):
        return SenseKind.REAL, ""
    if high <= 1:
        sums = np.asarray(array.sum(axis=1)).ravel()
        if is_whole_kind and array.shape[1] > 1 and (sums[~is_missing] == 1).all():
            return SenseKind.CATEGORIES, ""
        if issparse(array) and is_whole_kind:
            return SenseKind.COUNTS, ""
        return (SenseKind.PIXELS if array.shape[1] >= FEWEST_PIXELS else SenseKind.REAL), ""
    if high == np.iinfo(np.uint8).max and math.isqrt(array.shape[1]) ** 2 == array.shape[1]:
        return SenseKind.REAL, "they go from 0 to 255 as bytes of pixels do; divided by 255 they would be pixels"
    return SenseKind.COUNTS, ""


def _refuse_other_items(senses: Sequence[Sense], columns: Sequence[LabelColumn]) -> None:
    """Refuse rows that are not of the same items: of other numbers, or with other labels; and items without a sense.

    Raises:
        UsageError: they are not.
    """
    remedy = "; `mmcli data pair` makes rows of the same items"
    sizes = {_named(sense.file, sense.key): sense.num_items for sense in senses}
    sizes |= {_named(column.file, column.key): len(column.labels.given) for column in columns}
    if len(set(sizes.values())) > 1:
        every = ", ".join(f"{name} has {number}" for name, number in sizes.items())
        raise UsageError(f"rows differ in number: {every}{remedy}")
    absent = np.logical_and.reduce([sense.is_missing for sense in senses])  # (N,)
    if absent.any():
        raise UsageError(f"row {absent.argmax()} (from 0) is NaN in every array; drop such rows")
    for one, other in pairwise(column for column in columns if column.key == LABELS):
        if one.labels.texts() != other.labels.texts():
            files = f"{shown(str(one.file))} and {shown(str(other.file))}"
            raise UsageError(f"{files} have different labels in the same rows{remedy}")


def _is_utf8(text: str) -> bool:
    """Whether a text has no bytes of another encoding in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(file: Path, key: str) -> str:
    return shown(str(file)) + (f" {shown(key, 60)}" if key else "")


def sense_names(senses: Sequence[Sense]) -> Iterator[str]:
    """A name in a config for each sense: its key, or the name of its file, or both where the key is not unique."""
    keys = [sense.key for sense in senses]
    taken: set[str] = set()
    for sense in senses:
        written = sense.key or sense.file.name.partition(".")[0]
        if sense.key and keys.count(sense.key) > 1:
            written = f"{sense.file.name.partition('.')[0]}_{sense.key}"
        name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in written)[:40] or "sense"
        while name in taken:
            name += "_"
        taken.add(name)
        yield name
