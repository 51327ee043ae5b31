"""Addresses of MNIST and Spoken Arabic Digit, and reading them from the web or from disk."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmcli.ingest.fetch.download import Fetcher
from mmcli.ingest.fetch.mnist import Mnist, find_in, read_file, read_mnist
from mmcli.ingest.fetch.spoken_digits import ARCHIVE, SpokenDigits, read_spoken_digits
from mmcli.ingest.fetch.transfer import Resource

MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")

# Size in bytes and MD5 of each file, with .gz after its name.
MNIST_FILES = {
    "train-images-idx3-ubyte": (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    "train-labels-idx1-ubyte": (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
    "t10k-images-idx3-ubyte": (1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
    "t10k-labels-idx1-ubyte": (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
}
# UCI publishes no checksum: the zip is checked by its contents.
SPOKEN_DIGITS = Resource(ARCHIVE, (f"https://archive.ics.uci.edu/static/public/195/{ARCHIVE}",), most=100 << 20)


def load_mnist(folder: Path | None, fetcher: Fetcher) -> Mnist:
    """Load MNIST from a folder, or from the web where none is given.

    Raises:
        DataError, SaveError, UsageError: as `Fetcher.fetch`, `find_in` and `read_file`.
    """

    def read(name: str) -> NDArray[np.uint8]:
        """Read one of the files."""
        if folder is not None:
            return read_file(find_in(folder, name), name)
        size, md5 = MNIST_FILES[name]
        urls = tuple(f"{mirror}/{name}.gz" for mirror in MNIST_MIRRORS)
        resource = Resource(f"{name}.gz", urls, size, size, md5)
        offline_way = "without a network, put the four files of MNIST in a folder and name it with --mnist-dir"
        return fetcher.fetch(resource, partial(read_file, name=name), offline_way)

    return read_mnist(read)


def load_spoken_digits(place: Path | None, fetcher: Fetcher) -> SpokenDigits:
    """Load Spoken Arabic Digit from a folder or its zip, or from the web where none is given.

    Raises:
        DataError, SaveError, UsageError: as `Fetcher.fetch` and `read_spoken_digits`.
    """
    if place is not None:
        return read_spoken_digits(place)
    offline_way = f"without a network, put {ARCHIVE} in a folder and name it with --arabic-dir"
    return fetcher.fetch(SPOKEN_DIGITS, read_spoken_digits, offline_way)
