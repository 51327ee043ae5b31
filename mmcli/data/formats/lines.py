"""Lines of a text, plain or gzip, in blocks, so that a long text is never held whole."""

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase, IncrementalNewlineDecoder
from pathlib import Path
from typing import NamedTuple

from mmcli.data.formats.heading import content
from mmcli.data.formats.opening import GZIP_MAGIC, SUSPECT_BYTES, opened, refuse_bomb, unpacked
from mmcli.errors import DataError

_BLOCK = 1 << 20  # bytes; strings of one number each take fifty times the space
_GUNZIP = "gunzip it first"
_LONGEST = 16 << 20  # characters of a line


class Lines(NamedTuple):
    """Block of lines of a text, without line ends."""

    first: int  # number of the first line, from 1
    lines: Sequence[str]
    num_bytes: int  # of the file, read so far


@contextmanager
def blocks(file: Path) -> Iterator[Iterator[Lines]]:
    """Open a text and read its lines in blocks.

    Raises:
        DataError: it cannot be read, is damaged, or has a line that is too long.
    """
    with opened(file) as stream:
        is_gzip = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        stream.seek(0)
        if not is_gzip:
            yield _read_blocks(stream, stream, is_gzip=False)
            return
        with unpacked(stream) as inside:  # before any line is parsed, which takes seconds for so many
            while inside.read(_BLOCK) and inside.tell() <= SUSPECT_BYTES + _BLOCK:
                refuse_bomb(inside.tell(), stream.tell(), _GUNZIP)
        stream.seek(0)
        with unpacked(stream) as inside:
            yield _read_blocks(inside, stream, is_gzip=True)


def _read_blocks(stream: BufferedIOBase, raw: BufferedIOBase, *, is_gzip: bool) -> Iterator[Lines]:
    """Read the lines of a stream, with any line ends; `raw` is the file under it.

    Raises:
        DataError: a line is too long, or the file unpacks to a bomb.
    """
    decoder = IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    number, num_read, rest, is_last = 1, 0, "", False
    while not is_last:
        content = stream.read(_BLOCK)
        num_read, is_last = num_read + len(content), not content
        if is_gzip:
            refuse_bomb(num_read, raw.tell(), _GUNZIP)
        text = rest + decoder.decode(content, final=is_last)
        if text.isspace():  # splitting millions of blank lines takes long
            number, rest = number + text.count("\n"), ""
            continue
        *lines, rest = text.split("\n")
        if len(rest) > _LONGEST:
            raise DataError(f"longer than {_LONGEST >> 20} MB; an item is a line", line=number + len(lines))
        yield Lines(number, [*lines, rest] if is_last else lines, raw.tell())
        number += len(lines)


def contents(file: Path) -> Iterator[tuple[int, str]]:
    """Read the lines that have content, with their numbers.

    Raises:
        DataError: as in `blocks`.
    """
    with blocks(file) as text:
        for block in text:
            for number, line in enumerate(block.lines, block.first):
                if content(line):
                    yield number, line
