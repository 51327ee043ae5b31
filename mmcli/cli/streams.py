"""Standard streams whose failure is handled: text for a log is dropped, a result that cannot be written is an error."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from mmcli.errors import OutputError


class Log:
    """Stderr. Text that cannot be written, as the stream is closed, full or without a reader, is dropped."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text where possible; the number of characters taken."""
        if self._stream is not None:
            with suppress(OSError):
                return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush where possible."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal; False where there is none."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Output:
    """Stdout. A failed write raises OutputError, which is no OSError: it is the work's result that is lost."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text.

        Raises:
            OutputError: the stream does not take it.
        """
        try:
            return self._open().write(text)
        except OSError as error:
            raise OutputError(error) from None

    def flush(self) -> None:
        """Flush.

        Raises:
            OutputError: the stream does not take what is left.
        """
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            raise OutputError(error) from None

    def isatty(self) -> bool:
        """Whether the stream is a terminal; False where there is none."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _open(self) -> TextIO:
        if self._stream is None:
            raise OSError(errno.EBADF, "it is closed")
        return self._stream


@contextmanager
def standard_streams() -> Iterator[None]:
    """Put `Output` and `Log` in the place of stdout and stderr.

    A descriptor of 0, 1 and 2 that is closed is opened on /dev/null first. Otherwise the next file that is opened, a
    checkpoint it may be, gets its number, and what a library writes to "stderr" ends up in that file.
    """
    for descriptor in (0, 1, 2):  # open() takes the lowest that is free
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    out, err = sys.stdout, sys.stderr
    for stream in (out, err):
        if hasattr(stream, "reconfigure"):
            # Paths that are no text in this locale leave as the bytes they are; a log shows them escaped.
            stream.reconfigure(errors="surrogateescape" if stream is out else "backslashreplace")
    sys.stdout, sys.stderr = cast(TextIO, Output(out)), cast(TextIO, Log(err))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
        for stream in (out, err):
            _give_up(stream)


def _give_up(stream: TextIO | None) -> None:
    """Discard the rest of a broken stream's buffer: Python would fail over it at its exit."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
            stream.flush()
