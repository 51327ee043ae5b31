"""Labels of items: whole numbers or names, read exactly; items without one; equal labels in two files.

A label is identified by its name, or by its number where it has none, and labels of different files are equal if these
are. An item has no label where its label is NaN or an empty text, or where a mask leaves it out: no number stands for
that.

N items, L distinct labels.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats import array_names, read_array
from mmcli.data.label_values import INT64, label_column, refuse_labels, whole_labels
from mmcli.errors import DataError
from mmcli.util.text import counted, listed

LABELS, LABEL_NAMES = "labels", "label_names"  # arrays of an .npz: labels, and the names of their numbers


class Labels(NamedTuple):
    """Labels of N items.

    Attributes:
        numbers: (N,) int64; 0 where an item has no label.
        given: (N,) bool, True where an item has a label.
        names: by number; empty where labels are numbers.
    """

    numbers: NDArray[np.int64]
    given: NDArray[np.bool_]
    names: Mapping[int, str]

    @property
    def num_unlabelled(self) -> int:
        """Number of items without a label."""
        return int(np.count_nonzero(~self.given))

    def of_rows(self, rows: NDArray[np.int64] | slice) -> "Labels":
        """Labels of some items."""
        return self._replace(numbers=self.numbers[rows], given=self.given[rows])

    def texts(self) -> list[str]:
        """Canonical name of the label of each item, equal in all files; "" where it has none."""
        names = {number: text for text, number in LabelSet.of(self).by_text().items()}
        every = zip(self.numbers.tolist(), self.given.tolist(), strict=True)
        return [names[number] if given else "" for number, given in every]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of a file as `read_labels` reads it: numbers and their names, or text where items lack a label."""
        if self.num_unlabelled:
            return {LABELS: np.array(self.texts(), np.str_)}
        if not self.names:
            return {LABELS: self.numbers}
        names = [self.names.get(number, "") for number in range(max(self.names) + 1)]
        return {LABELS: self.numbers, LABEL_NAMES: np.array(names)}


class LabelSet(NamedTuple):
    """Distinct labels of a file, or of the training data of a run.

    Attributes:
        numbers: L of them, ascending.
        names: by number; empty where labels are numbers.
    """

    numbers: tuple[int, ...]
    names: Mapping[int, str]

    @classmethod
    def of(cls, labels: Labels) -> "LabelSet":
        """Distinct labels of items."""
        return cls(tuple(np.unique(labels.numbers[labels.given]).tolist()), labels.names)

    def record(self) -> dict[str, Any]:
        """Plain values, as in meta.json."""
        return {"numbers": [*self.numbers], "names": [self.names[n] for n in self.numbers] if self.names else None}

    @classmethod
    def from_record(cls, record: object) -> "LabelSet":
        """Read the values of `record`.

        Raises:
            ValueError: they are something else.
        """
        match record:
            case {"numbers": list(numbers), "names": None | list() as names} if all(type(n) is int for n in numbers):
                if names is None:
                    return cls(tuple(numbers), {})
                if len(names) == len(numbers) and all(isinstance(name, str) for name in names):
                    return cls(tuple(numbers), dict(zip(numbers, names, strict=True)))
        raise ValueError("not the labels of a run")

    def text(self, number: int) -> str:
        """Name of a label."""
        return self.names.get(number, str(number))

    def class_text(self, number: int) -> str:
        """Name of a class that was matched to a label, or to none."""
        return self.text(number) if number in self.numbers else f"unmatched-{number}"

    def by_text(self) -> dict[str, int]:
        """Numbers by the canonical names of labels, equal in all files."""
        return {_canonical(self.text(number)): number for number in self.numbers}


def read_labels(
    file: Path, key: str | None, known: NDArray[np.bool_] | None = None, header: bool | None = None
) -> Labels:
    """Labels from a file of any format, with the names that an .npz holds for its array `labels`.

    Args:
        file: to be read.
        key: as for `formats.read_array`.
        known: mask (N,), True where an item has a label; None where the labels alone decide.
        header: as for `formats.read_array`.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    array = read_array(file, key, header, texts=True)
    names = None
    if key == LABELS and array.dtype.kind != "U" and LABEL_NAMES in array_names(file):
        names = read_array(file, LABEL_NAMES, texts=True)
    return make_labels(array, names, known)


def make_labels(array: Any, names: Any = None, known: NDArray[np.bool_] | None = None) -> Labels:
    """Labels from an array of whole numbers or text.

    Args:
        array: (N,) or (N, 1).
        names: (L,) text, of the labels 0 to L - 1; None where numbers have none.
        known: as for `read_labels`.

    Raises:
        DataError: what is wrong, with the remedy; WrongValueError where a row is at fault.
    """
    column = label_column(array)
    given = np.ones(len(column), bool) if known is None else known.copy()
    if len(given) != len(column):
        raise DataError(f"{counted(len(column), 'label')}, but their mask has {len(given)}")
    if column.dtype.kind == "U":
        return _from_text(column, given & (column != ""))
    if column.dtype.kind == "f":
        given &= ~np.isnan(column)
    numbers = whole_labels(column, given)
    if names is None:
        return Labels(numbers, given, {})
    texts = _names(names)
    misnamed = given & ((numbers < 0) | (numbers >= len(texts)))
    refuse_labels(column, misnamed, f"{LABEL_NAMES} names the labels 0 to {len(texts) - 1}; add what is missing there")
    unnamed = [number for number, text in enumerate(texts) if not text]
    given &= ~np.isin(numbers, unnamed)
    return Labels(np.where(given, numbers, 0), given, {number: text for number, text in enumerate(texts) if text})


def merged(labels: Sequence[Labels]) -> Labels:
    """Merge labels of the same items from several places: the first present, numbered as in the first with names.

    Raises:
        DataError: as in `translated`.
    """
    first = next((one for one in labels if one.names), labels[0])
    whole = first
    for other in labels:
        if other is not first and not whole.given.all():
            known = LabelSet(tuple(sorted(whole.names)), whole.names) if whole.names else LabelSet.of(whole)
            more = translated(other, known, ())
            numbers = np.where(whole.given, whole.numbers, more.numbers)
            whole = Labels(numbers, whole.given | more.given, {**more.names, **whole.names})
    return whole


def translated(labels: Labels, learned: LabelSet, reserved: Collection[int]) -> Labels:
    """Translate labels of other items to the numbers of a run, by name.

    Args:
        labels: as in their file.
        learned: labels of the training data.
        reserved: numbers of the run's classes, which a label unknown to the run must not take.

    Raises:
        DataError: one of the two has names, the other numbers, and no label is in both.
    """
    if not labels.names and not learned.names:
        return labels
    own, known = LabelSet.of(labels), learned.by_text()
    texts = [own.text(number) for number in own.numbers]
    new = [text for text in texts if _canonical(text) not in known]
    if texts and len(new) == len(texts) and bool(labels.names) != bool(learned.names):
        ours, theirs = listed(texts), listed(map(learned.text, learned.numbers))
        remedy = f"where one file names its labels ({LABEL_NAMES}, or text), the other has to"
        raise DataError(f"labels {ours} are none of {theirs}; {remedy}")
    fresh = dict(zip(new, free_numbers([*learned.numbers, *reserved], len(new)).tolist(), strict=True))
    numbers = [fresh[text] if text in fresh else known[_canonical(text)] for text in texts]
    found = np.zeros(len(labels.numbers), np.int64)
    if numbers:
        places = np.searchsorted(np.array(own.numbers), labels.numbers[labels.given])
        found[labels.given] = np.array(numbers, np.int64)[places]
    return labels._replace(numbers=found, names=dict(zip(numbers, texts, strict=True)))


def free_numbers(taken: Iterable[int], count: int) -> NDArray[np.int64]:
    """(count,) numbers that are not taken: those above all, or the smallest from 0 where none is above."""
    used = set(taken)
    start = max(used, default=-1) + 1
    if start + count - 1 <= INT64.max:
        return np.arange(start, start + count, dtype=np.int64)
    return np.array([number for number in range(len(used) + count) if number not in used][:count], np.int64)


def _canonical(text: str) -> str:
    """Canonical name: the same for 7 and 07, where the name is a number."""
    return text.lstrip("0") or "0" if re.fullmatch("[0-9]+", text, re.ASCII) else text


def _names(names: Any) -> list[str]:
    """Names of the labels 0, 1, ... from the array of a file.

    Raises:
        DataError: it holds no names.
    """
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(f"{LABEL_NAMES} holds no names, but {names.dtype} of shape {names.shape}; save text (L,)")
    texts = [str(text) for text in names.tolist()]
    _refuse_doubles(texts)
    return texts


def _refuse_doubles(texts: Iterable[str]) -> None:
    """Refuse names that two labels share.

    Raises:
        DataError: there is one.
    """
    before: dict[str, str] = {}
    for text in filter(None, texts):
        same = _canonical(text)
        if same in before:
            both = listed(dict.fromkeys((before[same], text)))
            raise DataError(f"two labels of one name, {both}; give every label a name of its own")
        before[same] = text


def _from_text(column: NDArray[Any], given: NDArray[np.bool_]) -> Labels:
    """Labels from text: whole numbers stand for themselves, other names are numbered from 0 in alphabetical order."""
    texts, places = np.unique(column[given], return_inverse=True)
    names = [str(text) for text in texts.tolist()]
    _refuse_doubles(names)
    numbers = np.zeros(len(column), np.int64)
    if names and all(re.fullmatch("-?[0-9]{1,20}", name, re.ASCII) for name in names):
        values = [int(name) for name in names]
        if INT64.min <= min(values) and max(values) <= INT64.max:
            numbers[given] = np.array(values, np.int64)[places]
            return Labels(numbers, given, {})
    numbers[given] = places
    return Labels(numbers, given, dict(enumerate(names)))
