"""IDX files of MNIST, plain or gzip (yann.lecun.com/exdb/mnist): big-endian arrays of any type and shape."""

import math
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats.opening import GZIP_MAGIC, MAX_DEFLATE_RATIO, opened, refuse_bomb, unpacked
from mmcli.errors import DataError

Array = NDArray[Any]

# The third byte of the magic number; the fourth is the number of dimensions.
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAGIC_SIZE = 4
_BLOCK = 1 << 20  # bytes unpacked at a time


def is_idx(start: bytes) -> bool:
    """Whether a file that begins with these bytes, four or more, is IDX."""
    return len(start) >= MAGIC_SIZE and start[:2] == b"\0\0" and start[2] in TYPES and start[3] > 0


def read_idx(file: Path) -> Array:
    """Read the array of an IDX file, plain or gzip, as stored, in native byte order.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    with opened(file) as stream:
        num_bytes = file.stat().st_size
        is_gzip = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        stream.seek(0)
        if not is_gzip:
            return _read(stream, num_bytes, num_bytes)
        with unpacked(stream) as inside:
            return _read(inside, num_bytes, MAX_DEFLATE_RATIO * num_bytes)


def as_items(array: Array) -> Array:
    """One item a row, (N, D), from an array of more dimensions; unsigned bytes of these are pixels, 0 to 255.

    Pixels become float32 from 0 to 1, as in torchvision's ToTensor; other values are unchanged.
    """
    if array.ndim < 3:
        return array
    rows = array.reshape(len(array), math.prod(array.shape[1:]))
    return rows / np.float32(255) if array.dtype == np.uint8 else rows


def _read(stream: BufferedIOBase, num_packed: int, most: int) -> Array:
    """Read an array of `most` bytes or fewer, from a file of `num_packed`.

    Raises:
        DataError: it is not IDX, or damaged.
    """
    magic = stream.read(MAGIC_SIZE)
    if not is_idx(magic):
        raise DataError(f"not IDX: it begins with {magic.hex(' ') or 'nothing'}, not with 00 00, a type and a rank")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"cut short in the sizes of its {magic[3]} dimensions; copy or download it again")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    dtype = np.dtype(TYPES[magic[2]])
    promised, begun = math.prod(shape) * dtype.itemsize, len(magic) + len(sizes)
    if promised > most - begun:  # before anything of that size is allocated
        raise _not_as_promised(shape, promised, f"at most {most - begun} are there")
    if most > num_packed:
        refuse_bomb(promised, num_packed, "gunzip it first")
    array = np.empty(shape, dtype)
    content, done = array.reshape(-1).view(np.uint8), 0
    while block := stream.read(min(_BLOCK, promised - done)):
        content[done : done + len(block)] = np.frombuffer(block, np.uint8)
        done += len(block)
    if done < promised:
        raise _not_as_promised(shape, promised, f"{done} are there")
    if stream.read(1):  # reading past the end of a gzip file compares its checksum
        raise _not_as_promised(shape, promised, "more are there")
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def _not_as_promised(shape: tuple[int, ...], promised: int, there: str) -> DataError:
    """Error for a file whose size contradicts its header."""
    text = " x ".join(map(str, shape))
    return DataError(f"damaged: its header promises {text}, {promised} bytes, {there}; copy or download it again")
