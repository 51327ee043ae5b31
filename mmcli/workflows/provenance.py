"""Origin of a run, for meta.json: commit of the config's folder, packages, host and command line."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[\w.-]+")  # of the package that a requirement begins with
_GIT_SECONDS = 10  # a work tree on a slow disk is not waited for longer


def provenance_of(config: Path) -> dict[str, Any]:
    """Facts about this process and the config's folder; `git` is left out where that is in no work tree.

    Args:
        config: path of the config; of one in memory any name in the working directory.
    """
    git = _git_state(config)
    return {
        **({"git": git} if git is not None else {}),
        "packages": installed_packages(("mmcli", "jax", "jaxlib", "numpy")),
        "host": socket.gethostname(),
        "command": shlex.join(sys.argv),
    }


def installed_packages(roots: Sequence[str]) -> dict[str, str]:
    """Version of each package that is installed, by name: the roots' dependencies, theirs, and the roots but the first.

    Extras are left out: they read data, and the SHA-256 of what was learned from is recorded besides.
    """
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        try:
            number, requirements = version(name), requires(name) or []
        except PackageNotFoundError:  # of another platform or Python
            continue
        found[name] = number
        named = [_named(requirement) for requirement in requirements if "extra ==" not in requirement]
        waiting += [other for other in named if other not in found]
    return {name: found[name] for name in sorted(found) if name != roots[0]}


def _named(requirement: str) -> str:
    """Package of a requirement, in the spelling of the index: matplotlib of "matplotlib>=3.10; python_version..."."""
    match = _NAME.match(requirement)
    return "" if match is None else re.sub(r"[-_.]+", "-", match[0]).lower()


def _git_state(config: Path) -> dict[str, Any] | None:
    """Commit of the work tree that a config lies in, and whether tracked files, or the config itself, differ from it.

    None where there is no work tree, no commit in it, or no git.
    """
    state = _git(config.parent, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    commit = None if state is None else re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", state, re.MULTILINE)
    own = _git(config.parent, "status", "--porcelain", "--", config.name)
    if state is None or commit is None or own is None:
        return None
    is_changed = any(not line.startswith("#") for line in state.splitlines())
    return {"commit": commit[1], "dirty": is_changed or bool(own)}


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command in a folder; None where it fails."""
    # Variables such as GIT_DIR, set where a hook starts mmcli, would name another work tree.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1"},  # many jobs may look at once
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")
