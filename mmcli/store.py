"""The run directory: the one place that knows the names of its files, writes them and reads them back.

Every file appears whole or not at all, and nothing is pickled.
"""

import errno
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from mmcli import files
from mmcli.arrays import array_names, read_array
from mmcli.checkpoint import Checkpoint
from mmcli.errors import DamagedRunError, DataError, UsageError
from mmcli.history import HistoryLine, read_line
from mmcli.shelf import Shelf

MAX_TEXT_COLUMNS = 100  # a wider array is .npy, not text

Stage: TypeAlias = Literal["learn", "first", "recog"]  # what was learned, what the first round left, and of other data

CONFIG = "config.yaml"
META = "meta.json"
HISTORY = "history.jsonl"
EVALUATION: dict[Stage, str] = {"learn": "evaluation.json", "recog": "evaluation_recog.json"}
PARAMS = "params.npz"
CLASSES = "class_learn.txt"
CONFUSION: dict[Stage, str] = {"learn": "confusion.png", "recog": "confusion_recog.png"}
REPORT = "report"
PAGE = "report.html"
FIGURES = "figures"
LOCK = "lock"
SUMS = "SHA256SUMS"  # of the files of a finished run, as sha256sum writes and checks them; meta.json is its last
CHECKPOINTS = "checkpoint"

_RESULT = re.compile(r"(module\d{3,}_[\w-]+)/[\w-]+\.(txt|npy|npz)", re.ASCII)
_FIRST = re.compile(r".*_first\.(txt|npy)")  # of these, what only the first round writes


class RunDirectory:
    """One run on disk. Made by `create`, `create_next` or `open`; `folder` is a module's folder in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Shelf(path / CHECKPOINTS)
        self._digests: dict[str, str] = {}  # SHA-256 in hex of what was written, by name

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new directory at `path`, parents included.

        Raises:
            UsageError: there is something at `path`, or nothing can be made there.
        """
        try:
            _make_exclusively(path)
        except FileExistsError:
            raise UsageError(f"{path}: exists already; --resume goes on with it, --force sets it aside") from None
        return cls(path)

    @classmethod
    def create_next(cls, parent: Path, stem: str) -> Self:
        """A new directory at the first free of `parent`/`stem`-001, -002, ...; safe where many start at once."""
        for number in count(1):
            path = parent / f"{stem}-{number:03d}"
            try:
                _make_exclusively(path)
            except FileExistsError:
                continue
            break
        return cls(path)

    @classmethod
    def look(cls, path: Path) -> Self:
        """The run at `path`, whether it goes on, has finished, was stopped or has failed.

        Raises:
            UsageError: `path` is no run directory.
            DamagedRunError: it is one, but what every run has is missing or unreadable.
        """
        if not path.is_dir():
            raise UsageError(f"{path}: no such directory; name one that `mmcli train` printed")
        if not (path / META).exists() and not (path / CONFIG).exists():
            raise UsageError(f"{path}: no run directory (no {META} in it); name one that `mmcli train` printed")
        run = cls(path)
        match run.meta():
            case {"status": "running" | "stopped" | "finished"} | {"status": "failed", "error": str()}:
                return run
        raise run.damaged(META, "no known status")

    @classmethod
    def take_up(cls, path: Path) -> Self:
        """The run at `path`, finished or not, or a new one where there is nothing.

        Raises:
            UsageError: what is there is no run directory, or nothing can be made there.
        """
        if not path.exists():
            return cls.create(path)
        if not path.is_dir() or not ((path / META).exists() or all(map(_is_passing, path.iterdir()))):
            raise UsageError(f"{path}: no run directory, so --resume leaves it alone; name another with -o")
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The run at `path`, which has finished and is as it was written.

        Raises:
            UsageError: `path` is no run directory, or its run has not finished.
            DamagedRunError: it is one, but what every finished run has is missing or unreadable.
        """
        run = cls.look(path)
        match run.meta():
            case {"status": "failed", "error": error}:
                raise UsageError(f"{path}: this run failed ({error}); train again")
            case {"status": "running"}:
                raise UsageError(f"{path}: this run has not finished; wait for it or, if it was killed, --resume it")
            case {"status": "stopped"}:
                raise UsageError(f"{path}: this run was stopped; let it finish with --resume")
        run.verify()
        return run

    @classmethod
    def beside(cls, path: Path) -> Self:
        """A directory for what is said of other data, made where there is none.

        Raises:
            UsageError: it cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path}: cannot be made ({error.strerror}); name a place to write to with -o") from None
        return cls(path)

    def lock(self) -> AbstractContextManager[bool]:
        """Hold the run against other processes; False where the file system has no locks.

        Raises:
            UsageError: another process holds it.
        """
        return files.locked(self.path / LOCK)

    def start(self, config: str, facts: Mapping[str, Any]) -> None:
        """Write the resolved config and the meta data of a run that begins now, or goes on."""
        for folder in self._folders():  # killed before its first checkpoint, it may have left something, too
            files.sweep(folder)
        self._write_meta({**facts, "status": "running", "started": facts.get("started", _now())})
        self._put(CONFIG, config.encode())

    def go_on(self, checkpoint: Checkpoint) -> None:
        """Make the directory say what a checkpoint says; what is later goes."""
        for name in (SUMS, EVALUATION["learn"]):
            files.remove(self.path / name)
        for folder in self._folders():
            for path in (folder / CONFUSION["learn"], *folder.glob("*_recog.*")):
                files.remove(path)
        self.checkpoints.go_on_from(checkpoint)
        self._digests = dict(checkpoint.files)
        self._put(HISTORY, b"".join(json.dumps(line).encode() + b"\n" for line in checkpoint.history))

    def note(self, **facts: Any) -> None:
        """Add to the meta data."""
        self._write_meta(self.meta() | facts)

    def finish(self) -> None:
        self.note(status="finished", ended=_now())
        names = sorted(self._digests, key=lambda name: (name == META, name))
        files.write(self.path / SUMS, "".join(f"{self._digests[name]}  {name}\n" for name in names).encode())

    def fail(self, error: str) -> None:
        self.note(status="failed", error=error, ended=_now())

    def stop(self) -> None:
        self.note(status="stopped", ended=_now())

    @property
    def is_finished(self) -> bool:
        return (self.path / SUMS).exists()

    def verify(self) -> None:
        """Compare a finished run with its SHA-256s.

        Raises:
            DamagedRunError: a file is not what was written there, or is missing.
        """
        try:
            lines = self._read(SUMS).split("\n")
        except UnicodeDecodeError:
            raise self.damaged(SUMS, "not text") from None
        sums = [re.fullmatch(r"([0-9a-f]{64})  (.*)", line) for line in lines[:-1]]
        names = {found[2]: found[1] for found in sums if found}
        if None in sums or lines[-1] or [*names][-1:] != [META]:
            raise self.damaged(SUMS, "not the SHA-256s of a run")
        self._compare(names)

    @property
    def results(self) -> dict[str, str]:
        """SHA-256 in hex of each file that modules wrote, by name."""
        return {name: digest for name, digest in self._digests.items() if _RESULT.fullmatch(name)}

    def verify_results(self, checkpoint: Checkpoint, folders: Iterable[str]) -> None:
        """Compare what some modules wrote, and what the first round left of any, with what a checkpoint says of it.

        Raises:
            DamagedRunError: a file is not what was written there, or is missing.
        """
        if not all(map(_RESULT.fullmatch, checkpoint.files)):
            raise self.damaged(CHECKPOINTS, "it names files that no module writes")
        kept = set(folders)
        self._compare(
            {
                name: digest
                for name, digest in checkpoint.files.items()
                if name.split("/")[0] in kept or _FIRST.fullmatch(name)
            }
        )

    def append_history(self, record: Mapping[str, Any]) -> None:
        """Add one line to history.jsonl."""
        path = self.path / HISTORY
        lines = path.read_bytes() if path.exists() else b""
        self._put(HISTORY, lines + json.dumps(record).encode() + b"\n")

    def write_params(self, folder: str, params: Mapping[str, np.ndarray]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **params)
        self._put(f"{folder}/{PARAMS}", buffer.getvalue())

    def write_arrays(self, folder: str, arrays: Mapping[str, np.ndarray], kind: Stage) -> None:
        """Write each array as `<its name>_<kind>`: .txt where a person can read it, .npy where it is too wide."""
        for name, array in arrays.items():
            suffix, content = _encode(array)
            self._put(f"{folder}/{name}_{kind}{suffix}", content)

    def write_evaluation(self, evaluation: Mapping[str, Any], kind: Stage) -> None:
        self._put(EVALUATION[kind], json.dumps(evaluation, indent=2).encode() + b"\n")

    def write_confusion(self, folder: str, png: bytes, kind: Stage) -> None:
        self._put(f"{folder}/{CONFUSION[kind]}", png)

    def report_folder(self, folder: Path | None) -> Path:
        """Where a report goes: a folder that was asked for, or report/ in the run directory.

        Raises:
            UsageError: it holds other things than a report.
        """
        folder = self.path / REPORT if folder is None else folder
        if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).exists():
            raise UsageError(f"{folder}: holds other things than a report; name another folder with -o")
        return folder

    def write_report(self, folder: Path, page: bytes, figures: Mapping[str, bytes]) -> Path:
        """Write a page and its figures, by file name, in place of an older report; the path of the page.

        Raises:
            UsageError: the folder cannot be written.
        """
        try:
            (folder / FIGURES).mkdir(parents=True, exist_ok=True)
            for old in (folder / FIGURES).iterdir():
                if old.suffix in (".png", ".svg") and old.name not in figures:
                    old.unlink()
            for name, content in figures.items():
                files.replace(folder / FIGURES / name, content)
            files.replace(folder / PAGE, page)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written ({error.strerror}); name another folder with -o") from None
        return folder / PAGE

    @property
    def config(self) -> Path:
        """Where the resolved config is."""
        return self.path / CONFIG

    def meta(self) -> dict[str, Any]:
        try:
            meta = json.loads(self._read(META))
        except ValueError as error:
            raise self.damaged(META, str(error)) from None
        except RecursionError:
            raise self.damaged(META, "nested too deep") from None
        if not isinstance(meta, dict):
            raise self.damaged(META, "not an object")
        return meta

    def data_digests(self) -> dict[str, str]:
        """SHA-256 of each data file the run learned from, by its path."""
        match self.meta():
            case {"data": dict(digests)}:
                return digests
        raise self.damaged(META, "no data files named")

    def learned_from(self) -> tuple[int, dict[str, int]]:
        """Number of items that the run learned from, and columns of each observation."""
        match self.meta():
            case {"items": int(items), "columns": dict(columns)} if items > 0:
                if all(isinstance(width, int) and width > 0 for width in columns.values()):
                    return items, columns
        raise self.damaged(META, "items and columns of the data are not named")

    def classes(self, folder: str, num_items: int) -> np.ndarray:
        """The class of each item (N,) int64, as the module left it."""
        return self._whole_numbers(f"{folder}/{CLASSES}", num_items, "classes where the data have", "items")

    def class_names(self, folder: str, num_classes: int) -> np.ndarray:
        """The label that each class of a module was matched to (K,) int64; 0 to K - 1 where it names no labels."""
        name = f"{folder}/name_learn.txt"
        if not (self.path / name).exists():
            return np.arange(num_classes)
        return self._whole_numbers(name, num_classes, "names where the module has", "classes")

    def params(self, folder: str) -> dict[str, np.ndarray]:
        """The leaves of a module's state, as training left them."""
        name = f"{folder}/{PARAMS}"
        try:
            return {key: read_array(self.path / name, key) for key in array_names(self.path / name)}
        except DataError as error:
            raise self.damaged(name, str(error)) from None

    def _whole_numbers(self, name: str, size: int, what: str, of: str) -> np.ndarray:
        try:
            numbers = np.array([int(line) for line in self._read(name).split()], dtype=np.int64)
        except (ValueError, OverflowError):
            raise self.damaged(name, "not one whole number a line") from None
        if len(numbers) != size:
            raise self.damaged(name, f"{len(numbers)} {what} {size} {of}")
        return numbers

    def history(self) -> list[HistoryLine]:
        """What history.jsonl says, a line an update; empty before the first."""
        if not (self.path / HISTORY).exists():
            return []
        try:
            return [read_line(line) for line in self._read(HISTORY).splitlines()]
        except (ValueError, OverflowError) as error:
            raise self.damaged(HISTORY, str(error)) from None

    def learned(self, folder: str, name: str, ndim: int, kind: Stage = "learn") -> np.ndarray | None:
        """An array of finite numbers that `write_arrays` wrote, of `ndim` axes; None where there is none."""
        text, binary = (f"{folder}/{name}_{kind}{suffix}" for suffix in (".txt", ".npy"))
        found = next((file for file in (text, binary) if (self.path / file).exists()), None)
        if found is None:
            return None
        try:
            array = read_array(self.path / found, None) if found == binary else self._table(found, ndim)
        except (DataError, ValueError) as error:
            raise self.damaged(found, str(error)) from None
        if array.ndim != ndim or not np.isfinite(array).all():
            raise self.damaged(found, f"not finite numbers on {ndim} axes")
        return array

    def damaged(self, name: str, reason: str) -> DamagedRunError:
        """The error that says that file `name` of this run is not what was written there."""
        return DamagedRunError(f"{self.path / name}: damaged run: {reason}; train again, or bring the file back")

    def _folders(self) -> list[Path]:
        """The run's own folder and those in it."""
        return [self.path, *(path for path in self.path.iterdir() if path.is_dir() and not path.is_symlink())]

    def _read(self, name: str) -> str:
        try:
            return files.read(self.path / name).decode()
        except OSError as error:
            raise self.damaged(name, str(error.strerror)) from None

    def _table(self, name: str, ndim: int) -> np.ndarray:
        """Rows of numbers; ValueError where they are not."""
        lines = self._read(name).splitlines()
        if not lines:  # numpy would warn
            raise ValueError("empty")
        return np.loadtxt(lines, ndmin=2 if ndim == 2 else 1, comments=None)

    def _write_meta(self, meta: Mapping[str, Any]) -> None:
        self._put(META, json.dumps(meta, indent=2).encode() + b"\n")

    def _put(self, name: str, content: bytes) -> None:
        """Write a file of the run, and remember what was written."""
        path = self.path / name
        if path.parent != self.path:
            files.make_folder(path.parent)
        files.write(path, content)
        self._digests[name] = hashlib.sha256(content).hexdigest()

    def _compare(self, digests: Mapping[str, str]) -> None:
        for name, digest in digests.items():
            try:
                found = files.digest(self.path / name)
            except (OSError, ValueError) as error:
                raise self.damaged(name, getattr(error, "strerror", None) or str(error)) from None
            if found != digest:
                raise self.damaged(name, "its SHA-256 is not that of what was written")


def write_file(path: Path, content: bytes) -> None:
    """Write a file that the user named, whole or not at all.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        files.replace(path, content)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); name a place to write to with -o") from None


def set_aside(path: Path) -> Path | None:
    """Rename a run directory to the first free of `path`.old-001, .old-002, ...; None where there is nothing.

    Raises:
        UsageError: what is there is neither a run directory nor empty, or a process is at work in it.
    """
    path = path.absolute()  # "." has no name to append to
    if not path.exists():
        return None
    if not path.is_dir() or (any(path.iterdir()) and not (path / META).exists()):
        raise UsageError(f"{path}: no run directory, so --force leaves it alone; name another with -o")
    with files.locked(path / LOCK):
        for number in count(1):
            aside = path.with_name(f"{path.name}.old-{number:03d}")
            try:
                path.rename(aside)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                continue
            break
        files.remove(aside / LOCK)
    return aside


def _make_exclusively(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except OSError as error:
        if path.exists():
            raise FileExistsError(path) from None
        reason = f"{error.strerror}: {error.filename}"
        raise UsageError(f"{path}: cannot be made ({reason}); name a place to write to with -o") from None


def _encode(array: np.ndarray) -> tuple[str, bytes]:
    """Suffix and content of the file for an array."""
    buffer = io.BytesIO()
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] > MAX_TEXT_COLUMNS):
        np.save(buffer, array, allow_pickle=False)
        return ".npy", buffer.getvalue()
    digits = 9 if array.dtype.itemsize <= 4 else 17  # as many as bring the same float back
    number = f"%.{digits}g" if np.issubdtype(array.dtype, np.floating) else "%d"
    np.savetxt(buffer, np.atleast_1d(array), fmt=number)
    return ".txt", buffer.getvalue()


def _is_passing(path: Path) -> bool:
    """Whether a file is one that a run which was killed at its very start leaves behind."""
    return path.name == LOCK or path.suffix == files.TEMPORARY


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
