"""A finished run in one file: a zip of its directory without checkpoints, and a card that describes the model.

Unzipped anywhere it is a run directory again. Equal runs and cards give equal bytes.
"""

import io
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmcli.errors import DamagedRunError
from mmcli.runs.layout import CONFIG, META, SUMS
from mmcli.util import atomic
from mmcli.util.text import shown

CARD = "README.md"
_NAME = re.compile(r"(module\d{3,}_[\w-]+/)?\w[\w.-]*", re.ASCII)  # of a file of a run; leads nowhere else
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip knows: bytes must not depend on when it was made
_MAX_NAMES = 100_000


def write_packed(file: Path, run: Path, sums: Mapping[str, str], card: str) -> None:
    """Write a run to one file, which appears whole or not at all.

    Args:
        file: to be written.
        run: directory of a finished run, verified.
        sums: its files.
        card: in Markdown.

    Raises:
        UsageError: `file` cannot be written.
    """
    try:
        with atomic.replacing(file) as append, zipfile.ZipFile(_Sink(append), "w") as packed:
            packed.writestr(_entry(CARD), card)
            for name in (*sums, SUMS):
                with (run / name).open("rb") as source, packed.open(_entry(name), "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)
    except OSError as error:
        raise atomic.unwritable(file, error) from None


def is_packed(path: Path) -> bool:
    """Whether a path is a file that may be a packed run."""
    return path.is_file() and zipfile.is_zipfile(path)


def unpack(file: Path) -> Path:
    """Unpack a run to a new temporary folder, which the caller deletes; its SHA-256s are not compared yet.

    Raises:
        DamagedRunError: the file is no packed run, or cannot be read.
        UsageError: the disk of the temporary folder is too small.
    """
    folder = Path(tempfile.mkdtemp(prefix="mmcli-"))
    try:
        with zipfile.ZipFile(file) as packed:
            _refuse_other(packed.infolist())
            atomic.require_room(folder, sum(entry.file_size for entry in packed.infolist()))
            for entry in packed.infolist():
                (folder / entry.filename).parent.mkdir(exist_ok=True)
                with packed.open(entry) as source, (folder / entry.filename).open("xb") as target:
                    shutil.copyfileobj(source, target)
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        shutil.rmtree(folder, ignore_errors=True)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DamagedRunError(f"{file}: no packed run, or a damaged one: {shown(reason, 160)}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _refuse_other(entries: list[zipfile.ZipInfo]) -> None:
    """Raise ValueError where a file is not one of a packed run, so that none is written elsewhere."""
    names = [entry.filename for entry in entries]
    if len(names) > _MAX_NAMES or len(set(names)) < len(names):
        raise ValueError("too many files, or two of one name")
    if other := [name for name in names if not _NAME.fullmatch(name)]:
        raise ValueError(f"{shown(other[0], 60)} is no file of a run")
    if missing := sorted({CONFIG, META, SUMS} - set(names)):
        raise ValueError(f"no {missing[0]} in it")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system, entry.external_attr = 3, 0o100644 << 16  # a regular file of Unix, on every system
    return entry


class _Sink(io.RawIOBase):
    """Stream that passes on what is written to it."""

    def __init__(self, append: Callable[[bytes | memoryview], None]) -> None:
        self._append = append

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def write(self, content: Any) -> int:
        """Pass on bytes."""
        self._append(content)
        return len(content)
