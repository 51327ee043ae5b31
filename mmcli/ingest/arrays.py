"""All arrays of a data file, by name, or as a table and its labels; and which of them belong to the whole file."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.data.formats import array_names, is_sparse, npz, read_array, takes_header
from mmcli.data.formats.columns import side_by_side
from mmcli.data.formats.opening import opened
from mmcli.data.labels import LABELS
from mmcli.errors import DataError, UsageError

PAIR_ROWS = "pair_rows"  # (N, F) row in each of the F files that a pair was made from

# Names of arrays that describe the whole file, even where their length equals the number of items by chance.
_WHOLE = re.compile("(?:.*_)?(?:hac_.*|label_names|image_shape|image_white|vocabulary|table_.*)")


def is_whole(name: str) -> bool:
    """Whether an array written by mmcli belongs to the whole file: settings, codebooks, names of labels or columns."""
    return _WHOLE.fullmatch(name) is not None


def read_arrays(file: Path, header: bool | None = None) -> dict[str, Any]:
    """Read the arrays of a file by name; for one that cannot be read, its DataError takes its place.

    The one array of a file without names has the name ""; it may be a sparse matrix of scipy. A table with a column
    `labels` gives that column (N,), as `labels`, and the others, (N, D), as "". A table whose columns cannot be joined,
    because some are text, gives each column (N, 1) by its name.

    Args:
        file: of any format.
        header: as for `read_array`; for text only.

    Raises:
        DataError: nothing can be read; without the name of the file.
    """
    header = header if takes_header(file) else None
    names = array_names(file, header)
    if not names:
        return {"": read_array(file, None, header)}
    with opened(file) as stream:
        if npz.is_npz(stream.read(npz.MAGIC_SIZE)):
            matrix = {"": read_array(file, None)} if is_sparse(file) else {}
            return matrix | {name: _read_member(file, name) for name in names}
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
    """Columns of a table but `labels`, joined, as ""; nothing where there are no others.

    Raises:
        DataError: they cannot be read.
    """
    others = [name for name in names if name != LABELS]
    if not others:
        return {}
    if takes_header(file):  # reading a text by columns would parse it once for each
        return {"": np.delete(read_array(file, None, header), names.index(LABELS), axis=1)}
    return {"": side_by_side([read_array(file, name, header) for name in others], others)}


def _read_columns(file: Path, names: Sequence[str], header: bool | None, error: DataError) -> dict[str, Any]:
    """Read each column of a table; for one that cannot be read, its DataError takes its place.

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
    """Refuse a setting of `header` where none of the files is text.

    Raises:
        UsageError: it is set, and none is.
    """
    if header is not None and not any(map(takes_header, files)):
        raise UsageError(f"--{'' if header else 'no-'}header is for texts, and none of the files is one; leave it out")


def read_text_array(file: Path, name: str) -> list[str]:
    """Read an array of text (N,) of an .npz.

    Raises:
        DataError: there is none of that name; without the name of the file.
    """
    return [str(text) for text in _read_text(file, name, 1).tolist()]


def read_text(file: Path, name: str) -> str:
    """Read a single text of an .npz.

    Raises:
        DataError: there is none of that name; without the name of the file.
    """
    return str(_read_text(file, name, 0).item())


def _read_text(file: Path, name: str, num_dimensions: int) -> Any:
    """Array of text of an .npz.

    Raises:
        DataError: there is none of that name and number of dimensions.
    """
    array = _read_member(file, name)
    if isinstance(array, DataError):
        raise array
    if array.dtype.kind != "U" or array.ndim != num_dimensions:
        what = "names" if num_dimensions else "name"
        raise DataError(f"{name} holds no {what}, but {array.dtype} of shape {array.shape}")
    return array


def _read_member(file: Path, name: str) -> Any:
    """Array of an .npz, of numbers or text; its DataError where it cannot be read."""
    try:
        with opened(file) as stream:
            return npz.read_member(stream, name, npz.NUMBERS_AND_TEXT)
    except DataError as error:
        return error
