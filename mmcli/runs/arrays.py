"""Arrays as files of a run directory: readable text, or .npy where too wide."""

import io
from collections.abc import Iterator

import numpy as np
from numpy.lib import format as npy

from mmcli.data.rows.streamed import StreamedRows

MAX_TEXT_COLUMNS = 100  # a wider array is .npy, not text
PIECE_VALUES = 1 << 20  # written at a time


def suffix_of(shape: tuple[int, ...]) -> str:
    """Suffix of the file of an array of that shape."""
    return ".npy" if len(shape) > 2 or (len(shape) == 2 and shape[1] > MAX_TEXT_COLUMNS) else ".txt"


def encoded(array: np.ndarray | StreamedRows) -> Iterator[bytes]:
    """Content of the file of an array, piece by piece; errors as of the rows, where these are streamed."""
    if suffix_of(array.shape) == ".npy":
        yield npy_header(array, array.shape[0])
    if isinstance(array, StreamedRows):
        yield from map(encode_rows, array.blocks(max(1, PIECE_VALUES // array.shape[1])))
    elif not array.ndim or not array.size:
        yield encode_rows(array)
    else:
        size = max(1, PIECE_VALUES * len(array) // array.size)
        for start in range(0, len(array), size):
            yield encode_rows(array[start : start + size])


def npy_header(array: np.ndarray | StreamedRows, num_rows: int) -> bytes:
    """Header of a .npy of `num_rows` rows as those of `array`."""
    buffer = io.BytesIO()
    header = {"descr": npy.dtype_to_descr(array.dtype), "fortran_order": False, "shape": (num_rows, *array.shape[1:])}
    npy.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def encode_rows(array: np.ndarray) -> bytes:
    """Encode rows as in the file; those of a .npy without its header."""
    if suffix_of(array.shape) == ".npy":
        return array.tobytes()
    buffer = io.BytesIO()
    digits = 9 if array.dtype.itemsize <= 4 else 17  # enough digits to read the same float back
    number = f"%.{digits}g" if np.issubdtype(array.dtype, np.floating) else "%d"
    np.savetxt(buffer, np.atleast_1d(array), fmt=number)
    return buffer.getvalue()
