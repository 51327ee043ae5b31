"""Paths in a config: relative to its folder, with ~ and $NAME as in a shell."""

import os
import re
from pathlib import Path

from mmcli.util.text import shown

_VARIABLE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")  # $NAME or ${NAME}


def expanded(written: str, folder: Path) -> Path:
    """Expand ~ and $NAME in a path, as a shell would; a path that exists as written is kept.

    Raises:
        ValueError: there is no such variable or home folder.
    """
    literal = folder / written
    if os.path.lexists(literal):
        return literal
    names = [name.strip("${}") for name in _VARIABLE.findall(written)]
    unknown = next((name for name in names if name not in os.environ), None)
    if unknown is not None:
        raise ValueError(f"no environment variable {unknown}; set it, or write the path out")
    path = Path(_VARIABLE.sub(lambda name: os.environ[name[0].strip("${}")], written))
    try:
        return folder / path.expanduser()
    except RuntimeError:  # no such user, or no home folder
        raise ValueError(f"no home folder {shown(path.parts[0], 60)}; write the path out") from None
