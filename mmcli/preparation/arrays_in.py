"""All arrays of a data file, those of an archive by name or a table and its column of labels; which are of no items."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import DataError
from mmcli.formats import array_names, npz, read_array
from mmcli.formats.opening import opened

LABELS = "labels"
TEXTS_TOO = npz.NUMBERS + "U"
PAIR_ROWS = "pair_rows"  # (N, files) the row that each item of a pair had in its file

# What describes all items of a file at once, even if it is by chance as long as there are items.
_WHOLE = re.compile("(?:.*_)?(?:hac_.*|label_names|image_shape|image_white)")


def is_whole(name: str) -> bool:
    """Whether an array that mmcli wrote is of the whole file: settings, codebooks, names of labels."""
    return _WHOLE.fullmatch(name) is not None


def read_arrays(file: Path) -> dict[str, Any]:
    """The arrays of a file by name; in place of one that cannot be read, the DataError that says why.

    The one array of a file without names is called ""; it may be a sparse matrix of scipy. A table with a column
    `labels` gives that column (N,), as `labels`, and the others, (N, D), as "".

    Raises:
        DataError: nothing can be read; without the name of the file.
    """
    if not file.exists():
        raise DataError("no such file")
    names = array_names(file)
    if not names:
        return {"": read_array(file, None)}
    with opened(file) as stream:
        if npz.is_npz(stream.read(npz.MAGIC_SIZE)):
            return {name: _read_member(file, name) for name in names}
    if LABELS not in names:
        return {"": read_array(file, None)}
    others = [read_array(file, name) for name in names if name != LABELS]
    labels = {LABELS: read_array(file, LABELS).ravel()}
    return {"": np.hstack(others)} | labels if others else labels


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
            return npz.read_member(stream, name, TEXTS_TOO)
    except DataError as error:
        return error
