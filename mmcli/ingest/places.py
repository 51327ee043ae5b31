"""Paths as people write them: ~ and $HOME are expanded where no shell did it, and what stands at a path."""

import os
import stat
from pathlib import Path
from typing import Literal

from mmcli.errors import DataError, UsageError
from mmcli.util.text import shown

Kind = Literal["file", "folder", "other"]


def place(text: str | os.PathLike[str]) -> Path:
    """A path with ~, ~user, $NAME and ${NAME} expanded, unless something is called so.

    A shell leaves them as they are after NAME=, in quotes, and in lists.

    Raises:
        UsageError: there is no home.
    """
    written = os.fspath(text)
    if not ("~" in written or "$" in written) or os.path.lexists(written):
        return Path(written)
    try:
        return Path(os.path.expandvars(written)).expanduser()
    except RuntimeError:
        raise UsageError(f"{shown(written, 120)}: no home folder is known for it; write the path out") from None


def kind_at(path: Path) -> Kind | None:
    """What is at a path, links followed; None where nothing is.

    Raises:
        UsageError: it cannot be looked into.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise UsageError(f"{shown(str(path))}: cannot be read: {reason(error)}") from None
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def refuse_other_than_file(path: Path) -> None:
    """Raise DataError, without the name, where there is no regular file that may be looked at."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DataError("no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {reason(error)}") from None
    if not stat.S_ISREG(mode):
        raise DataError("no regular file")


def reason(error: Exception) -> str:
    """Why the file system refused something, in a few words."""
    return shown(getattr(error, "strerror", None) or str(error) or type(error).__name__, 120)
