"""Writing arrays to an .npz named by the user."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import UsageError
from mmcli.util.atomic import write_named
from mmcli.util.text import shown


def check_output(output: Path) -> None:
    """Refuse, before any work, a path to which no .npz can be written.

    Raises:
        UsageError: the name or the folder is at fault.
    """
    if output.suffix != ".npz":
        raise UsageError(f"{shown(str(output))}: arrays go to an .npz; name it so")
    if not output.parent.is_dir():
        raise UsageError(f"{shown(str(output))}: there is no folder {shown(str(output.parent))}; make it first")
    if output.is_dir():
        raise UsageError(f"{shown(str(output))}: is a folder; name a file")


def packed(arrays: Mapping[str, Any]) -> bytes:
    """Bytes of a compressed .npz; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write_arrays(output: Path, arrays: Mapping[str, Any]) -> None:
    """Write an .npz atomically.

    Raises:
        UsageError: it cannot be written.
    """
    write_named(output, packed(arrays))
