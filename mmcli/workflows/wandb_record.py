"""Record of a run in files of Weights & Biases, offline: `wandb sync` is the user's step, and nothing is sent here."""

import errno
import json
import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

from mmcli.errors import UsageError
from mmcli.util.atomic import unwritable
from mmcli.util.text import shown
from mmcli.workflows.trackers import Scalar, Step, missing_package

PROJECT = "mmcli"  # unless WANDB_PROJECT names another
_MARK = b":W&B"
_START, _BLOCK, _HEAD = 7, 32768, 7  # bytes of the head of a file, of a block, of the head of a piece
_WHOLE, _LAST = 1, 4  # types of pieces that end an entry
# No copies of code or console, and no facts of this machine, which need not be that of the run.
_QUIET: Mapping[str, Any] = {
    "console": "off",
    "silent": True,
    **dict.fromkeys(("disable_code", "disable_git", "x_disable_meta", "x_disable_stats"), True),
}
_ROUND, _STATUS = "round", "status"


class WandbRecord:
    """One run of Weights & Biases. Each command that has something to write adds a folder of the same id.

    Args:
        place: folder in which wandb makes its own, `wandb`.
        known: id of the run there; None where there is none yet.
        name: of the run.

    Raises:
        UsageError: wandb is not installed, or the folder cannot be made or read.
    """

    def __init__(self, place: Path, known: str | None, name: str) -> None:
        os.environ["WANDB_ERROR_REPORTING"] = "false"  # it would report to its makers, offline too
        try:
            import wandb
            from wandb.proto.wandb_internal_pb2 import Record
        except ImportError:
            raise UsageError(missing_package("wandb", "wandb", "wandb")) from None
        self._wandb, self._entry_type = wandb, Record
        self._place, self._name = place, name
        self._run: Any = None
        self._config: dict[str, Any] = {}
        self.id = known if known is not None and self._folders(known) else uuid4().hex[:8]
        self._num_rows, self._status, self._written = self._held()

    @property
    def shown(self) -> str:
        """Pattern of its folders, which a shell expands."""
        return str(self._pattern(self.id))

    def written(self) -> set[Step]:
        """Names and rounds of all measures."""
        return set(self._written)

    def describe(self, settings: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Keep settings and tags, which each folder of the record holds; a new record gets its first."""
        self._config = {**settings, **{f"meta.{key}": value for key, value in tags.items()}}
        if not self._folders(self.id):
            self._open()

    def write(self, scalars: Sequence[Scalar]) -> None:
        """Append scalars, a row for the measures of an update; they are in the file when the record is closed."""
        for (step, end), row in groupby(scalars, lambda scalar: (scalar.step, scalar.time)):
            values = {scalar.name: scalar.value for scalar in row}
            with self._refusals():
                # The step of wandb counts rows: it has to rise, and a round has a row for each module.
                self._open().log({_ROUND: step, "_timestamp": end, **values}, step=self._num_rows, commit=True)
            self._num_rows += 1

    def set_status(self, status: str) -> None:
        """Write the status of the run, where the record has another."""
        if status != self._status:
            with self._refusals():
                self._open().summary[_STATUS] = status
            self._status = status

    def close(self) -> None:
        """Write out all rows."""
        if self._run is not None:
            with self._refusals():
                self._run.finish(exit_code=int(self._status == "failed"))

    def _open(self) -> Any:
        """The run of wandb of this process, made where there is something to write."""
        if self._run is None:
            while self._folders(self.id, time.strftime("%Y%m%d_%H%M%S")):
                time.sleep(0.1)  # names hold whole seconds: a second folder of the same one would replace the first
            try:
                (self._place / "wandb").mkdir(parents=True, exist_ok=True)
                if not os.access(self._place / "wandb", os.W_OK):  # wandb would write elsewhere
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            except OSError as error:
                raise unwritable(self._place / "wandb", error) from None
            with self._refusals():
                self._run = self._wandb.init(
                    mode="offline",
                    dir=str(self._place),
                    id=self.id,
                    name=self._name,
                    project=os.environ.get("WANDB_PROJECT", PROJECT),
                    config=self._config,
                    resume="allow",
                    reinit="create_new",
                    settings=self._wandb.Settings(**_QUIET),
                )
                self._run.define_metric("*", step_metric=_ROUND)
        return self._run

    def _pattern(self, identity: str, begun: str = "*") -> Path:
        return self._place / "wandb" / f"offline-run-{begun}-{identity}"

    def _folders(self, identity: str, begun: str = "*") -> list[Path]:
        return sorted(self._place.glob(str(self._pattern(identity, begun).relative_to(self._place))))

    def _held(self) -> tuple[int, str | None, set[Step]]:
        """Number of rows, last status, and measures and rounds of all folders."""
        num_rows, status, written = 0, None, set[Step]()
        for folder in self._folders(self.id):
            for entry in self._entries(folder / f"run-{self.id}.wandb"):
                for item in entry.summary.update:
                    if (item.key or "/".join(item.nested_key)) == _STATUS:
                        status = str(json.loads(item.value_json))
                row = {item.key or "/".join(item.nested_key): item.value_json for item in entry.history.item}
                if _ROUND in row:
                    num_rows += 1
                    written |= {(name, int(json.loads(row[_ROUND]))) for name in row}
        return num_rows, status, written

    def _entries(self, path: Path) -> Iterator[Any]:
        """Entries of a file, a log in the format of LevelDB. A last one that was cut off is left out, as by wandb."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # of a command that was killed
            return
        except OSError as error:
            raise UsageError(f"{shown(str(path))}: cannot be read ({error.strerror}); remove its folder") from None
        if content and not content.startswith(_MARK):
            raise UsageError(f"{shown(str(path))}: no record of wandb; remove its folder")
        place, entry = _START, b""
        while place + _HEAD <= len(content):
            if _BLOCK - place % _BLOCK < _HEAD:  # no piece begins there
                place += _BLOCK - place % _BLOCK
                continue
            _, length, kind = struct.unpack_from("<IHB", content, place)
            place += _HEAD + length
            if place > len(content):
                break
            entry += content[place - length : place]
            if kind in (_WHOLE, _LAST):
                yield self._parsed(path, entry)
                entry = b""

    def _parsed(self, path: Path, entry: bytes) -> Any:
        try:
            return self._entry_type.FromString(entry)
        except ValueError:  # of protobuf
            raise UsageError(f"{shown(str(path))}: no record of wandb; remove its folder") from None

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn errors of wandb into one line.

        Raises:
            UsageError: the block raised one.
        """
        try:
            yield
        except (self._wandb.Error, OSError) as error:
            raise UsageError(f"{shown(str(self._place), 160)}: wandb: {shown(str(error), 200)}") from None
