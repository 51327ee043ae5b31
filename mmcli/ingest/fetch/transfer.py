"""One HTTP transfer: it goes on where an earlier one broke, and ends by itself if nothing comes.

Proxies are those of the environment (http_proxy, https_proxy, no_proxy), as urllib honours them.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Literal, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from mmcli.util import atomic
from mmcli.util.progress import Advance, following
from mmcli.util.text import shown
from mmcli.util.version import __version__

BLOCK = 1 << 16  # bytes
MIN_RATE = 1000  # bytes a second; slower is stalled
# Answers after which the same question may be answered otherwise; any other error is final.
PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})


class Resource(NamedTuple):
    """A file on the web.

    Attributes:
        name: what it is called in the cache.
        urls: its addresses, the first tried first.
        most: bytes that it can have.
        size: bytes, where known.
        md5: in hex, where known. It tells damage, not malice: what the file holds is checked as that of any other.
    """

    name: str
    urls: tuple[str, ...]
    most: int
    size: int | None = None
    md5: str | None = None


class TransferError(Exception):
    """A transfer that failed; `is_answered` unless nobody was there."""

    def __init__(self, reason: str, *, is_answered: bool = True) -> None:
        super().__init__(reason)
        self.is_answered = is_answered


class RefusedError(TransferError):
    """An address does not give the file, however often it is asked."""


class BrokenError(TransferError):
    """A transfer ended early, or never began; another try may go further."""


def transfer(url: str, resource: Resource, part: Path, stall: float, tell: Callable[[str], None]) -> None:
    """Append to a file what it lacks of a resource.

    Args:
        url: one of the resource's.
        resource: what is asked for.
        part: the file, which need not be there yet.
        stall: seconds without a byte, or at less than MIN_RATE, after which to give up.
        tell: takes a line that says what is downloaded.

    Raises:
        RefusedError: there is no use in asking this address again.
        BrokenError: what came is in the file.
        SaveError: the file cannot be written.
    """
    begin = part.stat().st_size if part.exists() else 0
    if resource.size is not None and begin >= resource.size:
        if begin == resource.size:
            return
        begin = 0
    headers = {"User-Agent": f"mmcli/{__version__}", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    request, opener = Request(url, headers=headers), build_opener(Redirects)
    with _told_apart(part, stall), opener.open(request, timeout=stall) as response:
        begin, total = _extent(response, begin)
        if total is not None and not (resource.size or 0) <= total <= (resource.size or resource.most):
            raise RefusedError(f"has {total:,} bytes where {resource.size or resource.most:,} are expected")
        what, size = f"downloading {resource.name}", "" if total is None else f", {total / 1e6:.1f} MB"
        tell(what + size + (f", from byte {begin:,} on" if begin else ""))
        try:
            with (
                _opened(part, "ab" if begin else "wb") as write,
                following(what, total, "bytes", done=begin) as advance,
            ):
                done = _copy(response, write, begin, resource.most, stall, advance)
        except RefusedError:  # what it sent is nothing to go on with
            part.unlink(missing_ok=True)
            raise
    if total is not None and done < total:
        raise BrokenError(f"ended after {done:,} of {total:,} bytes")


def _copy(
    response: HTTPResponse, write: Callable[[bytes], None], done: int, most: int, stall: float, advance: Advance
) -> int:
    """Write what comes until it ends; the number of bytes that are there then."""
    since, before = time.monotonic(), done
    while block := response.read1(BLOCK):  # not read: that waits until as many are there
        done += len(block)
        if done > most:
            raise RefusedError(f"sends more than {most:,} bytes")
        write(block)
        advance(done)
        if (now := time.monotonic()) - since > stall:
            if done - before < MIN_RATE * stall:
                raise BrokenError(f"stalled: {done - before:,} bytes in {now - since:.0f} s")
            since, before = now, done
    return done


def _extent(response: HTTPResponse, asked: int) -> tuple[int, int | None]:
    """Where in the file an answer begins, and how long the file is, where it says so."""
    length = response.length  # of what is sent; None if it comes in chunks
    if response.status == 200:
        return 0, length
    if response.status != 206:
        raise RefusedError(f"answers {response.status}")
    match = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != asked:
        raise RefusedError("sends another part of the file than it was asked for")
    if match[3] != "*":
        return asked, int(match[3])
    return asked, None if length is None else asked + length


class Redirects(HTTPRedirectHandler):
    """Follows what leads to another web address, and from https only to https."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """As urllib asks for it."""
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise RefusedError(f"redirects to {shown(newurl, 100)}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _told_apart(part: Path, stall: float) -> Iterator[None]:
    """Turn what urllib raises into what can and what cannot be better next time."""
    try:
        yield
    except HTTPError as error:
        error.close()
        if error.code == 416:  # it ends where the part ends, or before: the part is not of this file
            part.unlink(missing_ok=True)
        reason = shown(error.reason.splitlines()[0], 100) if error.reason else ""
        kind = BrokenError if error.code in PASSING else RefusedError
        raise kind(f"answers {error.code} {reason}".rstrip()) from None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise BrokenError(f"no answer in {stall:g} s", is_answered=False) from None
        is_final = isinstance(error.reason, socket.gaierror | ssl.SSLCertVerificationError)
        kind = RefusedError if is_final else BrokenError
        raise kind(f"cannot be reached: {_said(error.reason)}", is_answered=False) from None
    except TimeoutError:
        raise BrokenError(f"stalled: nothing in {stall:g} s") from None
    except (HTTPException, OSError) as error:
        raise BrokenError(f"broke off: {_said(error)}") from None
    except ValueError as error:  # an address that is none
        raise RefusedError(_said(error)) from None


def _said(error: object) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return shown(text.splitlines()[0], 100)


@contextmanager
def _opened(part: Path, mode: Literal["ab", "wb"]) -> Iterator[Callable[[bytes], None]]:
    """What writes to a file, at once; errors of the disk must not pass for errors of the network.

    Raises:
        SaveError: the disk does not take it.
    """
    with saving(part):
        file = part.open(mode, buffering=0)

    def write(block: bytes) -> None:
        rest = memoryview(block)
        with saving(part):
            while rest:
                rest = rest[file.write(rest) :]

    with file:
        yield write


def saving(path: Path) -> AbstractContextManager[None]:
    """As `files.saving`, for the cache."""
    return atomic.saving(path, "mend that, or name another cache by XDG_CACHE_HOME")
