"""A package with a module type of one's own, to begin from."""

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from mmcli.errors import UsageError
from mmcli.modules.registry import type_names
from mmcli.util import atomic
from mmcli.util.text import shown

MAX_NAME = 40  # characters

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Where each file goes; beside this module they end in .in, so that no tool takes them for code.
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "init.py": "src/$package/__init__.py",
    "spec.py": "src/$package/spec.py",
    "model.py": "src/$package/model.py",
    "test.py": "tests/test_$name.py",
}


def write_package(name: str, folder: Path | None = None) -> Path:
    """Write a package whose module type works and passes its test.

    Args:
        name: of the type in a config.
        folder: where the package goes; mmcli-NAME in the working directory if it is None.

    Returns:
        The folder.

    Raises:
        UsageError: the name cannot be that of a type, or is taken; or the folder is there already.
        OSError: the folder cannot be written.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME or keyword.iskeyword(name):
        rule = f"up to {MAX_NAME} of a-z, 0-9 and _, a letter first, and no keyword of Python"
        raise UsageError(f"--new {shown(name, 60)}: a type's name has {rule}; choose another")
    if name in type_names():
        raise UsageError(f"--new {name}: there is a type of that name; `mmcli modules {name}` shows it; choose another")
    distribution = f"mmcli-{name.replace('_', '-')}"
    folder = Path(distribution) if folder is None else folder
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{shown(str(folder))}: is there already; name another place with -o") from None
    names = {"name": name, "package": f"mmcli_{name}", "distribution": distribution}
    for source, target in _FILES.items():
        text = files("mmcli.workflows").joinpath("new_type_files", f"{source}.in").read_text(encoding="utf-8")
        path = folder / Template(target).substitute(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.replace(path, Template(text).substitute(names).encode())
    return folder
