"""Cache of slow-to-read tables as .npz, by the SHA-256 of their files, in $XDG_CACHE_HOME/mmcli.

It can be deleted at any time. A damaged copy is not used; a copy that cannot be written is skipped.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mmcli.data.formats.npz import member_names, read_member
from mmcli.data.formats.opening import digest, opened
from mmcli.data.formats.text import Table
from mmcli.errors import DataError, SaveError
from mmcli.util import atomic
from mmcli.util.user_cache import cache_folder

WORTH = 4 << 20  # bytes; smaller files are not cached
# Incremented when the same file is read as another array than before.
_FOLDER = "text-2"
_ARRAY, _NAMES = "array", "names"


def kept(file: Path, read: Callable[[Path], Table], reading: str = "") -> Table:
    """Table that `read` makes of a file, from the cache where possible.

    Args:
        file: a text.
        read: parses it.
        reading: options of `read`; one file may be read in several ways.

    Raises:
        DataError: as in `read`.
    """
    folder = cache_folder()
    if folder is None or file.stat().st_size < WORTH:
        return read(file)
    name = digest(file)
    copy = folder / _FOLDER / f"{name}{reading}.npz"
    with suppress(DataError), opened(copy) as stream:  # the archive's checksum is compared as it is read
        names = read_member(stream, _NAMES, "U").tolist() if _NAMES in member_names(stream) else None
        return Table(read_member(stream, _ARRAY), None if names is None else tuple(names))
    table = read(file)
    if digest(file) == name:  # unchanged meanwhile
        with suppress(OSError, SaveError):
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic.sweep(copy.parent)
            archive = io.BytesIO()
            named = {} if table.names is None else {_NAMES: np.array(table.names)}
            np.savez(archive, allow_pickle=False, **{_ARRAY: table.array}, **named)
            atomic.replace(copy, archive.getbuffer())
    return table
