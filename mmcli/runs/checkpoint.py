"""A checkpoint as bytes: named arrays and the record of a run, in the safetensors format, under one SHA-256.

The last tensor, `sha256`, is the digest of all bytes before it, so that any change or cut is found before anything is
read. Arrays are read by the description of their bytes; nothing is unpickled or executed.

Source of the format: https://huggingface.co/docs/safetensors, "Format".
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

VERSION = 4
# Before the search over the graph, and in version 2 with S0 of a GMM in the units of the data: they are read for their
# config, and no run resumes from them.
READABLE = (2, 3, 4)
DIGEST_SIZE = hashlib.sha256().digest_size
ALIGNMENT = 8  # bytes; arrays begin at multiples of it

_TYPES = {
    "BOOL": np.dtype("|b1"),
    **{f"{kind.upper()}{8 * size}": np.dtype(f"<{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


class Checkpoint(NamedTuple):
    """State of a run that, with its data, determines the rest of it; and the record of its directory.

    Attributes:
        updates: done, over all rounds and modules.
        iterations: done of the next update.
        arrays: states, messages and the update under way, by name.
        config: of the run, as plain values.
        facts: of meta.json.
        history: of history.jsonl.
        files: SHA-256 in hex of each file of results, by its path in the run directory.
        version: of the format and of what modules make of it.
    """

    updates: int
    iterations: int
    arrays: Mapping[str, np.ndarray]
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    history: list[Mapping[str, Any]]
    files: Mapping[str, str]
    version: int = VERSION


def pack(checkpoint: Checkpoint) -> bytes:
    """Serialize a checkpoint; equal ones give equal bytes."""
    structure = checkpoint._asdict()
    del structure["arrays"]
    entries: dict[str, Any] = {"__metadata__": {"checkpoint": json.dumps(structure, allow_nan=False)}}
    pieces, offset = [], 0
    for name, array in sorted(checkpoint.arrays.items()):
        stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        entries[name] = _entry(_NAMES[stored.dtype], stored.shape, offset, stored.nbytes)
        pieces.append(stored.tobytes())
        offset += stored.nbytes
    entries["sha256"] = _entry("U8", (DIGEST_SIZE,), offset, DIGEST_SIZE)
    header = json.dumps(entries, allow_nan=False).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    content = b"".join([len(header).to_bytes(8, "little"), header, *pieces])
    return content + hashlib.sha256(content).digest()


def unpack(content: bytes) -> Checkpoint:
    """Parse the bytes of `pack`.

    Raises:
        ValueError: the bytes have changed, or are no checkpoint of a readable version.
    """
    body, digest = content[:-DIGEST_SIZE], content[-DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("its SHA-256 differs from the recorded one")
    start = 8 + int.from_bytes(body[:8], "little")
    data = body[start:]
    try:
        entries = json.loads(body[8:start])
        structure = json.loads(entries.pop("__metadata__")["checkpoint"])
        del entries["sha256"]
        arrays = {name: _array(entry, data) for name, entry in entries.items()}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not a checkpoint ({type(error).__name__}: {error})") from None
    match structure:
        case {
            "version": int(version),
            "updates": int(updates),
            "iterations": int(iterations),
            "config": dict(config),
            "facts": dict(facts),
            "history": list(history),
            "files": dict(files),
        } if version in READABLE and updates >= 0 and iterations >= 0:
            if all(isinstance(line, dict) for line in history):
                return Checkpoint(updates, iterations, arrays, config, facts, history, files, version)
    raise ValueError(f"not a checkpoint of version {VERSION}")


def _entry(dtype: str, shape: tuple[int, ...], offset: int, size: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}


def _array(entry: Any, data: bytes) -> np.ndarray:
    """One array, after its entry is checked against the bytes there are."""
    dtype, shape, (first, last) = _TYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
    if not all(type(size) is int and 0 <= size <= len(data) for size in (*shape, first, last)):
        raise ValueError("sizes that the file has no room for")
    if last - first != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array whose size is not that of its shape")
    return np.frombuffer(data[first:last], dtype).reshape(shape)
