"""One HTTP transfer: resumes where an earlier one broke off, and ends by itself when stalled.

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
# Status codes after which a retry may succeed; any other error is final.
PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})


class Resource(NamedTuple):
    """A file on the web.

    Attributes:
        name: its name in the cache.
        urls: its addresses, tried in this order.
        most: the largest size that is accepted, in bytes.
        size: in bytes, where known.
        md5: in hex, where known. It detects damage, not malice: contents are checked as those of any other file.
    """

    name: str
    urls: tuple[str, ...]
    most: int
    size: int | None = None
    md5: str | None = None


class TransferError(Exception):
    """A transfer that failed; `is_answered` unless no server answered."""

    def __init__(self, reason: str, *, is_answered: bool = True) -> None:
        super().__init__(reason)
        self.is_answered = is_answered


class RefusedError(TransferError):
    """An address does not serve the file; retrying is useless."""


class BrokenError(TransferError):
    """A transfer ended early, or never began; a retry may succeed."""


def transfer(url: str, resource: Resource, part: Path, stall: float, log: Callable[[str], None]) -> None:
    """Append the missing part of a resource to a file.

    Args:
        url: one of the resource's.
        resource: what to download.
        part: the file, which need not exist yet.
        stall: seconds without a byte, or at less than MIN_RATE, after which to give up.
        log: callback for a line that names the download.

    Raises:
        RefusedError: retrying this address is useless.
        BrokenError: received bytes are in the file.
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
    with _classified(part, stall), opener.open(request, timeout=stall) as response:
        begin, total = _extent(response, begin)
        if total is not None and not (resource.size or 0) <= total <= (resource.size or resource.most):
            raise RefusedError(f"has {total:,} bytes where {resource.size or resource.most:,} are expected")
        what, size = f"downloading {resource.name}", "" if total is None else f", {total / 1e6:.1f} MB"
        log(what + size + (f", from byte {begin:,} on" if begin else ""))
        try:
            with (
                _opened(part, "ab" if begin else "wb") as write,
                following(what, total, "bytes", done=begin) as advance,
            ):
                done = _copy(response, write, begin, resource.most, stall, advance)
        except RefusedError:  # a part of another file is no use for resuming
            part.unlink(missing_ok=True)
            raise
    if total is not None and done < total:
        raise BrokenError(f"ended after {done:,} of {total:,} bytes")


def _copy(
    response: HTTPResponse, write: Callable[[bytes], None], done: int, most: int, stall: float, advance: Advance
) -> int:
    """Copy a response to its end; return the number of bytes in the file.

    Raises:
        RefusedError: it is longer than `most`.
        BrokenError: it stalled.
    """
    since, before = time.monotonic(), done
    while block := response.read1(BLOCK):  # not read, which would block until all bytes are received
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
    """Offset in the file at which a response begins, and the length of the file where declared.

    Raises:
        RefusedError: it is another part than asked for, or no success.
    """
    length = response.length  # of the response; None if chunked
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
    """Follows redirects to web addresses, from https only to https."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Request that follows a redirect, as urllib asks for it.

        Raises:
            RefusedError: it leaves https.
        """
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise RefusedError(f"redirects to {shown(newurl, 100)}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _classified(part: Path, stall: float) -> Iterator[None]:
    """Classify errors of urllib by whether a retry may succeed.

    Raises:
        BrokenError: it may.
        RefusedError: it may not.
    """
    try:
        yield
    except HTTPError as error:
        error.close()
        if error.code == 416:  # range not satisfiable: the part is not of this file
            part.unlink(missing_ok=True)
        reason = shown(error.reason.splitlines()[0], 100) if error.reason else ""
        kind = BrokenError if error.code in PASSING else RefusedError
        raise kind(f"answers {error.code} {reason}".rstrip()) from None
    except URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise BrokenError(f"no answer in {stall:g} s", is_answered=False) from None
        is_final = isinstance(error.reason, socket.gaierror | ssl.SSLCertVerificationError)
        kind = RefusedError if is_final else BrokenError
        raise kind(f"cannot be reached: {_reason(error.reason)}", is_answered=False) from None
    except TimeoutError:
        raise BrokenError(f"stalled: nothing in {stall:g} s") from None
    except (HTTPException, OSError) as error:
        raise BrokenError(f"broke off: {_reason(error)}") from None
    except ValueError as error:  # a malformed address
        raise RefusedError(_reason(error)) from None


def _reason(error: object) -> str:
    """Reason of an error, in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return shown(text.splitlines()[0], 100)


@contextmanager
def _opened(part: Path, mode: Literal["ab", "wb"]) -> Iterator[Callable[[bytes], None]]:
    """Open a file for unbuffered writing, so that errors of the disk cannot pass for errors of the network.

    Raises:
        SaveError: it cannot be opened or written.
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
    """Turn errors of the file system in the cache into a SaveError; see `atomic.saving`."""
    return atomic.saving(path, "mend that, or name another cache by XDG_CACHE_HOME")
