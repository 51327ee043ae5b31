"""All arrays of a data file, those of an archive by name or a table and its column of labels; which are of no items."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.data.formats import array_names, npz, read_array, takes_header
from mmcli.data.formats.columns import side_by_side
from mmcli.data.formats.opening import opened
from mmcli.data.labels import LABELS
from mmcli.errors import DataError, UsageError

PAIR_ROWS = "pair_rows"  # (N, files) the row that each item of a pair had in its file

# What describes all items of a file at once, even if it is by chance as long as there are items.
_WHOLE = re.compile("(?:.*_)?(?:hac_.*|label_names|image_shape|image_white)")


def is_whole(name: str) -> bool:
    """Whether an array that mmcli wrote is of the whole file: settings, codebooks, names of labels."""
    return _WHOLE.fullmatch(name) is not None


def read_arrays(file: Path, header: bool | None = None) -> dict[str, Any]:
    """The arrays of a file by name; in place of one that cannot be read, the DataError that says why.

    The one array of a file without names is called ""; it may be a sparse matrix of scipy. A table with a column
    `labels` gives that column (N,), as `labels`, and the others, (N, D), as "". A table whose columns cannot stand side
    by side, for some are text, gives each column (N, 1) by its name.

    Args:
        file: of any format.
        header: as for `read_array`; of a text only.

    Raises:
        DataError: nothing can be read; without the name of the file.
    """
    header = header if takes_header(file) else None
    names = array_names(file, header)
    if not names:
        return {"": read_array(file, None, header)}
    with opened(file) as stream:
        if npz.is_npz(stream.read(npz.MAGIC_SIZE)):
            return {name: _read_member(file, name) for name in names}
    if LABELS not in names:
        try:
            return {"": read_array(file, None, header)}
        except DataError as error:
            return _read_columns(file, names, header, error)
    try:
        labels = read_array(file, LABELS, header)
        return _without(file, names, header) | {LABELS: labels.ravel()}
    except DataError as error:
        columns = _read_columns(file, names, header, error)
        return columns | {LABELS: columns[LABELS].ravel()} if hasattr(columns[LABELS], "ravel") else columns


def _without(file: Path, names: Sequence[str], header: bool | None) -> dict[str, Any]:
    """The columns of a table but `labels`, side by side, as ""; nothing where there are no others."""
    others = [name for name in names if name != LABELS]
    if not others:
        return {}
    if takes_header(file):  # reading a text a column at a time would parse it as often
        return {"": np.delete(read_array(file, None, header), names.index(LABELS), axis=1)}
    return {"": side_by_side([read_array(file, name, header) for name in others], others)}


def _read_columns(file: Path, names: Sequence[str], header: bool | None, error: DataError) -> dict[str, Any]:
    """Each column of a table, or why it cannot be read.

    Raises:
        DataError: `error`, where none can be.
    """
    columns: dict[str, Any] = {}
    for name in names:
        try:
            columns[name] = read_array(file, name, header)
        except DataError as fault:
            columns[name] = fault
    if all(isinstance(column, DataError) for column in columns.values()):
        raise error
    return columns


def refuse_header(files: Sequence[Path], header: bool | None) -> None:
    """Raise UsageError where it is said what a first line is, and none of the files is a text."""
    if header is not None and not any(map(takes_header, files)):
        raise UsageError(f"--{'' if header else 'no-'}header is for texts, and none of the files is one; leave it out")


def read_text_array(file: Path, name: str) -> list[str]:
    """An array of text (N,) of an .npz.

    Raises:
        DataError: there is none of that name; without the name of the file.
    """
    array = _read_member(file, name)
    if isinstance(array, DataError):
        raise array
    if array.dtype.kind != "U" or array.ndim != 1:
        raise DataError(f"{name} holds no names, but {array.dtype} of shape {array.shape}")
    return [str(text) for text in array.tolist()]


def _read_member(file: Path, name: str) -> Any:
    try:
        with opened(file) as stream:
            return npz.read_member(stream, name, npz.NUMBERS_AND_TEXT)
    except DataError as error:
        return error
