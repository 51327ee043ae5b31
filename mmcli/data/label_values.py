"""Values of labels in arrays: a column of text or numbers, and whole numbers without rounding.

N items.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.data.masks import dimensions
from mmcli.data.rows.protocol import as_rows
from mmcli.data.validation import WrongValueError
from mmcli.errors import DataError
from mmcli.util.text import counted

INT64 = np.iinfo(np.int64)


def label_column(array: Any) -> NDArray[Any]:
    """(N,) of an array (N,) or (N, 1).

    Raises:
        DataError: it has another shape, or is sparse.
    """
    if as_rows(array).is_sparse:
        raise DataError("a sparse matrix; labels are one an item: array.toarray().argmax(axis=1) of one-hot rows")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{dimensions(array)}; labels have 1{_remedy(array)}")
    column: NDArray[Any] = array
    return column


def whole_labels(column: NDArray[Any], given: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) int64 of whole numbers of any type; 0 where `given` (N,) is False.

    Raises:
        DataError: a number is not whole, rounded, or too large.
    """
    kept = np.where(given, column, np.zeros((), column.dtype))
    if kept.dtype.kind == "f":
        refuse_labels(column, kept != np.floor(kept), "labels are whole numbers; number the classes")
        refuse_labels(column, np.isinf(kept), "labels are whole numbers; number the classes")
        bits = min(np.finfo(kept.dtype).nmant + 1, 63)
        inexact = np.abs(kept) >= 2.0**bits  # 2^bits may be 2^bits + 1 rounded
        remedy = "number the classes, or save an .npz of int64 or text"
        remedy = f"{kept.dtype} holds whole numbers exactly below 2^{bits}; {remedy}"
        refuse_labels(column, inexact, remedy)
    if kept.dtype.kind == "u":
        refuse_labels(column, kept > INT64.max, "labels are below 2^63; number the classes, or save an .npz of text")
    return kept.astype(np.int64)


def refuse_labels(column: NDArray[Any], wrong: NDArray[np.bool_], remedy: str) -> None:
    """Refuse wrong labels.

    Raises:
        WrongValueError: there are any; with the first, exactly as stored.
    """
    if wrong.any():
        row, count = int(wrong.argmax()), int(np.count_nonzero(wrong))
        value = column[row]
        is_whole = column.dtype.kind != "f" or (np.isfinite(value) and value == np.floor(value))
        text = str(int(value)) if is_whole else f"{value:g}"
        more = f" and {count - 1} more" if count > 1 else ""
        raise WrongValueError(f"{text} at row {row} (from 0){more}; {remedy}", row)


def _remedy(array: NDArray[Any]) -> str:
    """Remedy for labels of another shape."""
    if array.ndim != 2 or not array.size:
        return ", one an item"
    if array.shape[0] == 1:
        return ": array.ravel()"
    if array.dtype.kind != "U":
        ones = (array == 1).sum(axis=1)
        if ((array == 0) | (array == 1)).all():
            if (ones == 1).all():
                return "; these rows are one-hot: array.argmax(axis=1)"
            row = int((ones != 1).argmax())
            return f"; an item has one label, but row {row} (from 0) has {counted(int(ones[row]), 'one')}"
        if (array >= 0).all() and np.allclose(array.sum(axis=1), 1, atol=1e-3):
            return "; these rows are shares of classes: array.argmax(axis=1)"
    return "; take the column that holds them, array[:, k], or name it by key"
