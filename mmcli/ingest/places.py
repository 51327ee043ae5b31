"""Paths as typed by the user: expansion of ~ and $HOME where no shell did it, and the kind of file at a path."""

import os
import stat
from pathlib import Path
from typing import Literal

from mmcli.errors import DataError, UsageError
from mmcli.util.text import shown

Kind = Literal["file", "folder", "other"]


def place(text: str | os.PathLike[str]) -> Path:
    """Path with ~, ~user, $NAME and ${NAME} expanded, unless a file of the literal name exists.

    A shell does not expand them after NAME=, in quotes, and in lists.

    Raises:
        UsageError: there is no home folder.
    """
    written = os.fspath(text)
    if not ("~" in written or "$" in written) or os.path.lexists(written):
        return Path(written)
    try:
        return Path(os.path.expandvars(written)).expanduser()
    except RuntimeError:
        raise UsageError(f"{shown(written, 120)}: no home folder is known for it; write the path out") from None


def kind_at(path: Path) -> Kind | None:
    """Kind of file at a path, links followed; None where it does not exist.

    Raises:
        UsageError: it cannot be examined.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise UsageError(f"{shown(str(path))}: cannot be read: {reason(error)}") from None
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def refuse_other_than_file(path: Path) -> None:
    """Refuse a path that is not a readable regular file.

    Raises:
        DataError: it is not; without its name.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DataError("no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {reason(error)}") from None
    if not stat.S_ISREG(mode):
        raise DataError("no regular file")


def reason(error: Exception) -> str:
    """Reason of an error of the file system, in a few words."""
    return shown(getattr(error, "strerror", None) or str(error) or type(error).__name__, 120)
