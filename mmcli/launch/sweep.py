"""The directory of a sweep: frozen configs, a manifest, a run directory a point, and the state of each."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Self

from mmcli.config.reader import config_differences, dump_config, load_config, plain_config
from mmcli.errors import DamagedRunError, MmcliError, UsageError
from mmcli.launch.grid import Resolved
from mmcli.launch.jobs import Job, exit_code, failure
from mmcli.runs.history import HistoryLine
from mmcli.runs.layout import LOCK, is_run
from mmcli.runs.reader import RunFiles
from mmcli.util import atomic
from mmcli.util.locks import is_locked, locked
from mmcli.util.text import shown
from mmcli.util.version import __version__

PROGRAM = (sys.executable, "-m", "mmcli")  # also on other hosts, which share this folder
MANIFEST = "sweep.json"
CONFIGS, POINTS, LOGS = "configs", "points", "logs"


class Point(NamedTuple):
    """One run of a sweep."""

    name: str  # "007", of its files
    seed: int
    settings: dict[str, Any]  # value of each key of the grid
    sha256: str  # of its config


class State(NamedTuple):
    """Progress of a point, as its files have it."""

    status: str  # waiting, running, interrupted, stopped, finished or failed
    history: Sequence[HistoryLine] = ()  # an update a line
    error: str | None = None  # why it failed

    @property
    def last_round(self) -> int:
        """The latest round with an update; 0 before the first."""
        return self.history[-1].round if self.history else 0


class Sweep:
    """A sweep on disk."""

    def __init__(
        self, path: Path, points: Sequence[Point], data: Mapping[str, str], memory: float, *, trust_code: bool
    ) -> None:
        """Hold the contents of a manifest.

        Args:
            path: its directory.
            points: in the order of the manifest.
            data: SHA-256 of each data file when the sweep was made, by path.
            memory: bytes that a run needs, about.
            trust_code: whether module types that configs name by import path are imported.
        """
        self.path, self.points, self.data, self.memory, self.trust_code = path, points, data, memory, trust_code

    @property
    def keys(self) -> list[str]:
        """Keys of the grid."""
        return list(self.points[0].settings)

    def config(self, point: Point) -> Path:
        """Frozen config of a point."""
        return self.path / CONFIGS / f"{point.name}.yaml"

    def run(self, point: Point) -> Path:
        """Run directory of a point, which exists once it has begun."""
        return self.path / POINTS / point.name

    def log(self, point: Point) -> Path:
        """Log of a point, to which every attempt is appended."""
        return self.path / LOGS / f"{point.name}.log"

    def job(self, point: Point, threads: int) -> Job:
        """The process that begins or resumes a point; it does nothing where the point is finished."""
        path = self.path.absolute()
        options = ["--resume", "--threads", str(threads), *(["--trust-code"] if self.trust_code else [])]
        run = path / POINTS / point.name
        return Job(
            name=point.name,
            command=(*PROGRAM, "train", str(path / CONFIGS / f"{point.name}.yaml"), "-o", str(run), *options),
            lock=run / LOCK,
            log=path / LOGS / f"{point.name}.log",
        )

    def lock(self) -> AbstractContextManager[bool]:
        """Hold the sweep against other processes; False where the file system has no locks.

        Raises:
            UsageError: another process holds it.
        """
        return locked(self.path / LOCK)

    def state(self, point: Point) -> State:
        """State of a point; damage to its files is a failure of the point."""
        path, log = self.run(point), self.log(point)
        code = exit_code(log)
        if not is_run(path):
            return State("failed", error=failure(log, code)) if code else State("waiting")
        try:
            run = RunFiles.look(path)
            meta, history = run.meta(), run.history()
            digests = run.data_digests()
        except MmcliError as damage:
            return State("failed", error=str(damage))
        changed = [file for file, digest in digests.items() if self.data.get(file, digest) != digest]
        match meta["status"]:
            case "finished" if changed:
                error = f"learned from data that changed since the sweep began: {shown(', '.join(changed), 300)}"
                return State("failed", history, f"{error}; restore them, and remove {path}")
            case "failed":
                return State("failed", history, meta["error"])
            case "running" if not is_locked(path / LOCK):
                return State("failed", history, failure(log, code)) if code else State("interrupted", history)
            case status:
                return State(status, history)

    @classmethod
    def create(
        cls,
        path: Path,
        points: Sequence[Resolved],
        data: Mapping[str, str],
        memory: float,
        asked: Mapping[str, Any],
        *,
        trust_code: bool,
    ) -> Self:
        """Make the directory of a sweep; the manifest comes last, so that a sweep that has one is whole.

        Args:
            path: where nothing is, or the rest of a sweep that was killed while it was made.
            points: of the sweep.
            data: SHA-256 of each data file, by path.
            memory: bytes that a run needs, about.
            asked: command line, for readers of the manifest.
            trust_code: whether module types that configs name by import path are imported.

        Raises:
            UsageError: there is something else.
            SaveError: it cannot be written.
        """
        if path.exists() and not (path.is_dir() and {entry.name for entry in path.iterdir()} <= {CONFIGS}):
            raise UsageError(f"{path}: exists, and is no directory of a sweep; name another with -o")
        try:
            (path / CONFIGS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.unwritable(path, error) from None
        sweep = cls(path, _named(points), data, memory, trust_code=trust_code)
        for point, resolved in zip(sweep.points, points, strict=True):
            atomic.write(sweep.config(point), dump_config(resolved.config).encode())
        manifest = {
            "mmcli": __version__,
            **asked,
            "trust_code": trust_code,
            "memory": round(memory),
            "data": dict(data),
            "points": [point._asdict() for point in sweep.points],
        }
        atomic.write(path / MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
        return sweep

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the sweep at `path`.

        Raises:
            UsageError: there is none.
            DamagedRunError: its manifest or a frozen config is not as mmcli wrote it.
        """
        if not is_sweep(path):
            raise UsageError(f"{path}: no directory of a sweep (no {MANIFEST} in it)")
        try:
            manifest = json.loads(atomic.read(path / MANIFEST))
            points = [Point(**point) for point in manifest["points"]]
            data, memory = dict(manifest["data"]), float(manifest["memory"])
            sweep = cls(path, points, data, memory, trust_code=bool(manifest["trust_code"]))
            if not points or len({point.name for point in points}) < len(points):
                raise ValueError("no points, or two of one name")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            raise DamagedRunError(f"{path / MANIFEST}: damaged: {shown(reason, 120)}; begin anew with -o") from None
        for point in points:
            _refuse_changed(sweep.config(point), point.sha256)
        return sweep

    def refuse_other(self, points: Sequence[Resolved]) -> None:
        """Refuse a command line that asks for other points.

        Raises:
            UsageError: with the first difference.
        """
        asked = _named(points)
        if asked == list(self.points):
            return
        if len(asked) != len(self.points):
            difference = f"{len(self.points)} points before, {len(asked)} now"
        else:
            places = zip(self.points, asked, points, strict=True)
            before, now = next((before, resolved) for before, point, resolved in places if before != point)
            config = load_config(self.config(before), trust_code=self.trust_code)
            differences = config_differences(plain_config(config), plain_config(now.config))
            difference = "; ".join(f"{key}: {words}" for key, words in differences.items()) or "other keys of the grid"
        raise UsageError(
            f"{self.path}: a sweep of another config, grid or seeds ({difference}); "
            f"`mmcli sweep {self.path}` continues it, and -o names another directory"
        )


def is_sweep(path: Path) -> bool:
    """Whether a folder has the manifest of a sweep."""
    return (path / MANIFEST).is_file()


def _refuse_changed(config: Path, sha256: str) -> None:
    """Raise DamagedRunError where a frozen config is not the one that was written."""
    try:
        digest = atomic.digest(config)
    except OSError as error:
        raise DamagedRunError(f"{config}: {error.strerror}; restore the file, or begin anew with -o") from None
    if digest != sha256:
        raise DamagedRunError(f"{config}: changed since the sweep began; restore the file, or begin anew with -o")


def _named(points: Sequence[Resolved]) -> list[Point]:
    """Points with names that sort in their order."""
    width = max(3, len(str(len(points) - 1)))
    named = []
    for number, (settings, config, _) in enumerate(points):
        digest = hashlib.sha256(dump_config(config).encode()).hexdigest()
        named.append(Point(f"{number:0{width}d}", config.seed, json.loads(json.dumps(settings)), digest))
    return named
