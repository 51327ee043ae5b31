"""Data sets of the suite: where their files lie, and their items as mmcli and the baselines receive them.

N items, D columns of a view.
"""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets

from mmcli.data.npz import write_arrays

BUNDLED = Path(__file__).parents[1] / "data" / "mnist_arabic" / "train.npz"
TUTORIAL = "serket_tutorial/data.zip"
LABELS = "labels"


class Kind(StrEnum):
    """Kind of a view: it decides which modules a config has for the view, and how the baselines represent it."""

    PIXELS = "pixels"  # 0 to 1
    HAC = "HAC"  # counts of pairs of codes in a recording
    COUNTS = "counts"  # of the words of a text
    FEATURES = "features"  # real numbers of any scale


class DataSet(NamedTuple):
    """Views of the same items, and their labels."""

    views: dict[str, np.ndarray]  # (N, D) each
    labels: np.ndarray  # (N,)


class Source(NamedTuple):
    """A set known to the suite.

    Attributes:
        title: name of the set in tables.
        kinds: kind of each view, by its name.
        num_seeds: how many seeds are trained, from 1000, where the command names none.
        read: arrays of the views and labels from the paths of `files`.
        files: looked for in the folders that the command names; none where the set comes with a package.
    """

    title: str
    kinds: dict[str, Kind]
    num_seeds: int
    read: Callable[..., dict[str, np.ndarray]]
    files: tuple[str, ...] = ()

    def find(self, folders: Sequence[Path]) -> list[Path] | None:
        """Find each file in one of the folders or a level below; None if any is in none of them."""
        found = [next(places(name, folders), None) for name in self.files]
        paths = [path for path in found if path is not None]
        return paths if len(paths) == len(found) else None

    def items(self, paths: Sequence[Path]) -> DataSet:
        """Read the set from the paths that `find` returned."""
        arrays = self.read(*paths)
        views = {name: as_kind(arrays[name], kind) for name, kind in self.kinds.items()}
        return DataSet(views, arrays[LABELS])


def places(name: str, folders: Sequence[Path]) -> Iterator[Path]:
    """Paths that exist at `name` in the folders and in the folders in them."""
    for folder in folders:
        yield from filter(Path.is_file, [folder / name, *sorted(folder.glob(f"*/{name}"))])


def as_kind(view: np.ndarray, kind: Kind) -> np.ndarray:
    """Values of a view as a module accepts them: bytes of pixels become 0 to 1, counts the smallest whole numbers."""
    match kind:
        case Kind.PIXELS:
            return (view / 255 if view.dtype.kind in "iu" else view).astype(np.float32)
        case Kind.FEATURES:
            return view.astype(np.float64)
        case _:
            return view.astype(np.min_scalar_type(int(view.max())))


def stored(name: str, paths: Sequence[Path], folder: Path) -> Path:
    """Path of the .npz of a set in `folder`, which is written if it does not exist."""
    path = folder / f"{name}.npz"
    if not path.exists():
        items = SOURCES[name].items(paths)
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(path, items.views | {LABELS: items.labels})
    return path


class Size(NamedTuple):
    """Number of items and of classes."""

    num_items: int
    num_classes: int


def size_of(path: Path) -> Size:
    """Size of a set, by the labels of a file that `stored` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        labels = arrays[LABELS]
    return Size(len(labels), len(np.unique(labels)))


def load(path: Path) -> DataSet:
    """Read a file that `stored` wrote."""
    arrays = read_npz(path)
    labels = arrays.pop(LABELS)
    return DataSet(arrays, labels)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@cache
def read_tutorial(path: Path) -> dict[str, np.ndarray]:
    """The pairs of Serket's tutorial, from its data.zip."""
    members = {"images": "data/data1.txt", "speech": "data/data2.txt", LABELS: "data/category.txt"}
    with zipfile.ZipFile(path) as archive:
        arrays = {name: np.loadtxt(archive.open(member)) for name, member in members.items()}
    return arrays | {LABELS: arrays[LABELS].astype(np.int64)}


def read_unlike(path: Path) -> dict[str, np.ndarray]:
    """The first 300 - 25 k pairs of digit k of the tutorial."""
    return keep_first(read_tutorial(path), {digit: 300 - 25 * digit for digit in range(10)})


def keep_first(arrays: dict[str, np.ndarray], sizes: dict[int, int]) -> dict[str, np.ndarray]:
    """Arrays of the first `sizes[label]` items of each label, in their order."""
    labels = arrays[LABELS]
    kept = np.sort(np.concatenate([np.flatnonzero(labels == label)[:size] for label, size in sizes.items()]))
    return {name: array[kept] for name, array in arrays.items()}


def read_other_speech(path: Path, speech: Path) -> dict[str, np.ndarray]:
    """Arrays of `path` with the speech of another file of `mmcli data hac`, matched by the names of recordings.

    Raises:
        ValueError: the other file lacks a recording.
    """
    arrays, others = read_npz(path), read_npz(speech)
    rows = {PurePosixPath(name).name: row for row, name in enumerate(others["speech_paths"])}
    names = [PurePosixPath(name).name for name in arrays["speech_paths"]]
    if missing := [name for name in names if name not in rows]:
        raise ValueError(f"{speech}: lacks {len(missing)} recordings of {path}, {missing[0]} first; add them")
    return arrays | {"speech": others["speech"][[rows[name] for name in names]]}


def read_sklearn(fetch: Callable[[], Any], scale: float = 1) -> dict[str, np.ndarray]:
    """The one view of a set of scikit-learn, divided by `scale`."""
    bunch = fetch()
    return {"table": bunch.data / scale, LABELS: bunch.target}


PAIRS = {"images": Kind.PIXELS, "speech": Kind.HAC}
TABLE = {"table": Kind.FEATURES}


def views(count: int, kind: Kind) -> dict[str, Kind]:
    """Names and kind of the views of a set that numbers them."""
    return {f"view{number}": kind for number in range(count)}


SOURCES = {
    "tutorial": Source("the tutorial's pairs", PAIRS, 60, read_tutorial, (TUTORIAL,)),
    "bundled": Source("bundled pairs", PAIRS, 60, partial(read_npz, BUNDLED)),
    "unlike": Source("the tutorial's pairs, 300 - 25 k of digit k", PAIRS, 20, read_unlike, (TUTORIAL,)),
    "fsdd": Source("English digits (FSDD)", PAIRS, 20, read_npz, ("fsdd.npz",)),
    "fsdd-normalised": Source(
        "English digits (FSDD), MFCCs normalised", PAIRS, 20, read_other_speech, ("fsdd.npz", "fsdd_normalised.npz")
    ),
    "hw2sources": Source("MNIST and USPS", views(2, Kind.PIXELS), 10, read_npz, ("hw2sources.npz",)),
    "bbc": Source("BBC news, four parts", views(4, Kind.COUNTS), 10, read_npz, ("bbc.npz",)),
    "ngs": Source("newsgroups, three views", views(3, Kind.COUNTS), 10, read_npz, ("ngs.npz",)),
    "msrcv1": Source("MSRC-v1, six features", views(6, Kind.FEATURES), 10, read_npz, ("msrcv1.npz",)),
    "iris": Source("iris", TABLE, 10, partial(read_sklearn, datasets.load_iris)),
    "wine": Source("wine", TABLE, 10, partial(read_sklearn, datasets.load_wine)),
    "cancer": Source("breast cancer", TABLE, 10, partial(read_sklearn, datasets.load_breast_cancer)),
    "digits": Source("8x8 digits", {"table": Kind.PIXELS}, 10, partial(read_sklearn, datasets.load_digits, 16)),
}
