"""Masks of observed rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.data.rows.protocol import as_rows
from mmcli.data.rows.streamed import RowSource, joined
from mmcli.data.validation import BLOCK_VALUES, refuse
from mmcli.errors import DataError


def as_mask(array: RowSource) -> NDArray[np.bool_]:
    """Mask (N,) bool from an array of 1 for an observed row and 0 for a missing one.

    Raises:
        DataError: it holds something else.
    """
    column = one_column(array, "a mask has", "a value an item, as array.all(axis=1) gives")
    refuse(column, (column != 0) & (column != 1), "a mask holds 1 for an observed row, 0 for a missing one")
    return column.astype(bool)


def one_column(array: RowSource, subject: str, remedy: str) -> NDArray[Any]:
    """(N,) of an array of one dimension, or of a table of one column.

    Args:
        array: of any shape.
        subject: of the error, with its verb.
        remedy: for a table of several columns.

    Raises:
        DataError: the array has another shape.
    """
    rows = as_rows(array)
    if rows.is_streamed and array.shape[1] == 1:
        array = joined(rows.blocks(BLOCK_VALUES), array.shape, array.dtype)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if not isinstance(array, np.ndarray) or array.ndim != 1:
        is_row = array.ndim == 2 and array.shape[0] == 1
        raise DataError(f"{dimensions(array)}; {subject} 1: {'array.ravel()' if is_row else remedy}")
    return array


def dimensions(array: RowSource) -> str:
    """Shape of an array in a message."""
    return f"{array.ndim} dimension{'s' * (array.ndim != 1)} {array.shape}"
