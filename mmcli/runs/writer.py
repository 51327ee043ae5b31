"""The run directory: the one place where runs are created, resumed and written.

Every file appears whole or not at all, but for history.jsonl, which grows line by line. Nothing is pickled.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmcli.data.rows.streamed import StreamedRows
from mmcli.errors import UsageError
from mmcli.runs.arrays import encode_rows, encoded, npy_header, suffix_of
from mmcli.runs.checkpoint import Checkpoint
from mmcli.runs.checkpoints import Shelf
from mmcli.runs.layout import (
    CHECKPOINTS,
    CONFIG,
    CONFUSION,
    EVALUATION,
    HISTORY,
    LOCK,
    META,
    PARAMS,
    RESULT,
    SEARCH,
    SUMS,
    Stage,
    may_precede,
)
from mmcli.runs.places import make_exclusively, taken
from mmcli.runs.reader import RunFiles
from mmcli.util import atomic
from mmcli.util.locks import locked

_FOLDER = re.compile(r"module\d{3,}_[\w-]+", re.ASCII)  # of a module
_FIRST = re.compile(r".*_first\.(txt|npy)")  # of results, those that only the first round writes


class RunDirectory(RunFiles):
    """A run on disk, from `create`, `create_next`, `open_or_create` or `open`; `folder` is a module's folder in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.checkpoints = Shelf(path / CHECKPOINTS)
        self._digests: dict[str, str] = {}  # SHA-256 in hex of each file written, by name
        self._history = hashlib.sha256()  # of all lines written

    @classmethod
    def create(cls, path: Path) -> Self:
        """Create a directory at `path`, parents included.

        Raises:
            UsageError: there is something at `path`, or nothing can be made there.
        """
        try:
            make_exclusively(path)
        except FileExistsError:
            raise taken(path) from None
        return cls(path)

    @classmethod
    def create_next(cls, parent: Path, stem: str) -> Self:
        """Create the first free of `parent`/`stem`-001, -002, ...; safe where many start at once."""
        for number in count(1):
            path = parent / f"{stem}-{number:03d}"
            try:
                make_exclusively(path)
            except FileExistsError:
                continue
            break
        return cls(path)

    @classmethod
    def open_or_create(cls, path: Path) -> Self:
        """Open the run at `path`, finished or not, or create one where there is nothing.

        Raises:
            UsageError: `path` is something else than a run directory, or nothing can be made there.
        """
        if not path.exists():
            return cls.create(path)
        if not path.is_dir() or not (atomic.is_there(path / META) or all(map(may_precede, path.iterdir()))):
            raise UsageError(f"{path}: no run directory, so --resume leaves it alone; name another with -o")
        return cls(path)

    @classmethod
    def beside(cls, path: Path) -> Self:
        """Open a directory for predictions on other data, created where there is none.

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
        return locked(self.path / LOCK)

    def start(self, config: str, facts: Mapping[str, Any]) -> None:
        """Write the resolved config and the meta data of a run that begins or resumes now."""
        for folder in self._folders():  # also without a checkpoint: a run killed before its first may leave files
            atomic.sweep(folder)
        self._write_meta({**facts, "status": "running", "started": facts.get("started", _now())})
        self._put(CONFIG, config.encode())

    def resume_from(self, checkpoint: Checkpoint) -> None:
        """Restore the directory to the moment of a checkpoint; later files and lines are deleted."""
        for name in (SUMS, EVALUATION["learn"]):
            atomic.remove(self.path / name)
        for folder in self._folders():
            for path in (folder / CONFUSION["learn"], *folder.glob("*_recog.*")):
                atomic.remove(path)
        self.checkpoints.delete_after(checkpoint)
        self._digests = dict(checkpoint.files)
        lines = b"".join(map(_history_line, checkpoint.history))
        self._put(HISTORY, lines)
        self._history = hashlib.sha256(lines)

    def note(self, **facts: Any) -> None:
        """Add to the meta data."""
        self._write_meta(self.meta() | facts)

    def finish(self) -> None:
        """Mark the run as finished and write the SHA-256 of its files."""
        self.note(status="finished", ended=_now())
        names = sorted(self._digests, key=lambda name: (name == META, name))
        atomic.write(self.path / SUMS, "".join(f"{self._digests[name]}  {name}\n" for name in names).encode())

    def fail(self, error: str) -> None:
        """Mark the run as failed."""
        self.note(status="failed", error=error, ended=_now())

    def stop(self) -> None:
        """Mark the run as stopped by a signal."""
        self.note(status="stopped", ended=_now())

    @property
    def results(self) -> dict[str, str]:
        """SHA-256 in hex of each file of the modules, by name."""
        return {name: digest for name, digest in self._digests.items() if RESULT.fullmatch(name)}

    def verify_results(self, checkpoint: Checkpoint, folders: Iterable[str]) -> None:
        """Compare files with the SHA-256s in a checkpoint: all of some modules, and those of the first round of any.

        Raises:
            DamagedRunError: a file differs or is missing.
        """
        if not all(map(RESULT.fullmatch, checkpoint.files)):
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
        """Add one line to history.jsonl; a part that a crash leaves is ignored by readers and removed on resume."""
        line, path = _history_line(record), self.path / HISTORY
        if HISTORY not in self._digests and path.exists():
            self._history.update(atomic.read(path))
        atomic.append(path, line)
        self._history.update(line)
        self._digests[HISTORY] = self._history.hexdigest()

    def write_params(self, folder: str, params: Mapping[str, np.ndarray]) -> None:
        """Write the leaves of a module's state, by name."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **params)
        self._put(f"{folder}/{PARAMS}", buffer.getvalue())

    def write_arrays(self, folder: str, arrays: Mapping[str, np.ndarray | StreamedRows], kind: Stage) -> None:
        """Write each array as `<its name>_<kind>`: .txt where a person can read it, .npy where it is too wide."""
        for name, array in arrays.items():
            self._put_pieces(f"{folder}/{name}_{kind}{suffix_of(array.shape)}", encoded(array))

    @contextmanager
    def predicted(self, num_items: int) -> Iterator[Callable[[str, Mapping[str, np.ndarray]], None]]:
        """Write predictions on other items, batch by batch; files appear after the last, in place of all older ones.

        Yields a function of a module's folder and its arrays of the next items, which writes them as `write_arrays`
        would.

        Raises:
            SaveError: they cannot be written.
        """
        appends: dict[str, Callable[[bytes], None]] = {}

        def append(folder: str, arrays: Mapping[str, np.ndarray]) -> None:
            for name, array in arrays.items():
                suffix = suffix_of(array.shape)
                file = f"{folder}/{name}_recog{suffix}"
                if file not in appends:
                    atomic.make_folder(self.path / folder)
                    appends[file] = whole.enter_context(atomic.writing(self.path / file))
                    if suffix == ".npy":
                        appends[file](npy_header(array, num_items))
                appends[file](encode_rows(array))

        with ExitStack() as whole:
            yield append
            self._forget_predicted()

    def _forget_predicted(self) -> None:
        """Delete predictions on other data."""
        folders = [path for path in self.path.iterdir() if _FOLDER.fullmatch(path.name) and not path.is_symlink()]
        for path in (
            self.path / EVALUATION["recog"],
            *(file for folder in folders for file in folder.glob("*_recog.*")),
        ):
            if path.suffix != atomic.TEMPORARY:
                atomic.remove(path)

    def why_read_only(self, folders: Iterable[str]) -> str | None:
        """Reason why nothing can be written to the run or to these folders in it; None if it can."""
        if self.packed is not None:
            return "packed in one file"
        # A run directory that is a link is the user's own way to name it; inside, links lead elsewhere.
        places = (self.path.resolve(), *(self.path / folder for folder in folders))
        return next((why for place in places if place.exists() and (why := atomic.why_read_only(place))), None)

    def write_evaluation(self, evaluation: Mapping[str, Any], kind: Stage) -> None:
        """Write metrics of all modules as JSON."""
        self._put(EVALUATION[kind], json.dumps(evaluation, indent=2).encode() + b"\n")

    def write_search(self, record: Mapping[str, Any]) -> None:
        """Write the scores of the search over the graph as JSON."""
        self._put(SEARCH, json.dumps(record, indent=2).encode() + b"\n")

    def write_confusion(self, folder: str, png: bytes, kind: Stage) -> None:
        """Write the picture of a module's confusion matrix."""
        self._put(f"{folder}/{CONFUSION[kind]}", png)

    def _folders(self) -> list[Path]:
        """The run's own folder and those in it."""
        return [self.path, *(path for path in self.path.iterdir() if path.is_dir() and not path.is_symlink())]

    def _write_meta(self, meta: Mapping[str, Any]) -> None:
        self._put(META, json.dumps(meta, indent=2).encode() + b"\n")

    def _put(self, name: str, content: bytes) -> None:
        """Write a file of the run and record its SHA-256."""
        self._put_pieces(name, (content,))

    def _put_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file of the run piece by piece, and record its SHA-256."""
        path, found = self.path / name, hashlib.sha256()
        if path.parent != self.path:
            atomic.make_folder(path.parent)
        with atomic.writing(path) as append:
            for piece in pieces:
                append(piece)
                found.update(piece)
        self._digests[name] = found.hexdigest()


def _history_line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
