"""Places of run directories: made where there is nothing, refused or set aside where there is something."""

from itertools import count
from pathlib import Path

from mmcli.errors import UsageError
from mmcli.runs.layout import LOCK, META
from mmcli.util import atomic
from mmcli.util.locks import locked


def make_exclusively(path: Path) -> None:
    """Make a folder, parents included.

    Raises:
        FileExistsError: there is something at `path`.
        UsageError: nothing can be made there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except OSError as error:
        if path.exists():
            raise FileExistsError(path) from None
        reason = f"{error.strerror}: {error.filename}"
        raise UsageError(f"{path}: cannot be made ({reason}); name a place to write to with -o") from None


def next_free(path: Path) -> Path:
    """The first of `path`-001, -002, ... at which there is nothing."""
    places = (path.with_name(f"{path.name}-{number:03d}") for number in count(1))
    return next(place for place in places if not atomic.is_there(place))


def refuse_taken(path: Path) -> None:
    """Refuse a path for a new run, as `RunDirectory.create` does, without making anything.

    Raises:
        UsageError: there is something at `path`.
    """
    if atomic.is_there(path):
        raise taken(path)


def taken(path: Path) -> UsageError:
    """Error for a path of a new run at which there is something."""
    return UsageError(f"{path}: exists already; --resume resumes it, --force sets it aside")


def set_aside(path: Path) -> Path | None:
    """Rename a run directory to the first free of `path`.old-001, .old-002, ...; None where there is nothing.

    Raises:
        UsageError: `path` is neither a run directory nor an empty folder, or a process is at work in it.
    """
    path = path.absolute()  # "." has no name to append to
    if not path.exists():
        return None
    if not path.is_dir() or (any(path.iterdir()) and not atomic.is_there(path / META)):
        raise UsageError(f"{path}: no run directory, so --force leaves it alone; name another with -o")
    with locked(path / LOCK):
        aside = atomic.set_aside(path)
        atomic.remove(aside / LOCK)
    return aside
