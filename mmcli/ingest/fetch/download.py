"""Downloads with a cache: a file comes from the cache if intact, else from the first mirror that has it."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from mmcli.data.formats.opening import opened
from mmcli.errors import DataError, SaveError
from mmcli.ingest.fetch.transfer import RefusedError, Resource, TransferError, saving, transfer
from mmcli.ingest.places import kind_at
from mmcli.util.locks import locked
from mmcli.util.text import shown

_Content = TypeVar("_Content")


class Patience(NamedTuple):
    """Waiting times, in seconds.

    Attributes:
        stall: for the next bytes of a transfer.
        pauses: before each round over the mirrors.
    """

    stall: float = 30.0
    pauses: tuple[float, ...] = (0.0, 1.0, 4.0)


class Fetcher(NamedTuple):
    """Settings of all downloads: the cache folder, a callback for log lines, and waiting times."""

    cache: Path | None
    log: Callable[[str], None]
    patience: Patience

    def fetch(self, resource: Resource, read: Callable[[Path], _Content], offline_way: str) -> _Content:
        """Contents of a file from the web, downloaded unless the cache has it.

        Args:
            resource: the file.
            read: returns its contents, and raises DataError if it is not the right file.
            offline_way: remedy where there is no network, for the error.

        Raises:
            DataError: no mirror has the file; each with its reason, and the remedy.
            SaveError: the cache cannot be written.
            UsageError: another process writes to it.
        """
        if self.cache is None:
            raise SaveError("there is no home folder to keep downloads in; name a folder by XDG_CACHE_HOME")
        whole = self.cache / resource.name
        if kind_at(whole) is not None:
            try:
                return _checked(whole, resource, read)
            except DataError as error:
                self.log(f"{shown(str(whole))} is damaged, and is downloaded again: {error}")
        with saving(self.cache):
            self.cache.mkdir(parents=True, exist_ok=True)
        if not os.access(self.cache, os.W_OK):
            raise SaveError(f"{shown(str(self.cache))}: cannot be written; name another cache by XDG_CACHE_HOME")
        with locked(self.cache / "lock"):
            return self._download(resource, whole, read, offline_way)

    def _download(
        self, resource: Resource, whole: Path, read: Callable[[Path], _Content], offline_way: str
    ) -> _Content:
        """Try the mirrors in rounds, each resuming where the last one broke off; one that refused is not tried again.

        Raises:
            DataError: no mirror has the file.
            SaveError: the cache cannot be written.
        """
        part = whole.with_name(f"{whole.name}.part")
        reasons: dict[str, str] = {}
        mirrors = list(resource.urls)
        for pause in self.patience.pauses:
            time.sleep(pause if mirrors else 0)
            for url in tuple(mirrors):
                try:
                    transfer(url, resource, part, self.patience.stall, self.log)
                    content = _checked(part, resource, read)
                except TransferError as error:
                    reasons[url], is_logged = str(error), error.is_answered
                    if isinstance(error, RefusedError):
                        mirrors.remove(url)
                except DataError as error:
                    reasons[url], is_logged = f"sent other bytes: {error}", True
                    with saving(part):
                        part.unlink()
                else:
                    with saving(whole):
                        part.replace(whole)
                    return content
                if is_logged:  # without a network, the error alone reports it
                    self.log(f"{url}: {reasons[url]}")
        every = ", ".join(f"{url} ({reason})" for url, reason in reasons.items())
        kept = f"; {shown(str(part))} keeps the bytes received so far" if part.exists() else ""
        raise DataError(f"{resource.name}: cannot be downloaded from {every}{kept}; {offline_way}")


def _checked(path: Path, resource: Resource, read: Callable[[Path], _Content]) -> _Content:
    """Contents of a file whose size and checksum are right.

    Raises:
        DataError: they are not, or it is another file.
    """
    with opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if resource.size is not None and size != resource.size:
            raise DataError(f"{size:,} bytes where {resource.size:,} are expected")
        if resource.md5 is not None:
            digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if digest != resource.md5:
                raise DataError(f"MD5 {digest} where {resource.md5} is expected")
    return read(path)
