"""Columns of a table, by name and side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats.whole_numbers import is_rounded
from mmcli.errors import DataError
from mmcli.util.text import listed, shown, suggestion

Array = NDArray[Any]


def index_of(key: str, names: Sequence[str]) -> int:
    """Index of a named column, from 0.

    Raises:
        DataError: there is none, or more than one.
    """
    if key not in names:
        raise DataError(f"no column {shown(key, 60)}{suggestion(key, names)}; it has {listed(names)}")
    if names.count(key) > 1:
        raise DataError(f"{names.count(key)} columns of the name {shown(key, 60)}; give each its own")
    return names.index(key)


def side_by_side(columns: Sequence[Array], names: Sequence[str]) -> Array:
    """Join columns (N, D_i) to one array (N, D), of a type that holds all their numbers.

    Raises:
        DataError: whole numbers of one column would be rounded beside those of another.
    """
    dtype = np.result_type(*columns)
    if dtype.kind == "f":
        for name, column in zip(names, columns, strict=True):
            if (rounded := is_rounded(column)).any():
                row = int(np.argmax(rounded.any(axis=1)))
                value = column[row, int(np.argmax(rounded[row]))]
                raise DataError(
                    f"{value} at row {row} (from 0) of column {shown(name, 60)} is beyond 2^53, where float64 rounds "
                    "whole numbers; name one column by key, or write it smaller"
                )
    return np.hstack(columns)
