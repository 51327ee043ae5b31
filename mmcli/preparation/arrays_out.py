"""Arrays as one .npz, and which of them are not of the items."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import UsageError
from mmcli.store import write_file
from mmcli.wording import shown

PAIR_ROWS = "pair_rows"  # (N, files) the row that each item of a pair had in its file

# What describes all items of a file at once, even if it is by chance as long as there are items.
_WHOLE = re.compile("(?:.*_)?(?:hac_.*|label_names|image_shape)")


def is_whole(name: str) -> bool:
    """Whether an array that mmcli wrote is of the whole file: settings, codebooks, names of labels."""
    return _WHOLE.fullmatch(name) is not None


def check_output(output: Path) -> None:
    """Refuse, before any work, a place that no .npz can be written to.

    Raises:
        UsageError: the name or the folder is at fault.
    """
    if output.suffix != ".npz":
        raise UsageError(f"{shown(str(output))}: arrays go to an .npz; name it so")
    if not output.parent.is_dir():
        raise UsageError(f"{shown(str(output))}: there is no folder {shown(str(output.parent))}; make it first")
    if output.is_dir():
        raise UsageError(f"{shown(str(output))}: is a folder; name a file")


def write_arrays(output: Path, arrays: Mapping[str, Any]) -> None:
    """Write an .npz, whole or not at all; the same arrays give the same bytes.

    Raises:
        UsageError: it cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_file(output, buffer.getvalue())
