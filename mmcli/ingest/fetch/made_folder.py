"""A folder of generated files that appears whole or not at all, with a record of its sources."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcli.errors import UsageError
from mmcli.ingest.places import kind_at
from mmcli.util import atomic
from mmcli.util.text import shown

PROVENANCE = "provenance.json"
CHECKSUMS = "SHA256SUMS"


def is_made(folder: Path, asked: Mapping[str, Any], *, force: bool) -> bool:
    """Whether a folder holds what is asked for, intact; False if it is still to be made.

    Args:
        folder: which need not exist.
        asked: facts, by their names in provenance.json, that have to match.
        force: whether earlier generated contents may be set aside.

    Raises:
        UsageError: it holds something else.
        OSError: it cannot be examined.
    """
    place = shown(str(folder))
    kind = kind_at(folder)
    try:
        if kind is None or (kind == "folder" and not any(folder.iterdir())):
            return False
        facts = json.loads(atomic.read(folder / PROVENANCE))
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict):
        raise UsageError(f"{place}: holds what `mmcli data fetch` did not write; name another folder with -o")
    if force:
        return False
    remedy = "name another folder with -o, or set this one aside with --force"
    for name, value in asked.items():
        if facts.get(name) != value:
            other = f"other {name}"
            if not isinstance(value, Mapping):
                other = f"another {name} ({shown(str(facts.get(name)), 40)}, not {value})"
            raise UsageError(f"{place}: holds data of {other}; {remedy}")
    if damaged := _damaged(folder):
        raise UsageError(f"{place}: {shown(damaged, 60)} is missing or was changed; {remedy}")
    return True


def require_writable(folder: Path) -> None:
    """Refuse, before any work, a folder that cannot be made.

    Raises:
        UsageError: it cannot.
    """
    nearest = next(parent for parent in Path(os.path.realpath(folder)).parents if kind_at(parent) is not None)
    try:
        Path(tempfile.mkdtemp(prefix=".", suffix=atomic.TEMPORARY, dir=nearest)).rmdir()
    except OSError as error:
        raise atomic.unwritable(folder, error) from None


def write(folder: Path, contents: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
    """Write files, their facts and their checksums as a folder; set aside its earlier contents.

    Raises:
        UsageError: they cannot be written; the folder is as before.
    """
    folder = Path(os.path.realpath(folder))
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}{atomic.TEMPORARY}")
    whole = {**contents, PROVENANCE: (json.dumps(facts, indent=2) + "\n").encode()}
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(whole.items())]
    try:
        temporary.mkdir(parents=True)
        for name, content in {**whole, CHECKSUMS: "".join(sums).encode()}.items():
            atomic.replace(temporary / name, content)
        if folder.exists() and any(folder.iterdir()):
            atomic.set_aside(folder)
        temporary.rename(folder)
    except OSError as error:
        raise atomic.unwritable(folder, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _damaged(folder: Path) -> str | None:
    """Name of a file that does not match its checksum; None if all do."""
    try:
        lines = atomic.read(folder / CHECKSUMS).decode().splitlines()
        for digest, name in (line.split("  ") for line in lines):
            try:
                if atomic.digest(folder / name) != digest:
                    return name
            except OSError:
                return name
    except (OSError, ValueError):
        return CHECKSUMS
    return None
