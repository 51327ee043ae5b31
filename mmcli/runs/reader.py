"""The files of a run directory: what they are called, and what they say. Nothing in them is believed unchecked."""

import errno
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from mmcli.data.formats import npz
from mmcli.data.formats.opening import opened
from mmcli.data.labels import LabelSet
from mmcli.errors import DamagedRunError, DataError, UsageError
from mmcli.runs.history import HistoryLine, read_line
from mmcli.util import atomic
from mmcli.util.text import shown

Stage: TypeAlias = Literal["learn", "first", "recog"]  # what was learned, what the first round left, and of other data

CONFIG = "config.yaml"
META = "meta.json"
HISTORY = "history.jsonl"
EVALUATION: dict[Stage, str] = {"learn": "evaluation.json", "recog": "evaluation_recog.json"}
PARAMS = "params.npz"
CONFUSION: dict[Stage, str] = {"learn": "confusion.png", "recog": "confusion_recog.png"}
REPORT = "report"
PAGE = "report.html"
FIGURES = "figures"
LOCK = "lock"
SUMS = "SHA256SUMS"  # of the files of a finished run, as sha256sum writes and checks them; meta.json is its last
CHECKPOINTS = "checkpoint"

_OUTPUTS = (1, 2)  # the descriptors of stdout and stderr
_LOG = re.compile(r"(?:.+[._-])?(?:log|out|err)(?:\.\d+)?")  # slurm-17.out, log, train.log.1


def is_run(path: Path) -> bool:
    """Whether a folder holds what every run has, be it a link whose content is elsewhere."""
    return any(atomic.is_there(path / name) for name in (META, CONFIG))


def may_precede(path: Path) -> bool:
    """Whether a file is one that may lie in the folder of a run that has not begun.

    That is what a run leaves that was killed at its very start, and a log: the shell makes that of `> DIR/log` first.
    """
    if path.name == LOCK or path.suffix == atomic.TEMPORARY:
        return True
    return path.is_file() and (_LOG.fullmatch(path.name) is not None or _is_written_to(path))


def _is_written_to(path: Path) -> bool:
    """Whether stdout or stderr go to a file."""
    streams = []
    for descriptor in _OUTPUTS:
        with suppress(OSError):  # closed
            streams.append(os.fstat(descriptor))
    return any(os.path.samestat(path.stat(), stream) for stream in streams)


class RunFiles:
    """What a run has written so far. Reading raises DamagedRunError where it is missing, or not as mmcli writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def look(cls, path: Path) -> Self:
        """The run at `path`, whether it goes on, has finished, was stopped or has failed.

        Raises:
            UsageError: `path` is no run directory.
            DamagedRunError: it is one, but what every run has is missing or unreadable.
        """
        if not path.is_dir():
            found = "a file, no run directory" if path.exists() else "no such directory"
            raise UsageError(f"{path}: {found}; name one that `mmcli train` printed")
        if not is_run(path):
            raise UsageError(f"{path}: no run directory (no {META} in it); name one that `mmcli train` printed")
        run = cls(path)
        match run.meta():
            case {"status": "running" | "stopped" | "finished"} | {"status": "failed", "error": str()}:
                return run
        raise run.damaged(META, "no known status")

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

    @property
    def is_finished(self) -> bool:
        return atomic.is_there(self.path / SUMS)

    @property
    def has_links(self) -> bool:
        """Whether files are links, as git-annex and DVC leave them: they are read, and never written through."""
        return any(path.is_symlink() for path in self.path.rglob("*"))

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

    def labels(self, name: str) -> LabelSet | None:
        """The distinct labels of the data of a name; None in a run of a version that did not keep them."""
        match self.meta():
            case {"labels": dict(labels)} if name in labels:
                try:
                    return LabelSet.from_record(labels[name])
                except ValueError as error:
                    raise self.damaged(META, str(error)) from None
        return None

    def classes(self, folder: str, stem: str, num_items: int) -> np.ndarray:
        """The class of each item (N,) int64, as the module left it in the array `stem`."""
        return self._whole_numbers(f"{folder}/{stem}_learn.txt", num_items, "classes where the data have", "items")

    def classes_of(self, folder: str, stem: str, stage: Stage) -> np.ndarray | None:
        """The class of each item (N,) int64, as written in the array `stem` at a stage; None where it was not."""
        name = f"{folder}/{stem}_{stage}.txt"
        return self._whole_numbers(name) if (self.path / name).exists() else None

    def class_names(self, folder: str, num_classes: int) -> np.ndarray:
        """The label that each class of a module was matched to (K,) int64; 0 to K - 1 where it names no labels."""
        name = f"{folder}/name_learn.txt"
        if not atomic.is_there(self.path / name):
            return np.arange(num_classes)
        return self._whole_numbers(name, num_classes, "names where the module has", "classes")

    def has_params(self, folder: str) -> bool:
        """Whether there is the state of a module, or the units of an observation."""
        return (self.path / folder / PARAMS).exists()

    def params(self, folder: str) -> dict[str, np.ndarray]:
        """The leaves of a module's state, as training left them."""
        name = f"{folder}/{PARAMS}"
        try:
            with opened(self.path / name) as stream:
                return {key: npz.read_member(stream, key) for key in npz.member_names(stream)}
        except DataError as error:
            raise self.damaged(name, str(error)) from None

    def _whole_numbers(self, name: str, size: int | None = None, what: str = "", of: str = "") -> np.ndarray:
        try:
            numbers = np.array([int(line) for line in self._read(name).split()], dtype=np.int64)
        except (ValueError, OverflowError):
            raise self.damaged(name, "not one whole number a line") from None
        if not len(numbers):
            raise self.damaged(name, "empty")
        if size is not None and len(numbers) != size:
            raise self.damaged(name, f"{len(numbers)} {what} {size} {of}")
        return numbers

    def history(self) -> list[HistoryLine]:
        """Lines of history.jsonl, one an update; empty before the first.

        A last line without an end is one that is being written, or that a crash cut off, and is ignored.
        """
        if not atomic.is_there(self.path / HISTORY):
            return []
        try:
            return [read_line(line) for line in self._read(HISTORY).split("\n")[:-1]]
        except (ValueError, OverflowError) as error:
            raise self.damaged(HISTORY, str(error)) from None

    def learned(self, folder: str, name: str, ndim: int, kind: Stage = "learn") -> np.ndarray | None:
        """An array of finite numbers that `write_arrays` wrote, of `ndim` axes; None where there is none."""
        text, binary = (f"{folder}/{name}_{kind}{suffix}" for suffix in (".txt", ".npy"))
        found = next((file for file in (text, binary) if atomic.is_there(self.path / file)), None)
        if found is None:
            return None
        try:
            array = self._binary(found) if found == binary else self._table(found, ndim)
        except (DataError, ValueError) as error:
            raise self.damaged(found, str(error)) from None
        if array.ndim != ndim or not np.isfinite(array).all():
            raise self.damaged(found, f"not finite numbers on {ndim} axes")
        return array

    def _unreadable(self, name: str, error: OSError) -> UsageError | DamagedRunError:
        """The error for a file that cannot be read; a link whose content is elsewhere is no damage."""
        path = self.path / name
        link = next((place for place in (path, path.parent) if place.is_symlink()), None)
        if isinstance(error, FileNotFoundError) and link is not None:
            target = shown(str(link.readlink()), 160)
            return UsageError(
                f"{shown(str(link))}: a link to {target}, which is not here; bring it (git annex get, dvc pull)"
            )
        if error.errno in (errno.EACCES, errno.EPERM):
            return UsageError(atomic.refusal(error))
        return self.damaged(name, error.strerror or type(error).__name__)

    def damaged(self, name: str, reason: str) -> DamagedRunError:
        """The error that says that file `name` of this run is not what was written there."""
        return DamagedRunError(f"{self.path / name}: damaged run: {reason}; train again, or bring the file back")

    def _read(self, name: str) -> str:
        try:
            return atomic.read(self.path / name).decode()
        except OSError as error:
            raise self._unreadable(name, error) from None

    def _binary(self, name: str) -> np.ndarray:
        with opened(self.path / name) as stream:
            return npz.read_npy(stream, (self.path / name).stat().st_size)

    def _table(self, name: str, ndim: int) -> np.ndarray:
        """Rows of numbers; ValueError where they are not."""
        lines = self._read(name).splitlines()
        if not lines:  # numpy would warn
            raise ValueError("empty")
        return np.loadtxt(lines, ndmin=2 if ndim == 2 else 1, comments=None)

    def _compare(self, digests: Mapping[str, str]) -> None:
        for name, digest in digests.items():
            try:
                found = atomic.digest(self.path / name)
            except OSError as error:
                raise self._unreadable(name, error) from None
            except ValueError as error:
                raise self.damaged(name, str(error)) from None
            if found != digest:
                raise self.damaged(name, "its SHA-256 is not that of what was written")
