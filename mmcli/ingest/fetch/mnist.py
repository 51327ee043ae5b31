"""MNIST (LeCun, Cortes and Burges, yann.lecun.com/exdb/mnist): the four IDX files and their known contents."""

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats.idx import read_idx
from mmcli.errors import DataError
from mmcli.ingest.places import kind_at
from mmcli.util.text import shown

SIDE = 28  # pixels

# Items of each digit. Other sets of the same names and shapes, Fashion-MNIST for one, have other numbers.
COUNTS = {
    "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "t10k": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
}


class Images(NamedTuple):
    """One part of MNIST: pixels (N, 28, 28) uint8, 0 is paper and 255 is ink; labels (N,) uint8."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class Mnist(NamedTuple):
    """Both parts of MNIST."""

    train: Images
    test: Images

    def shortage(self) -> list[str]:
        """Notes on parts with fewer images than MNIST."""
        return [
            f"{stem}: {len(images.labels):,} of MNIST's {sum(counts):,} images are there, and are used"
            for (stem, counts), images in zip(COUNTS.items(), self, strict=True)
            if len(images.labels) < sum(counts)
        ]


def read_mnist(read: Callable[[str], NDArray[np.uint8]]) -> Mnist:
    """Read both parts; `read` returns the array of a file by its name, such as train-images-idx3-ubyte.

    Raises:
        DataError: a part has not as many images as labels.
    """
    parts = []
    for stem in COUNTS:
        images = Images(read(f"{stem}-images-idx3-ubyte"), read(f"{stem}-labels-idx1-ubyte"))
        if len(images.pixels) != len(images.labels):
            sizes = f"{len(images.pixels):,} images, but {len(images.labels):,} labels"
            raise DataError(f"{stem}: {sizes}; get both files from one place")
        parts.append(images)
    return Mnist(*parts)


def read_file(path: Path, name: str) -> NDArray[np.uint8]:
    """Read the array of one of the files.

    Args:
        path: of the file, gzip or not.
        name: MNIST's name of it.

    Raises:
        DataError: it cannot be read, or is not MNIST's.
    """
    try:
        array = read_idx(path)
        _check(array, name)
    except DataError as error:
        raise DataError(error.of(shown(str(path)))) from None
    return array


def find_in(folder: Path, name: str) -> Path:
    """Find a file of MNIST's in a folder, gzip or not; some copies have a dot before idx.

    Raises:
        DataError: there is none.
    """
    dotted = name.replace("-idx", ".idx")
    for path in (folder / name for name in (name, f"{name}.gz", dotted, f"{dotted}.gz")):
        if kind_at(path) is not None:
            return path
    what = f"no {name} and no {name}.gz; it must hold the four files of MNIST" if kind_at(folder) else "no such folder"
    raise DataError(f"{shown(str(folder))}: {what}")


def _check(array: NDArray[Any], name: str) -> None:
    """Refuse an array that is not MNIST's, or a part of it.

    Raises:
        DataError: it is not.
    """
    counts = COUNTS[name.partition("-")[0]]
    shape = (sum(counts), SIDE, SIDE) if "images" in name else (sum(counts),)
    if array.shape[1:] != shape[1:] or array.dtype != np.uint8 or not 0 < len(array) <= shape[0]:
        has, wants = (" x ".join(map(str, dimensions)) for dimensions in (array.shape, shape))
        raise DataError(f"{has} values of type {array.dtype}; {name} of MNIST has {wants} of type uint8")
    if "labels" not in name:
        return
    found = tuple(np.bincount(array, minlength=len(counts)).tolist())
    is_whole = len(array) == shape[0]
    if found != counts if is_whole else len(found) > len(counts) or any(map(operator.gt, found, counts)):
        has, wants = (" ".join(map(str, numbers[:11])) for numbers in (found, counts))
        most = "" if is_whole else " at most"
        raise DataError(f"labels 0, 1, ... come {has} times; in {name} of MNIST {wants} times{most}")
