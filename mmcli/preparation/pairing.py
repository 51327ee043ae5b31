"""Files of items -> one file whose row is an item of each: paired by label, or by row."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mmcli.arrays_out import check_output, write_arrays
from mmcli.errors import DataError, UsageError
from mmcli.formats import takes_header
from mmcli.formats.whole_numbers import EXACT
from mmcli.preparation.arrays_in import LABELS, PAIR_ROWS, is_whole, read_arrays, refuse_header
from mmcli.preparation.places import kind_at, place
from mmcli.wording import counted, listed, shown

LABEL_NAMES = "label_names"


class Part(NamedTuple):
    """What a file brings.

    Attributes:
        file: where it lies.
        num_items: N of it.
        items: arrays of N rows, by name, without the labels.
        whole: arrays of all items at once: settings, codebooks.
        labels: (N,) the label of each item, a whole number.
        names: of the labels 0, 1, ..., where the file has names.
    """

    file: Path
    num_items: int
    items: Mapping[str, Any]
    whole: Mapping[str, Any]
    labels: NDArray[Any] | None
    names: Sequence[str] | None


def make_pairs(
    named: Sequence[str],
    output: Path,
    *,
    by: str | None,
    held_out: float | None,
    seed: int,
    header: bool | None = None,
) -> list[str]:
    """Pair the items of files and write them as one.

    OUT.npz gets the arrays of all files, a row a pair; `pair_rows` (N, F), the row of each of the F files that it comes
    from; `labels` and `label_names` where there are labels; and arrays of a whole file as they are.

    Args:
        named: two files or more, each FILE or NAME=FILE: the one array of a FILE without names is called NAME, others
            NAME_ and their name.
        output: OUT.npz.
        by: "label", each item with one of the same label; "row", with the one in the same row; None is by label where
            all files have labels.
        held_out: share of the pairs of each label that goes to OUT_test.npz instead.
        seed: of who is paired with whom, and of who is held out.
        header: whether the first line of the texts among the files names columns; None has each decide.

    Returns:
        Lines that say how many items were used and left, and what was written.

    Raises:
        UsageError: two files have arrays of one name, or OUT.npz cannot be written.
        DataError: a file cannot be read, or their items cannot be paired.
    """
    if len(named) < 2:
        raise UsageError("one file has nothing to be paired with; name two or more")
    outputs = outputs_of(output, held_out)
    for path in outputs:
        check_output(path)
    parts = [read_part(text, header) for text in named]
    refuse_header([part.file for part in parts], header)
    for path in outputs:
        if path.resolve() in {part.file.resolve() for part in parts}:
            raise UsageError(f"{shown(str(path))}: is one of the files to be paired; name another with -o")
    _refuse_collisions(parts)
    without = [part.file for part in parts if part.labels is None]
    if by == "label" and without:
        raise DataError(f"{shown(str(without[0]))}: has no labels; give it an array named labels, or pair --by row")
    rng = np.random.default_rng(seed)
    rows = _pair_by_row(parts) if by == "row" or without else _pair_by_label(parts, rng)  # (N, F)
    labels = next((part.labels[rows[:, index]] for index, part in enumerate(parts) if part.labels is not None), None)
    chosen = [np.arange(len(rows))]
    if held_out is not None:
        chosen = _split(np.zeros(len(rows)) if labels is None else labels, held_out, rng)
    told = [_told(part, len(rows)) for part in parts]
    for path, pairs in zip(outputs, chosen, strict=True):
        write_arrays(path, _arrays(parts, rows[pairs]))
        kinds = "" if labels is None else f", {counted(len(np.unique(labels[pairs])), 'label')}"
        told.append(f"{shown(str(path))}: {counted(len(pairs), 'pair')}{kinds}")
    return told


def outputs_of(output: Path, held_out: float | None) -> list[Path]:
    """The files that are written: OUT.npz, and OUT_test.npz where pairs are held out."""
    return [output] if held_out is None else [output, output.with_name(f"{output.stem}_test.npz")]


def read_part(text: str, header: bool | None = None) -> Part:
    """The arrays of FILE or NAME=FILE; `header` as for `make_pairs`.

    Raises:
        UsageError: there is no such file.
        DataError: it cannot be read.
    """
    name, equals, rest = text.partition("=")
    own = bool(equals) and kind_at(place(text)) is None
    file = place(rest if own else text)
    if own and not re.fullmatch(r"\w+", name):
        raise UsageError(f"{shown(text, 120)}: a name is of letters, digits and _")
    if kind_at(file) != "file":
        raise UsageError(f"{shown(text, 120)}: {'is no file' if kind_at(file) else 'no such file'}")
    try:
        arrays = read_arrays(file, header)
        arrays.pop(PAIR_ROWS, None)  # of files that are not at hand
        for key, array in arrays.items():
            if isinstance(array, DataError):
                raise DataError(f"array {shown(key, 60)}: {array}")
            if issparse(array):
                raise DataError("a sparse matrix cannot stand in an .npz of several arrays; save it dense")
        stem = re.sub(r"\W", "_", file.name.partition(".")[0])
        return _sorted_out(file, {_renamed(key, name if own else "", stem): array for key, array in arrays.items()})
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None


def _renamed(key: str, name: str, stem: str) -> str:
    """What an array of FILE or, where there is a name, of NAME=FILE is called."""
    if key in {LABELS, LABEL_NAMES}:
        return key
    return "_".join(filter(None, (name, key))) or stem


def _sorted_out(file: Path, arrays: dict[str, Any]) -> Part:
    """Which arrays are of the items: those as long as the labels or, without labels, as most are."""
    labels, names = _labels_in(arrays)
    lengths = Counter(array.shape[0] for name, array in arrays.items() if array.ndim and not is_whole(name))
    if labels is None and not lengths:
        raise DataError("holds no array of items")
    num_items = lengths.most_common(1)[0][0] if labels is None else len(labels)
    if num_items == 0:
        raise DataError("holds no items")
    if lengths and num_items not in lengths:
        raise DataError(f"{num_items} labels, but no array of as many rows")
    of_items = {name for name, array in arrays.items() if not is_whole(name) and array.shape[:1] == (num_items,)}
    items = {name: array for name, array in arrays.items() if name in of_items}
    whole = {name: array for name, array in arrays.items() if name not in of_items}
    return Part(file, num_items, items, whole, labels, names)


def _labels_in(arrays: dict[str, Any]) -> tuple[NDArray[Any] | None, list[str] | None]:
    """Take the labels (N,) and their names out of the arrays of a file; labels that are names get numbers."""
    labels, names = arrays.pop(LABELS, None), arrays.pop(LABEL_NAMES, None)
    if labels is None:
        return None, None
    if labels.shape[1:] == (1,):  # a table of one column
        labels = labels.ravel()
    if labels.ndim != 1:
        raise DataError(f"labels of shape {labels.shape}; they are one an item")
    if labels.dtype.kind == "U":
        names, labels = np.unique(labels, return_inverse=True)
    labels = _whole(labels)
    if names is None:
        return labels, None
    low, high = labels.min(initial=0), labels.max(initial=0)
    if names.ndim != 1 or low < 0 or high >= max(len(names), 1):
        raise DataError(f"label_names of shape {names.shape} cannot name the labels {low} to {high}")
    return labels, [str(name) for name in names.tolist()]


def _whole(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as whole numbers: int64, or uint64 where some are beyond it.

    Raises:
        DataError: some are no whole numbers, or floats that may have been rounded.
    """
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels).all() and (labels == np.floor(labels)).all()):
            raise DataError("labels that are fractions or no numbers; number the classes")
        if (np.abs(labels) > EXACT).any():
            raise DataError("labels of floats beyond 2^53, where float64 rounds whole numbers; save them as int64")
    is_beyond = labels.dtype == np.uint64 and labels.max(initial=0) > np.iinfo(np.int64).max
    return labels if is_beyond else labels.astype(np.int64)


def _refuse_collisions(parts: Sequence[Part]) -> None:
    """Raise UsageError where one name stands for two arrays; arrays of whole files may be the same."""
    found: dict[str, Part] = {}
    for part in parts:
        for name, array in {**part.items, **part.whole}.items():
            other = found.setdefault(name, part)
            if other is part or (name in part.whole and name in other.whole and _same(array, other.whole[name])):
                continue
            raise UsageError(
                f"{shown(str(part.file))} and {shown(str(other.file))}: both hold an array {shown(name, 60)}; "
                f"tell them apart by NAME=FILE, as in second={shown(str(part.file))}"
            )


def _same(one: Any, other: Any) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())


def _keys(parts: Sequence[Part]) -> list[NDArray[Any]]:
    """The labels of each file in a form in which they can be compared: names where all files have them, or numbers.

    Raises:
        DataError: they have to be compared by number, and files number their names differently.
    """
    labels = [part.labels for part in parts if part.labels is not None]
    names = [part.names for part in parts if part.names is not None]
    if len(names) == len(labels):
        return [np.array(of_file)[numbers] for of_file, numbers in zip(names, labels, strict=True)]
    if any(of_file != names[0] for of_file in names):
        without = next(part.file for part in parts if part.names is None)
        raise DataError(
            f"{shown(str(without))}: has no label_names, and the other files number theirs differently; add them"
        )
    return labels


def _pair_by_label(parts: Sequence[Part], rng: np.random.Generator) -> NDArray[np.int64]:
    """(N, F): the row of each file in each pair, pairs in random order; no row is in two."""
    keys = _keys(parts)
    shared = sorted(set.intersection(*(set(key.tolist()) for key in keys)))
    if not shared:
        held = "; ".join(
            f"{shown(str(part.file))} has {listed(map(str, sorted(set(key.tolist()))))}"
            for part, key in zip(parts, keys, strict=True)
        )
        raise DataError(f"no label is in all files: {held}")
    pairs = []
    for label in shared:
        shuffled = [rng.permutation(np.flatnonzero(key == label)) for key in keys]
        num_pairs = min(map(len, shuffled))
        pairs.append(np.stack([rows[:num_pairs] for rows in shuffled], axis=1))
    return rng.permutation(np.concatenate(pairs))


def _pair_by_row(parts: Sequence[Part]) -> NDArray[np.int64]:
    """(N, F): row t of each file is pair t."""
    for one, other in pairwise(parts):
        if one.num_items != other.num_items:
            counts = f"{one.num_items} and {other.num_items} rows"
            longer = max(one, other, key=lambda part: part.num_items).file
            may_be = abs(one.num_items - other.num_items) == 1 and takes_header(longer)
            hint = f"; if the first line of {shown(str(longer))} names its columns, say --header" if may_be else ""
            both = f"{shown(str(one.file))} and {shown(str(other.file))}"
            raise DataError(f"{both}: {counts}; --by row pairs as many with as many{hint}")
    labelled = [part for part in parts if part.labels is not None]
    for (one, first), (other, second) in pairwise(zip(labelled, _keys(labelled), strict=True)):
        if (differ := first != second).any():
            row = int(differ.argmax())
            raise DataError(
                f"{shown(str(one.file))} and {shown(str(other.file))}: row {row} (from 0) is labelled "
                f"{shown(str(first[row]), 60)} and {shown(str(second[row]), 60)}; pair --by label"
            )
    return np.repeat(np.arange(parts[0].num_items)[:, None], len(parts), axis=1)


def _split(labels: NDArray[Any], held_out: float, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Which pairs are for learning and which are held out, each in the order of the pairs.

    Raises:
        DataError: a part would be empty.
    """
    is_held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        is_held_out[members[: int(held_out * len(members) + 0.5)]] = True
    if is_held_out.all() or not is_held_out.any():
        kept = "all" if is_held_out.all() else "none"
        raise DataError(f"--held-out {held_out:g}: {kept} of {len(labels)} pairs would be held out; take another share")
    return [np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)]


def _arrays(parts: Sequence[Part], rows: NDArray[np.int64]) -> dict[str, Any]:
    """The arrays of a file of pairs."""
    arrays: dict[str, Any] = {}
    for index, part in enumerate(parts):
        arrays |= {name: array[rows[:, index]] for name, array in part.items.items()}
    for index, part in enumerate(parts):
        if part.labels is not None:
            arrays.setdefault(LABELS, part.labels[rows[:, index]])
        if part.names is not None:
            arrays.setdefault(LABEL_NAMES, np.array(part.names))
        arrays |= part.whole
    return arrays | {PAIR_ROWS: rows}


def _told(part: Part, num_used: int) -> str:
    left = part.num_items - num_used
    return f"{shown(str(part.file))}: {num_used} of {part.num_items} items used, {left} left"
