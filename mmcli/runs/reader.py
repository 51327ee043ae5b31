"""Files of a run directory: validated contents. Nothing read is trusted unchecked."""

import errno
import re
import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmcli.data.formats import npz
from mmcli.data.formats.opening import opened
from mmcli.data.labels import LabelSet
from mmcli.errors import DamagedRunError, DataError, UsageError
from mmcli.runs.history import HistoryLine, read_line
from mmcli.runs.json_text import parse_json
from mmcli.runs.layout import CONFIG, HISTORY, META, PARAMS, SEARCH, SUMS, Stage, is_run
from mmcli.runs.packed import is_packed, unpack
from mmcli.runs.search_record import SearchRecord, read_search
from mmcli.util import atomic
from mmcli.util.text import shown


class RunFiles:
    """Reader of the files of a run so far.

    Raises:
        DamagedRunError: by every method that reads: a file is missing, or not as mmcli writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packed: Path | None = None  # the file that the run was unpacked from, to a temporary folder

    @classmethod
    def look(cls, path: Path) -> Self:
        """Open the run at `path`, whether running, finished, stopped or failed; a packed one is unpacked.

        Raises:
            UsageError: `path` is no run directory.
            DamagedRunError: it is one, but a file of every run is missing or unreadable.
        """
        packed = path if is_packed(path) else None
        if packed is not None:
            path = unpack(packed)
        if not path.is_dir():
            found = "a file, no run directory" if path.exists() else "no such directory"
            raise UsageError(f"{path}: {found}; name one that `mmcli train` printed")
        if not is_run(path):
            raise UsageError(f"{path}: no run directory (no {META} in it); name one that `mmcli train` printed")
        run = cls(path)
        if packed is not None:
            run.packed = packed
            weakref.finalize(run, shutil.rmtree, path, ignore_errors=True)
        match run.meta():
            case {"status": "running" | "stopped" | "finished"} | {"status": "failed", "error": str()}:
                return run
        raise run.damaged(META, "no known status")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the run at `path`, which has to be finished and intact.

        Raises:
            UsageError: `path` is no run directory, or its run has not finished.
            DamagedRunError: it is one, but a file of every finished run is missing or unreadable.
        """
        run = cls.look(path)
        run.refuse_unfinished()
        run.verify()
        return run

    def refuse_unfinished(self) -> None:
        """Raise UsageError where training has not finished."""
        match self.meta():
            case {"status": "failed", "error": error}:
                raise UsageError(f"{self.path}: this run failed ({error}); train again")
            case {"status": "running"}:
                waiting = "wait for it or, if it was killed, --resume it"
                raise UsageError(f"{self.path}: this run has not finished; {waiting}")
            case {"status": "stopped"}:
                raise UsageError(f"{self.path}: this run was stopped; let it finish with --resume")

    @property
    def place(self) -> Path:
        """Path by which a user knows the run: of its directory, or of the file that it is packed in."""
        return self.packed or self.path

    @property
    def is_finished(self) -> bool:
        """Whether training has finished."""
        return atomic.is_there(self.path / SUMS)

    @property
    def has_links(self) -> bool:
        """Whether files are links, as git-annex and DVC leave them: read, and never written through."""
        return any(path.is_symlink() for path in self.path.rglob("*"))

    def verify(self) -> None:
        """Compare the files of a finished run with their SHA-256s.

        Raises:
            DamagedRunError: a file was changed, or is missing.
        """
        self._compare(self.sums())

    def sums(self) -> dict[str, str]:
        """SHA-256 in hex of each file of a finished run, by name, as recorded.

        Raises:
            DamagedRunError: they are not recorded.
        """
        try:
            lines = self._read(SUMS).split("\n")
        except UnicodeDecodeError:
            raise self.damaged(SUMS, "not text") from None
        sums = [re.fullmatch(r"([0-9a-f]{64})  (.*)", line) for line in lines[:-1]]
        names = {found[2]: found[1] for found in sums if found}
        if None in sums or lines[-1] or [*names][-1:] != [META]:
            raise self.damaged(SUMS, "not the SHA-256s of a run")
        return names

    @property
    def config(self) -> Path:
        """Path of the resolved config."""
        return self.path / CONFIG

    def meta(self) -> dict[str, Any]:
        """Contents of meta.json.

        Raises:
            DamagedRunError: it is not an object in JSON.
        """
        try:
            meta = parse_json(self._read(META))
        except ValueError as error:
            raise self.damaged(META, str(error)) from None
        if not isinstance(meta, dict):
            raise self.damaged(META, "not an object")
        return meta

    def data_digests(self) -> dict[str, str]:
        """SHA-256 of each training data file, by its path.

        Raises:
            DamagedRunError: meta.json does not hold them.
        """
        match self.meta():
            case {"data": dict(digests)}:
                return digests
        raise self.damaged(META, "no data files named")

    def learned_from(self) -> tuple[int, dict[str, int]]:
        """Number of training items, and columns of each observation.

        Raises:
            DamagedRunError: meta.json does not hold them.
        """
        match self.meta():
            case {"items": int(items), "columns": dict(columns)} if items > 0:
                if all(isinstance(width, int) and width > 0 for width in columns.values()):
                    return items, columns
        raise self.damaged(META, "items and columns of the data are not named")

    def num_classes(self) -> dict[str, int]:
        """Numbers of classes that were found where the config leaves them open, by module; empty before they are.

        Raises:
            DamagedRunError: meta.json holds something else.
        """
        numbers = self.meta().get("num_classes", {})
        if isinstance(numbers, dict) and all(type(number) is int and number > 0 for number in numbers.values()):
            return numbers
        raise self.damaged(META, "numbers of classes that are none")

    def labels(self, name: str) -> LabelSet | None:
        """Distinct labels of named data; None in a run of an older version, which did not store them.

        Raises:
            DamagedRunError: meta.json holds something else.
        """
        match self.meta():
            case {"labels": dict(labels)} if name in labels:
                try:
                    return LabelSet.from_record(labels[name])
                except ValueError as error:
                    raise self.damaged(META, str(error)) from None
        return None

    def classes(self, folder: str, stem: str, num_items: int) -> np.ndarray:
        """Class of each item (N,) int64, from the array `stem` of a module.

        Raises:
            DamagedRunError: missing, or not a whole number for each item.
        """
        return self._whole_numbers(f"{folder}/{stem}_learn.txt", num_items, "classes where the data have", "items")

    def classes_of(self, folder: str, stem: str, stage: Stage) -> np.ndarray | None:
        """Class of each item (N,) int64, from the array `stem` at a stage; None where it was not written."""
        name = f"{folder}/{stem}_{stage}.txt"
        return self._whole_numbers(name) if (self.path / name).exists() else None

    def class_names(self, folder: str, num_classes: int) -> np.ndarray:
        """Label that each class of a module was matched to (K,) int64; 0 to K - 1 where it stores none."""
        name = f"{folder}/name_learn.txt"
        if not atomic.is_there(self.path / name):
            return np.arange(num_classes)
        return self._whole_numbers(name, num_classes, "names where the module has", "classes")

    def has_params(self, folder: str) -> bool:
        """Whether the state of a module, or the units of an observation, exists."""
        return (self.path / folder / PARAMS).exists()

    def params(self, folder: str) -> dict[str, np.ndarray]:
        """Leaves of a module's trained state, by name.

        Raises:
            DamagedRunError: missing, or not arrays of numbers.
        """
        name = f"{folder}/{PARAMS}"
        try:
            with opened(self.path / name) as stream:
                return {key: npz.read_member(stream, key) for key in npz.member_names(stream)}
        except DataError as error:
            raise self.damaged(name, str(error)) from None

    def _whole_numbers(self, name: str, size: int | None = None, what: str = "", of: str = "") -> np.ndarray:
        """Whole numbers, one a line (n,) int64; `size` of them where given.

        Raises:
            DamagedRunError: they are not.
        """
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
        """Lines of history.jsonl, one a module and round; empty before the first.

        Of several about the same update the last one counts: where an earlier state is kept, the last round has one
        more for each module. A last line without an end is being written, or was cut off by a crash, and is ignored.

        Raises:
            DamagedRunError: a line is not as mmcli writes it.
        """
        if not atomic.is_there(self.path / HISTORY):
            return []
        try:
            lines = [read_line(line) for line in self._read(HISTORY).split("\n")[:-1]]
            return list({(line.round, line.module): line for line in lines}.values())
        except (ValueError, OverflowError) as error:
            raise self.damaged(HISTORY, str(error)) from None

    def search(self) -> SearchRecord | None:
        """Scores of the search over the graph, so far; None where there was none, or it has not begun.

        Raises:
            DamagedRunError: search.json is not as mmcli writes it.
        """
        if not atomic.is_there(self.path / SEARCH):
            return None
        try:
            return read_search(self._read(SEARCH))
        except (ValueError, OverflowError) as error:
            raise self.damaged(SEARCH, str(error)) from None

    def learned(self, folder: str, name: str, ndim: int, kind: Stage = "learn") -> np.ndarray | None:
        """Array of finite numbers from `write_arrays`, of `ndim` axes; None where it does not exist.

        Raises:
            DamagedRunError: it holds something else.
        """
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
        """Error for a file that cannot be read; a link whose content is elsewhere is no damage."""
        path = self.path / name
        link = next((place for place in (path, path.parent) if place.is_symlink()), None)
        if isinstance(error, FileNotFoundError) and link is not None:
            target = shown(str(link.readlink()), 160)
            return UsageError(
                f"{shown(str(link))}: a link to {target}, which is missing; fetch it (git annex get, dvc pull)"
            )
        if error.errno in (errno.EACCES, errno.EPERM):
            return UsageError(atomic.refusal(error))
        return self.damaged(name, error.strerror or type(error).__name__)

    def damaged(self, name: str, reason: str) -> DamagedRunError:
        """Error for a file `name` of this run whose content is not as written."""
        return DamagedRunError(f"{self.place / name}: damaged run: {reason}; train again, or restore the file")

    def _read(self, name: str) -> str:
        """Text of a file.

        Raises:
            UsageError: a link whose content is elsewhere.
            DamagedRunError: it cannot be read.
        """
        try:
            return atomic.read(self.path / name).decode()
        except OSError as error:
            raise self._unreadable(name, error) from None

    def _binary(self, name: str) -> np.ndarray:
        """Array of a .npy file."""
        with opened(self.path / name) as stream:
            return npz.read_npy(stream, (self.path / name).stat().st_size)

    def _table(self, name: str, ndim: int) -> np.ndarray:
        """Rows of numbers.

        Raises:
            ValueError: they are not.
        """
        lines = self._read(name).splitlines()
        if not lines:  # numpy would only warn
            raise ValueError("empty")
        return np.loadtxt(lines, ndmin=2 if ndim == 2 else 1, comments=None)

    def _compare(self, digests: Mapping[str, str]) -> None:
        """Compare files with their SHA-256s, by name.

        Raises:
            UsageError: a link whose content is elsewhere.
            DamagedRunError: a file was changed, or is missing.
        """
        for name, digest in digests.items():
            try:
                found = atomic.digest(self.path / name)
            except OSError as error:
                raise self._unreadable(name, error) from None
            except ValueError as error:
                raise self.damaged(name, str(error)) from None
            if found != digest:
                raise self.damaged(name, "its SHA-256 differs from the recorded one")
