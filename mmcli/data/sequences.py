"""Sequences: which rows of a table follow each other.

N rows.
"""

import numpy as np
from numpy.typing import NDArray

from mmcli.data.masks import one_column
from mmcli.data.rows.streamed import RowSource
from mmcli.data.validation import WrongValueError, refuse


def one_sequence(num_items: int) -> NDArray[np.bool_]:
    """First rows (N,) where all rows are one sequence."""
    starts = np.zeros(num_items, bool)
    starts[:1] = True
    return starts


def first_rows(array: RowSource) -> NDArray[np.bool_]:
    """First rows (N,) of sequences, from the number of each row's sequence; the rows of one follow each other.

    Raises:
        DataError: the array is not one whole number a row; the first row at which a sequence is resumed.
    """
    numbers = one_column(array, "numbers of sequences have", "take the column that holds them, array[:, k]")
    refuse(numbers, ~(np.isfinite(numbers) & (numbers == np.floor(numbers))), "a sequence has a whole number")
    starts = np.ones(len(numbers), bool)
    starts[1:] = numbers[1:] != numbers[:-1]
    firsts = np.flatnonzero(starts)
    _, places = np.unique(numbers[firsts], return_index=True)
    resumed = np.setdiff1d(firsts, firsts[places])
    if len(resumed):
        row = int(resumed[0])
        text = f"sequence {numbers[row]:g} is resumed at row {row} (from 0); put the rows of a sequence together"
        raise WrongValueError(text, row)
    return starts
