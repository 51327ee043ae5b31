"""Discovery of a command's files and their labels: files, folders, globs and CSV lists."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import DataError, UsageError
from mmcli.ingest.folders import matches, read_folder
from mmcli.ingest.places import kind_at, place
from mmcli.util.text import counted, listed, shown

HEADINGS = ("path", "file", "filename")  # first cell of the heading of a CSV
MAX_LABEL = 2**63 - 1  # as a number


class Item(NamedTuple):
    """A file that becomes a row."""

    path: Path
    label: str | None
    speaker: str | None = None


class Listing(NamedTuple):
    """Items to read.

    Attributes:
        items: each once.
        problems: a line for each file or folder that was found and cannot be read.
        notes: lines that name files that were skipped.
    """

    items: list[Item]
    problems: list[str]
    notes: list[str]


class Labels(NamedTuple):
    """Labels of N items."""

    numbers: NDArray[np.int64]  # (N,)
    names: list[str] | None  # of the numbers 0, 1, ...; None where the labels were numbers already

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of a data file."""
        return {"labels": self.numbers} | ({} if self.names is None else {"label_names": np.array(self.names)})

    def summary(self) -> str:
        """Number of distinct labels, in words."""
        return counted(len(np.unique(self.numbers)), "label")


def list_items(
    named: Sequence[str], suffixes: Collection[str], label_by: str, speaker_by: str | None = None
) -> Listing:
    """List the files that the arguments of a command name.

    Args:
        named: files, folders, globs, and .csv files that hold lines of path,label.
        suffixes: of the files that are taken from folders, in lower case.
        label_by: "folder", the sub-folder below a named folder; "name", the part of the file's name before the first -
            or _; "none". Labels of a CSV are used in any case.
        speaker_by: "folder", the folder that holds a file; "name", the part of the file's name after the first - or _,
            up to the next; "none". Those of a CSV, path,label,speaker, are used in any case. None: of files that are no
            recordings, and have no speakers.

    Raises:
        UsageError: there is no such file, or a folder holds none.
        DataError: a CSV is malformed, nothing can be read, or some files have a label, or a speaker, and others none.
    """
    found: dict[Path, Item] = {}
    listing = Listing([], [], [])
    for text in named:
        for named_item in _items_of(text, suffixes, label_by, speaker_by is not None, listing):
            item = _with_speaker(named_item, speaker_by)
            before = found.setdefault(item.path.absolute(), item)
            _refuse_two_of("label", before, item)
            _refuse_two_of("speaker", before, item)
    items = list(found.values())
    if not items:
        raise DataError(
            "\n".join([*listing.notes, *listing.problems, "nothing can be read; there is nothing to write"])
        )
    _require_all_or_none("label", items, "put them into sub-folders, or leave all labels out by --label-by none")
    if speaker_by is not None:
        _require_all_or_none("speaker", items, "give all or none, in a list of path,label,speaker or by --speaker-by")
    notes = listing.notes + _alike({str(item.label) for item in items})
    return Listing(items, list(dict.fromkeys(listing.problems)), notes)


def _refuse_two_of(field: str, before: Item, item: Item) -> None:
    """Refuse another label or speaker of a file that is named twice.

    Raises:
        DataError: they differ.
    """
    one, other = getattr(before, field), getattr(item, field)
    if one != other:
        both = f"{shown(str(one), 60)} and {shown(str(other), 60)}"
        raise DataError(f"{shown(str(item.path))}: named twice, with {field}s {both}; name it once")


def _require_all_or_none(field: str, items: Sequence[Item], remedy: str) -> None:
    """Require that all items have a label or speaker, or none.

    Raises:
        DataError: some have one.
    """
    without = [item.path for item in items if getattr(item, field) is None]
    if 0 < len(without) < len(items):
        count = f"{len(without)} of {len(items)} files"
        raise DataError(f"{shown(str(without[0]))}: has no {field}, as {count}; {remedy}")


def _alike(labels: Collection[str]) -> list[str]:
    """Notes on labels that differ only in case, as Cat and cat do."""
    by_fold: dict[str, list[str]] = {}
    for label in sorted(labels):
        by_fold.setdefault(label.casefold(), []).append(label)
    return [f"labels {listed(names)} differ in nothing but case" for names in by_fold.values() if len(names) > 1]


def number_labels(items: Sequence[Item], known: Sequence[str] = ()) -> Labels | None:
    """Number the labels; None where there are none.

    Names that are whole numbers stand for themselves. Others are numbered from 0: first those `known`, in their order,
    then the rest in alphabetical order.

    Raises:
        DataError: two names are one number, as 7 and 07 are.
    """
    names = [item.label for item in items if item.label is not None]
    if not names:
        return None
    if not known and all(re.fullmatch("[0-9]{1,19}", name) and int(name) <= MAX_LABEL for name in names):
        _refuse_one_number(set(names))
        return Labels(np.array([int(name) for name in names], np.int64), None)
    order = [*known, *sorted(set(names) - set(known))]
    numbers = {name: number for number, name in enumerate(order)}
    return Labels(np.array([numbers[name] for name in names], np.int64), order)


def _refuse_one_number(names: Collection[str]) -> None:
    """Refuse two names of one number.

    Raises:
        DataError: there are two.
    """
    by_number: dict[int, str] = {}
    for name in sorted(names):
        if (before := by_number.setdefault(int(name), name)) != name:
            raise DataError(f"labels {before} and {name} are one number; name them alike, or by words")


def _items_of(
    text: str, suffixes: Collection[str], label_by: str, has_speakers: bool, listing: Listing
) -> Iterator[Item]:
    """Items of one argument, in the order of their names; notes and problems go to `listing`.

    Only a list gives speakers, where `has_speakers`.

    Raises:
        UsageError: there is no such file, or a folder holds none.
        DataError: a CSV is malformed.
    """
    path = place(text)
    num_problems = len(listing.problems)
    paths = [path] if kind_at(path) is not None else sorted(matches(path, listing.problems), key=_natural)
    if not paths and len(listing.problems) == num_problems:
        raise UsageError(f"{shown(text, 120)}: no such file or folder, and no file matches it as a pattern")
    for path in paths:
        try:
            kind = kind_at(path)
        except UsageError as error:  # a match of a pattern; a path named by the user raises it
            listing.problems.append(str(error))
            continue
        if kind == "folder":
            yield from _items_below(path, suffixes, label_by, listing)
        elif path.suffix.lower() == ".csv":
            yield from _items_in_csv(path, has_speakers)
        else:
            yield Item(path, _label_in_name(path) if label_by == "name" else None)


def _items_below(folder: Path, suffixes: Collection[str], label_by: str, listing: Listing) -> Iterator[Item]:
    """Items of a folder and its sub-folders: files with one of the suffixes.

    Raises:
        UsageError: there are none.
    """
    found = read_folder(folder, suffixes)
    listing.problems.extend(found.problems)
    listing.notes.extend(found.notes)
    if not found.files and not found.problems:
        raise UsageError(
            f"{shown(str(folder))}: holds no file that ends in {', '.join(sorted(filter(None, suffixes)))}"
        )
    for path in sorted(found.files, key=_natural):
        inside = path.relative_to(folder).parts
        by_folder = inside[0] if len(inside) > 1 and label_by == "folder" else None
        yield Item(path, _label_in_name(path) if label_by == "name" else by_folder)


def _items_in_csv(file: Path, has_speakers: bool) -> Iterator[Item]:
    """Items of a list; paths are relative to its folder.

    Raises:
        DataError: a line is malformed, or the file cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            reader = csv.reader(lines, delimiter=";" if ";" in first and "," not in first else ",", strict=True)
            for index, cells in enumerate(reader):
                where = f"{shown(str(file))}:{reader.line_num}"
                if not cells or (index == 0 and cells[0].strip().lower() in HEADINGS):
                    continue
                path, *rest = (cell.strip() for cell in cells)
                if len(rest) > 1 + has_speakers or not path:
                    form = "path,label,speaker, path,label" if has_speakers else "path,label"
                    raise DataError(f"{where}: {shown(','.join(cells), 60)}; a line is {form} or a path alone")
                yield Item(file.parent / place(path), *(cell or None for cell in (*rest, "")[:2]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{shown(str(file))}: cannot be read as a list of path,label: {shown(reason, 120)}") from None


def _label_in_name(path: Path) -> str:
    """Label from a file's name: the part before the first - or _."""
    return re.split("[-_]", path.stem, maxsplit=1)[0]


def _with_speaker(item: Item, speaker_by: str | None) -> Item:
    """Item with the speaker that a list gives, or else its folder or name, if these are asked for.

    Raises:
        DataError: its name has none.
    """
    if item.speaker is not None or speaker_by in (None, "none"):
        return item
    if speaker_by == "folder":
        return item._replace(speaker=item.path.absolute().parent.name)
    _, *after = re.split("[-_]", item.path.stem)
    if not after or not after[0]:
        raise DataError(
            f"{shown(str(item.path))}: no speaker follows a - or _ in its name; name it as 3_anna_1 is, or choose "
            "another --speaker-by"
        )
    return item._replace(speaker=after[0])


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts 9.wav before 10.wav."""
    pieces = re.split("([0-9]+)", str(path))
    return [(0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces]
