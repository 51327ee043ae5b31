"""Contents of folders and matches of patterns: links are followed, and whatever cannot be read is reported."""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from mmcli.ingest.places import kind_at, reason
from mmcli.util.text import counted, listed, shown


class Folder(NamedTuple):
    """Files found in a folder and below.

    Attributes:
        files: those with the suffixes asked for, unsorted.
        problems: a line for each file or folder that cannot be read.
        notes: lines that name files that were skipped.
    """

    files: list[Path]
    problems: list[str]
    notes: list[str]


def read_folder(folder: Path, suffixes: Collection[str]) -> Folder:
    """Find the files in a folder and, at any depth, in its sub-folders.

    Links to folders are followed after everything reachable without links, and every folder is read once, so that a
    link to a folder that is read anyway, or around it, is skipped.

    Args:
        folder: to be read.
        suffixes: in lower case; other and hidden files are skipped.
    """
    found = Folder([], [], [])
    hidden: list[Path] = []
    others: list[Path] = []
    seen: dict[tuple[int, int], Path] = {}
    folders, links = [folder], list[Path]()
    while folders or links:
        place = folders.pop() if folders else links.pop(0)
        before = seen.setdefault(_identity(place), place)
        if before is not place:
            found.notes.append(f"{shown(str(place))}: a link to {shown(str(before))}, which is read; skipped")
            continue
        for entry in entries(place, found.problems):
            path = Path(place, entry.name)
            if entry.name.startswith("."):
                hidden.append(path)
            elif (kind := _kind(entry, path, suffixes, found.problems)) == "folder":
                (links if entry.is_symlink() else folders).append(path)
            elif kind == "file":
                found.files.append(path)
            elif kind == "other":
                others.append(path)
    found.notes.extend(_empty(folder, seen.values(), found))
    for paths, what in ((others, "of another kind"), (hidden, "hidden")):
        if paths:
            names = listed(str(path.relative_to(folder)) for path in sorted(paths))
            found.notes.append(f"{shown(str(folder))}: {counted(len(paths), 'file')} skipped, {what}: {names}")
    return found


def matches(pattern: Path, problems: list[str]) -> list[Path]:
    """Files and folders, hidden ones excepted, that match a pattern with *, ?, [ or **; `problems` as of a `Folder`."""
    return list(dict.fromkeys(_expanded(Path(pattern.anchor), pattern.relative_to(pattern.anchor).parts, problems)))


def entries(folder: Path, problems: list[str]) -> list[os.DirEntry[str]]:
    """Entries of a folder by name; none, and a line added to `problems`, where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(f"{shown(str(folder))}: cannot be read: {reason(error)}")
        return []


def _kind(entry: os.DirEntry[str], path: Path, suffixes: Collection[str], problems: list[str]) -> str | None:
    """Kind of an entry: a folder, a file with a suffix, or another; None, and a problem, where it cannot be read."""
    is_wanted = path.suffix.lower() in suffixes
    try:
        entry.name.encode()
        if stat.S_ISDIR(entry.stat().st_mode):
            return "folder"
    except UnicodeEncodeError:
        problems.append(f"{shown(str(path))}: its name is not UTF-8; rename it")
        return None
    except OSError as error:
        if path.suffix and not is_wanted:
            return "other"
        what = f"a link to nothing: {reason(error)}" if isinstance(error, FileNotFoundError) else reason(error)
        problems.append(f"{shown(str(path))}: cannot be read: {what}")
        return None
    return "file" if is_wanted else "other"


def _identity(folder: Path) -> tuple[int, int]:
    """Identity of a folder, however it is reached; one that cannot be examined is new each time."""
    try:
        status = folder.stat()
    except OSError:  # reading it reports why
        return -1, hash(folder)
    return status.st_dev, status.st_ino


def _empty(folder: Path, folders: Collection[Path], found: Folder) -> Iterator[str]:
    """Notes on folders that could have been labels, and hold no file that is read."""
    full = {path.relative_to(folder).parts[0] for path in found.files}
    for place in sorted(folders):
        inside = place.relative_to(folder).parts
        is_told = any(
            problem.startswith((f"{shown(str(place))}:", f"{shown(str(place))}/")) for problem in found.problems
        )
        if len(inside) == 1 and inside[0] not in full and not is_told:
            yield f"{shown(str(place))}: holds no file that is read; skipped"


def _expanded(base: Path, parts: Sequence[str], problems: list[str]) -> Iterator[Path]:
    """Paths below a folder that match the parts of a pattern."""
    if not parts:
        yield base
        return
    head, rest = parts[0], parts[1:]
    if head == "**":
        for folder in _all_folders(base, problems):
            yield from _expanded(folder, rest, problems)
    elif any(sign in head for sign in "*?["):
        for entry in entries(base, problems):
            path = base / entry.name
            is_hidden = entry.name.startswith(".") and not head.startswith(".")
            if (
                fnmatchcase(entry.name, head)
                and not is_hidden
                and not (rest and _kind(entry, path, (), []) != "folder")
            ):
                yield from _expanded(path, rest, problems)
    elif kind_at(base / head) is not None:
        yield from _expanded(base / head, rest, problems)


def _all_folders(base: Path, problems: list[str]) -> Iterator[Path]:
    """A folder and all below, each once, links followed last."""
    seen: set[tuple[int, int]] = set()
    folders, links = [base], list[Path]()
    while folders or links:
        place = folders.pop() if folders else links.pop(0)
        if (identity := _identity(place)) in seen:
            continue
        seen.add(identity)
        yield place
        for entry in entries(place, problems):
            path = place / entry.name
            if not entry.name.startswith(".") and _kind(entry, path, (), problems) == "folder":
                (links if entry.is_symlink() else folders).append(path)
