"""Files of items -> one file with an item of each in a row, paired by label or by row."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mmcli.data.formats import heading_doubt, takes_header
from mmcli.data.labels import LABEL_NAMES, LABELS, Labels, LabelSet, make_labels, merged
from mmcli.data.npz import check_output, write_arrays
from mmcli.errors import DataError, UsageError
from mmcli.ingest.arrays import PAIR_ROWS, is_whole, read_arrays, refuse_header
from mmcli.ingest.places import kind_at, place
from mmcli.util.text import counted, listed, shown


class Part(NamedTuple):
    """Arrays of one file.

    Attributes:
        file: its path.
        num_items: N of it.
        items: arrays of N rows, by name, without the labels.
        whole: arrays of all items at once: settings, codebooks.
        labels: of the N items; None where the file has none.
    """

    file: Path
    num_items: int
    items: Mapping[str, Any]
    whole: Mapping[str, Any]
    labels: Labels | None


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
        held_out: share of the pairs of each label that is written to OUT_test.npz instead.
        seed: of the pairing, and of the held-out share.
        header: whether the first line of the texts among the files names columns; None: decided by each.

    Returns:
        Lines on how many items were used and left, and what was written.

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
        if os.path.realpath(path) in {os.path.realpath(part.file) for part in parts}:
            raise UsageError(f"{shown(str(path))}: is one of the files to be paired; name another with -o")
    _refuse_collisions(parts)
    doubts = [heading_doubt(part.file, header) for part in parts]
    without = [part.file for part in parts if part.labels is None]
    if by == "label" and without:
        raise DataError(f"{shown(str(without[0]))}: has no labels; give it an array named labels, or pair --by row")
    rng = np.random.default_rng(seed)
    rows = _pair_by_row(parts) if by == "row" or without else _pair_by_label(parts, rng)  # (N, F)
    labels = _labels_of_pairs(parts, rows)
    chosen = [np.arange(len(rows))]
    if held_out is not None:
        chosen = _split(np.zeros(len(rows)) if labels is None else _in_groups(labels), held_out, rng)
    lines = [_summary(part, len(rows)) for part in parts]
    lines += filter(None, doubts if all(doubts) else ())  # a file without a doubt has as many rows, which decides
    for path, pairs in zip(outputs, chosen, strict=True):
        own = None if labels is None else labels.of_rows(pairs)
        write_arrays(path, _arrays(parts, rows[pairs], own))
        kinds = "" if own is None else f", {counted(len(LabelSet.of(own).numbers), 'label')}{_without_label(own)}"
        lines.append(f"{shown(str(path))}: {counted(len(pairs), 'pair')}{kinds}")
    return lines


def outputs_of(output: Path, held_out: float | None) -> list[Path]:
    """Paths of the files to write: OUT.npz, and OUT_test.npz where pairs are held out."""
    return [output] if held_out is None else [output, output.with_name(f"{output.stem}_test.npz")]


def read_part(text: str, header: bool | None = None) -> Part:
    """Read the arrays of FILE or NAME=FILE; `header` as for `make_pairs`.

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
        arrays.pop(PAIR_ROWS, None)  # refers to files of an earlier pairing
        for key, array in arrays.items():
            if isinstance(array, DataError):
                raise DataError(f"array {shown(key, 60)}: {array}")
            if issparse(array):
                raise DataError("holds a sparse matrix, which is not paired; save it dense")
        stem = re.sub(r"\W", "_", file.name.partition(".")[0])
        return _sorted_out(file, {_renamed(key, name if own else "", stem): array for key, array in arrays.items()})
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None


def _renamed(key: str, name: str, stem: str) -> str:
    """Name of an array of FILE or, where a name is given, of NAME=FILE."""
    if key in {LABELS, LABEL_NAMES}:
        return key
    return "_".join(filter(None, (name, key))) or stem


def _sorted_out(file: Path, arrays: dict[str, Any]) -> Part:
    """Find the arrays of items: those as long as the labels or, without labels, as most are.

    Raises:
        DataError: there are none.
    """
    labels = _labels_in(arrays)
    lengths = Counter(array.shape[0] for name, array in arrays.items() if array.ndim and not is_whole(name))
    if labels is None and not lengths:
        raise DataError("holds no array of items")
    num_items = lengths.most_common(1)[0][0] if labels is None else len(labels.given)
    if num_items == 0:
        raise DataError("holds no items")
    if lengths and num_items not in lengths:
        raise DataError(f"{num_items} labels, but no array of as many rows")
    of_items = {name for name, array in arrays.items() if not is_whole(name) and array.shape[:1] == (num_items,)}
    items = {name: array for name, array in arrays.items() if name in of_items}
    whole = {name: array for name, array in arrays.items() if name not in of_items}
    return Part(file, num_items, items, whole, labels)


def _labels_in(arrays: dict[str, Any]) -> Labels | None:
    """Remove the labels and their names from the arrays of a file, and return them."""
    labels, names = arrays.pop(LABELS, None), arrays.pop(LABEL_NAMES, None)
    return None if labels is None else make_labels(labels, names)


def _refuse_collisions(parts: Sequence[Part]) -> None:
    """Refuse two arrays of one name; equal arrays of whole files are allowed.

    Raises:
        UsageError: there are two.
    """
    found: dict[str, Part] = {}
    for part in parts:
        for name, array in {**part.items, **part.whole}.items():
            other = found.setdefault(name, part)
            if other is part or (name in part.whole and name in other.whole and _same(array, other.whole[name])):
                continue
            raise UsageError(
                f"{shown(str(part.file))} and {shown(str(other.file))}: both hold an array {shown(name, 60)}; "
                f"distinguish them by NAME=FILE, as in second={shown(str(part.file))}"
            )


def _same(one: Any, other: Any) -> bool:
    """Whether two arrays are equal."""
    return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())


def _pair_by_label(parts: Sequence[Part], rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of each file in each pair, (N, F), pairs in random order; no row is in two.

    Raises:
        DataError: no label is in all files.
    """
    labels = [part.labels for part in parts if part.labels is not None]
    keys = [np.array(of_file.texts(), np.str_) for of_file in labels]
    shared = sorted(
        set.intersection(*(set(key.tolist()) for key in keys)) - {""},
        key=None if any(of_file.names for of_file in labels) else int,
    )
    if not shared:
        held = "; ".join(
            f"{shown(str(part.file))} has {listed(map(LabelSet.of(of_file).text, LabelSet.of(of_file).numbers))}"
            for part, of_file in zip(parts, labels, strict=True)
        )
        unnamed = [part.file for part, of_file in zip(parts, labels, strict=True) if not of_file.names]
        remedy = f"; give {shown(str(unnamed[0]))} {LABEL_NAMES}" if 0 < len(unnamed) < len(parts) else ""
        raise DataError(f"no label is in all files: {held}{remedy}")
    pairs = []
    for label in shared:
        shuffled = [rng.permutation(np.flatnonzero(key == label)) for key in keys]
        num_pairs = min(map(len, shuffled))
        pairs.append(np.stack([rows[:num_pairs] for rows in shuffled], axis=1))
    return rng.permutation(np.concatenate(pairs))


def _pair_by_row(parts: Sequence[Part]) -> NDArray[np.int64]:
    """Rows of each file in each pair, (N, F): row t of each file is pair t.

    Raises:
        DataError: files differ in length, or labels of a pair differ.
    """
    for one, other in pairwise(parts):
        if one.num_items != other.num_items:
            counts = f"{one.num_items} and {other.num_items} rows"
            longer = max(one, other, key=lambda part: part.num_items).file
            may_be = abs(one.num_items - other.num_items) == 1 and takes_header(longer)
            hint = f"; if the first line of {shown(str(longer))} names its columns, add --header" if may_be else ""
            both = f"{shown(str(one.file))} and {shown(str(other.file))}"
            raise DataError(f"{both}: {counts}; --by row pairs as many with as many{hint}")
    labelled = [(part, np.array(part.labels.texts(), np.str_)) for part in parts if part.labels is not None]
    for (one, first), (other, second) in combinations(labelled, 2):
        if (differ := (first != second) & (first != "") & (second != "")).any():
            row = int(differ.argmax())
            raise DataError(
                f"{shown(str(one.file))} and {shown(str(other.file))}: row {row} (from 0) is labelled "
                f"{shown(str(first[row]), 60)} and {shown(str(second[row]), 60)}; pair --by label"
            )
    return np.repeat(np.arange(parts[0].num_items)[:, None], len(parts), axis=1)


def _labels_of_pairs(parts: Sequence[Part], rows: NDArray[np.int64]) -> Labels | None:
    """Labels of pairs whose rows (N, F) agree; None where no file has labels."""
    found = [part.labels.of_rows(rows[:, index]) for index, part in enumerate(parts) if part.labels is not None]
    return merged(found) if found else None


def _in_groups(labels: Labels) -> NDArray[np.int64]:
    """Rank of each item's label among all, (N,); items without one form a group of their own."""
    numbers = LabelSet.of(labels).numbers
    return np.where(labels.given, np.searchsorted(np.array(numbers, np.int64), labels.numbers), len(numbers))


def _split(labels: NDArray[Any], held_out: float, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Indices of the pairs for training and of the held-out ones, each in the order of the pairs.

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


def _arrays(parts: Sequence[Part], rows: NDArray[np.int64], labels: Labels | None) -> dict[str, Any]:
    """Arrays of a file of pairs."""
    arrays: dict[str, Any] = {}
    for index, part in enumerate(parts):
        arrays |= {name: array[rows[:, index]] for name, array in part.items.items()}
    for part in parts:
        arrays |= part.whole
    return arrays | ({} if labels is None else labels.arrays()) | {PAIR_ROWS: rows}


def _without_label(labels: Labels | None) -> str:
    """Number of items without a label, in words; empty for none."""
    return f", {labels.num_unlabelled} without a label" if labels is not None and labels.num_unlabelled else ""


def _summary(part: Part, num_used: int) -> str:
    """Line on the number of items of a file that were used."""
    left = part.num_items - num_used
    used = f"{num_used} of {part.num_items} items used, {left} left"
    return f"{shown(str(part.file))}: {used}{_without_label(part.labels)}"
