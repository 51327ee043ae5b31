"""Number of bytes of samples declared by the header of a sound, which libsndfile does not check."""

import struct
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

# Writers to a pipe leave 0, -1, or (SoX) nearly 2^31 as placeholders. A sound that long is refused anyway.
_LEAST_UNKNOWN = 0x7FFFF000


class Shortfall(NamedTuple):
    """Bytes of samples that a header declares, and that are present."""

    promised: int
    present: int


def shortfall(path: Path) -> Shortfall | None:
    """Bytes missing at the end of a WAV, AIFF, AU or CAF; None where none are, or that cannot be known.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        try:
            promised = _promised(stream)
        except struct.error:  # it ends within its header, which libsndfile reports
            return None
        present = size - stream.tell()
    return Shortfall(promised, present) if promised is not None and promised > present else None


def _promised(stream: BufferedReader) -> int | None:
    """Bytes of samples by the header, leaving the stream at the first; None where it does not declare them."""
    match stream.read(4):
        case b"RIFF" | b"RF64":
            stream.seek(12)
            return _chunk(stream, "<4sI", b"data")
        case b"RIFX":
            stream.seek(12)
            return _chunk(stream, ">4sI", b"data")
        case b"FORM":
            stream.seek(12)
            return _chunk(stream, ">4sI", b"SSND")
        case b"caff":
            stream.seek(8)
            return _chunk(stream, ">4sQ", b"data")
        case b".snd":
            start, size = struct.unpack(">II", stream.read(8))
            stream.seek(start)
            return _known(size)
    return None


def _known(size: int) -> int | None:
    """Size, or None where a header's placeholder stands for it."""
    return size if 0 < size < _LEAST_UNKNOWN else None


def _chunk(stream: BufferedReader, form: str, wanted: bytes) -> int | None:
    """Size of the chunk of samples, leaving the stream at its beginning; None where there is none."""
    long_size = None
    while True:
        name, size = struct.unpack(form, stream.read(struct.calcsize(form)))
        if name == wanted:
            return _known(size if long_size is None else long_size)
        begin = stream.tell()
        if name == b"ds64":  # of RF64: the sizes of the file and of the samples in 64 bits
            _, long_size = struct.unpack("<QQ", stream.read(16))
        stream.seek(begin + size + (size & 1 if form[-1] == "I" else 0))
