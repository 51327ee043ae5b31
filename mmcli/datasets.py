"""Data files -> checked arrays. What a file says about itself is compared with its size before it is believed."""

import functools
import hashlib
import math
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mmcli.errors import DataError
from mmcli.graph import Graph, Node
from mmcli.modules import MODULES, Kind
from mmcli.spec import Config
from mmcli.wording import listed, located, shown, suggestion

# What reading a damaged file can raise. RuntimeError: an encrypted member; NotImplementedError: an unknown compression;
# SyntaxError, TypeError and TokenError: a header that is no dictionary of Python.
_READING_ERRORS = (
    *(OSError, EOFError, MemoryError, RuntimeError, SyntaxError, TypeError, ValueError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)

Array = NDArray[Any]
_Checked = TypeVar("_Checked")


class Datasets(NamedTuple):
    """What a run observes. N items; rows are items.

    Attributes:
        observations: (N, D) float32, C order, by name of the observation module.
        labels: (N,) int64, by name of the data.
        num_items: N.
        digests: SHA-256 in hex of each file, by its path.
    """

    observations: Mapping[str, NDArray[np.float32]]
    labels: Mapping[str, NDArray[np.int64]]
    num_items: int
    digests: Mapping[str, str]


def load_datasets(config: Config, graph: Graph) -> Datasets:
    """Read and check the data that the graph uses, each array once.

    Raises:
        DataError: every problem, one line each: where the config names the data, the file, what to do.
    """
    read = functools.cache(read_array)
    problems: list[str] = []

    def complain(name: str, text: str) -> None:
        keys = ("data", name)
        line = located(config.places.of(keys), keys, f"{shown(str(config.data[name].file))}: {text}")
        if line not in problems:  # two modules can show the same data
            problems.append(line)

    def take(name: str, check: Callable[[Array], _Checked]) -> _Checked | None:
        try:
            return check(read(config.data[name].file, config.data[name].key))
        except DataError as error:
            complain(name, str(error))
            return None

    shows = {name: node.config.data for name, node in graph.nodes.items() if node.config.data is not None}
    observations = {}
    for module, name in shows.items():
        hearers = [graph.nodes[child] for child in graph.nodes[module].children]
        if (points := take(name, functools.partial(_as_observation, module, hearers))) is not None:
            observations[module] = points
    label_names = sorted({node.config.labels for node in graph.nodes.values() if node.config.labels is not None})
    labels = {name: classes for name in label_names if (classes := take(name, _as_labels)) is not None}

    rows = {shows[module]: len(points) for module, points in observations.items()}
    first, num_items = next(iter(rows.items()), ("", 0))
    for name, size in (*rows.items(), *((name, len(classes)) for name, classes in labels.items() if rows)):
        if size != num_items:
            complain(name, f"{size} rows, but data.{first} has {num_items}; row t of every array must be item t")
    if problems:
        raise DataError("\n".join(problems))
    files = sorted({config.data[name].file for name in (*shows.values(), *label_names)})
    return Datasets(observations, labels, num_items, {str(file): _sha256(file) for file in files})


def read_array(file: Path, key: str | None) -> Array:
    """One array of numbers from a file, as it is stored.

    Args:
        file: a .npz or .npy, told apart by their first bytes.
        key: which array of a .npz; None for a .npy.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise DataError(f"is {kind}; name a .npz or .npy file")
        with file.open("rb") as stream:
            start = stream.read(len(npy.MAGIC_PREFIX))
            stream.seek(0)
            if start.startswith(b"PK"):
                return _read_member(stream, key)
            if start == npy.MAGIC_PREFIX:
                if key is not None:
                    raise DataError("a .npy file holds one array without a name; remove the key")
                return _read_npy(stream, file.stat().st_size)
        raise DataError("neither .npz nor .npy; write it with numpy.savez or numpy.save")
    except FileNotFoundError:
        raise DataError("no such file; data paths are relative to the config file") from None
    except _READING_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"cannot be read: {shown(reason.splitlines()[0], 160)}") from None


def _read_member(stream: IO[bytes], key: str | None) -> Array:
    """An array of a .npz; no other member is touched."""
    with zipfile.ZipFile(stream) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        if key is None:
            raise DataError(f"name one of its arrays by key: {listed(names)}")
        if key not in names:
            raise DataError(f"no array {shown(key, 60)}{suggestion(key, names)}; it holds {listed(names)}")
        with archive.open(f"{key}.npy") as member:
            return _read_npy(member, archive.getinfo(f"{key}.npy").file_size)


def _read_npy(stream: IO[bytes], num_bytes: int) -> Array:
    """An array in the format of numpy, at most `num_bytes` long; Python objects are refused, not unpickled."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):  # 3.0 is for fields whose names go beyond Latin-1
        raise DataError(f"format {version[0]}.{version[1]} of numpy is not read; save a plain array of numbers")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.kind not in "biuf":
        what = "Python objects, which mmcli never unpickles" if dtype.hasobject else f"values of type {dtype}"
        raise DataError(f"holds {what}; save numbers")
    declared, present = math.prod(shape) * dtype.itemsize, num_bytes - stream.tell()
    if declared != present:  # before anything of that size is allocated
        raise DataError(f"damaged: its header promises {declared} bytes of data, {present} are there; make it again")
    stream.seek(0)
    array: Array = npy.read_array(stream, allow_pickle=False)
    stream.read(1)  # the end of a member of a .npz is where its checksum is compared
    return array


def _as_observation(module: str, hearers: Iterable[Node], array: Array) -> NDArray[np.float32]:
    """(N, D) float32 in C order, fit for every node that hears the module."""
    if array.ndim != 2:
        remedy = "array.reshape(-1, 1)" if array.ndim < 2 else "array.reshape(len(array), -1)"
        raise DataError(f"{_dimensions(array)}; an observation has 2, items by columns: {remedy}")
    if not array.size:
        raise DataError(f"empty: {array.shape[0]} rows of {array.shape[1]} columns")
    _refuse(array, np.isnan(array), "fill it, or drop the item")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
        values = np.ascontiguousarray(array, dtype=np.float32)
    _refuse(array, ~np.isfinite(values), "too large for float32; scale the array")
    for node in hearers:
        if node.kinds[node.parents.index(module)] is Kind.COUNTS:
            _refuse(array, values < 0, f"modules.{node.name} takes counts, which are 0 or more")
        bounds = MODULES[node.type].input_range(node.config.options)
        if bounds is not None:
            low, high = bounds
            remedy = f"modules.{node.name} takes {low:g} to {high:g}: scale the array, or change the module's options"
            _refuse(array, (values < low) | (values > high), remedy)
    return values


def _as_labels(array: Array) -> NDArray[np.int64]:
    """(N,) int64."""
    if array.ndim != 1:
        raise DataError(f"{_dimensions(array)}; labels have 1: array.ravel()")
    with np.errstate(invalid="ignore"):  # NaN, infinity and what is too large change when cast
        labels = array.astype(np.int64)
    _refuse(array, (labels != array) | ((labels < 0) != (array < 0)), "labels are whole numbers; number the classes")
    return labels


def _refuse(array: Array, wrong: NDArray[np.bool_], remedy: str) -> None:
    """Raise DataError with the first of the wrong values of an array, if there are any."""
    if wrong.any():
        first = tuple(map(int, np.unravel_index(np.argmax(wrong), wrong.shape)))
        where = ", ".join(f"{axis} {index}" for axis, index in zip(("row", "column"), first, strict=False))
        more = f" and {np.count_nonzero(wrong) - 1} more" if np.count_nonzero(wrong) > 1 else ""
        raise DataError(f"{array[first]:g} at {where} (from 0){more}; {remedy}")


def _dimensions(array: Array) -> str:
    return f"{array.ndim} dimension{'s' * (array.ndim != 1)} {array.shape}"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
