"""The folder of what mmcli keeps between runs, and whether compiled programs are among it."""

import os
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

# Whether compiled programs are kept. Set once, by the command line: a caller of the Python API decides for its process.
keeps_programs: ContextVar[bool] = ContextVar("keeps_programs", default=False)


def cache_folder() -> Path | None:
    """Folder of everything mmcli keeps between runs, which need not exist; None where there is no place for it."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():  # the XDG specification: relative paths are to be ignored
        return Path(named, "mmcli")
    with suppress(RuntimeError):  # no home folder
        return Path.home() / ".cache" / "mmcli"
    return None
