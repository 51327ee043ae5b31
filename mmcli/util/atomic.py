"""Atomic writes: a file appears whole or not at all."""

import errno
import hashlib
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from mmcli.errors import SaveError, UsageError
from mmcli.util.text import shown

TEMPORARY = ".tmp"  # suffix of a file that is still being written
_REMEDIES = {
    errno.EACCES: "; its owner has to give access, or name another path",
    errno.EPERM: "; its owner has to give access, or name another path",
    errno.ENAMETOOLONG: "; name a shorter path",
    errno.ELOOP: "; a link leads back to itself: remove it",
    errno.ENOSPC: "; free some space",
    errno.EDQUOT: "; free some space",
    errno.EROFS: "; name a path on another disk",
    errno.EMFILE: "; raise the limit, ulimit -n",
}


def write(path: Path, content: bytes) -> None:
    """Write a file of a run atomically, as `replace` does.

    Raises:
        SaveError: it cannot be written.
    """
    with writing(path) as append:
        append(content)


@contextmanager
def writing(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Write a file of a run piece by piece; it takes the place of `path` once the block has ended without error.

    Raises:
        SaveError: it cannot be written.
    """
    with saving(path), replacing(path) as append:

        def append_to_path(content: bytes) -> None:
            """Append to the temporary file; report a failure as one of `path`."""
            with saving(path):  # names `path` in errors, not another file written meanwhile
                append(content)

        yield append_to_path


def replace(path: Path, content: bytes | memoryview) -> None:
    """Write a file atomically: at any moment, a crash included, it is absent, the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one is there, or the whole new one where only its folder's entry could
            not be made to last.
    """
    with replacing(path) as append:
        append(content)


@contextmanager
def replacing(path: Path) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Replace a file piece by piece, as `replace` does.

    Raises:
        OSError: as in `replace`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)

        def append(content: bytes | memoryview) -> None:
            """Append to the temporary file."""
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]

        try:
            yield append
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file of a run that is learning, which is made where there is none.

    A crash may leave a part of the content; where writing fails nothing of it is left.

    Raises:
        SaveError: it cannot be written.
    """
    with saving(path):
        is_new = not is_there(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
        try:
            size, rest = os.fstat(descriptor).st_size, memoryview(content)
            try:
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(path.parent)


def write_named(path: Path, content: bytes) -> None:
    """Write a file that the user named atomically, as `replace` does.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        replace(path, content)
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> UsageError:
    """Error for a file or folder named by the user that cannot be written."""
    reason = error.strerror or type(error).__name__
    return UsageError(f"{shown(str(path))}: cannot be written ({reason}); name a place to write to with -o")


def refusal(error: OSError) -> str:
    """Describe an error of the file system in one line: the path where it is known, the reason, and the remedy."""
    path = next((os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)), "")
    reason = error.strerror or type(error).__name__
    return f"{shown(path)}: {reason}{_REMEDIES.get(error.errno or 0, '')}".removeprefix(": ")


def is_there(path: Path) -> bool:
    """Whether a path exists, a dangling link included.

    Raises:
        OSError: its folder may not be looked into.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read(path: Path) -> bytes:
    """Read a regular file, links followed; pipes and devices are refused.

    Raises:
        OSError: it cannot be read.
    """
    with _open(path) as file:
        return file.read()


def digest(path: Path) -> str:
    """SHA-256 of a regular file, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with _open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def why_read_only(folder: Path) -> str | None:
    """Reason why no file can be made in a folder, such as permissions or a read-only disk; None if it can.

    A folder that is a link counts as read-only: what it leads to is not ours to write to.
    """
    if folder.is_symlink():
        return "a link"
    probe = folder / f".writable.{os.getpid()}{TEMPORARY}"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        probe.unlink()
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return error.strerror
    return None


def remove(path: Path) -> None:
    """Delete a file if it exists.

    Raises:
        SaveError: it cannot be deleted.
    """
    with saving(path):
        with suppress(FileNotFoundError):
            path.unlink()
        _sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder if it does not exist.

    Raises:
        SaveError: it cannot be made, or is a link, which may lead anywhere.
    """
    with saving(path):
        with suppress(FileExistsError):
            path.mkdir()
            _sync_folder(path.parent)
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise OSError(errno.ENOTDIR, "not a folder")


def set_aside(path: Path) -> Path:
    """Rename a folder to the first free of `path`.old-001, .old-002, ..., which is returned.

    Raises:
        OSError: it cannot be renamed.
    """
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.old-{number:03d}")
        try:
            path.rename(aside)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            continue
        break
    return aside


def sweep(folder: Path) -> None:
    """Delete temporary files that killed writers left behind.

    Raises:
        SaveError: it cannot be deleted.
    """
    for path in folder.glob(f".*{TEMPORARY}"):
        remove(path)


def require_room(path: Path, size: float) -> None:
    """Refuse to write to `path`, which need not exist yet, if its disk has less than `size` bytes free.

    Raises:
        UsageError: it has less.
    """
    place = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    free = shutil.disk_usage(place).free
    if free < size:
        raise UsageError(
            f"{path}: {free / 1e6:.0f} MB are free where this run may need {size / 1e6:.0f}; "
            "free some, or name another place with -o"
        )


@contextmanager
def saving(path: Path, remedy: str = "mend that, then do it again (train with --resume)") -> Iterator[None]:
    """Turn an error of the file system into a `SaveError` that names the file.

    Raises:
        SaveError: the block raised OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SaveError(f"{shown(str(path))}: cannot be written ({reason}); {remedy}") from error


def _open(path: Path) -> BufferedReader:
    """Open a regular file for reading.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe would wait for its writer
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file")
    return file


def _sync_folder(path: Path) -> None:
    """Flush the entries of a folder to disk, so that its file names survive a crash."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
