"""A lock file that ends with its process."""

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmcli.errors import UsageError
from mmcli.util.atomic import saving

_PROBE_SECONDS = 0.1  # for which a lock is tried again: `is_locked` holds it for a moment


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock file `path`; yield False where the file system has no locks. A lock ends with its process.

    Raises:
        UsageError: another process holds it.
        SaveError: it cannot be made.
    """
    with saving(path):
        descriptor, is_held = _take(path)
    try:
        with saving(path):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"host {socket.gethostname()} pid {os.getpid()}\n".encode())
        yield is_held
    finally:
        with suppress(OSError):  # a lock file left behind locks nothing
            path.unlink()
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file `path`; False where that cannot be found out."""
    return lock_state(path) is True


def lock_state(path: Path) -> bool | None:
    """Whether a process holds the lock file `path`; None where that cannot be found out, as without locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # the file system has no locks
        return None
    finally:
        os.close(descriptor)
    return False


def _take(path: Path) -> tuple[int, bool]:
    """Open lock file, and whether it is locked.

    Raises:
        UsageError: another process holds it.
    """
    deadline = time.monotonic() + _PROBE_SECONDS
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                os.close(descriptor)
                time.sleep(_PROBE_SECONDS / 10)
                continue
            with os.fdopen(descriptor, "rb") as file:
                holder = re.fullmatch(rb"host ([\w.-]+) pid (\d+)\n", file.read(300))
            who = f"process {holder[2].decode()} on {holder[1].decode()}" if holder else "another process"
            raise UsageError(f"{path.parent}: in use by {who}; wait for it, or stop it") from None
        except OSError:
            return descriptor, False
        # The last holder may have deleted the file between the two calls: then this locks a file that no longer exists.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor, True
        os.close(descriptor)
