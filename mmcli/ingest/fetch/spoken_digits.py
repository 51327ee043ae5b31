"""Spoken Arabic Digit of UCI (doi 10.24432/C52C9Q): text of MFCCs -> utterances.

Hammami and Sellam (2009), Tree distribution classifier for automatic spoken Arabic digit recognition, ICITST.
"""

import hashlib
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats.opening import opened
from mmcli.errors import DataError
from mmcli.ingest.places import kind_at
from mmcli.util.text import shown

ARCHIVE = "spoken+arabic+digit.zip"
PAGE = "archive.ics.uci.edu/dataset/195"
NUM_COEFFICIENTS = 13
MIN_FRAMES, MAX_FRAMES = 4, 93  # of an utterance
NUM_DIGITS = 10
REPETITIONS = 10  # of a digit by a speaker, one after another
MAX_TEXT_BYTES = 64 << 20  # about twice the size of the larger
MAX_LINE_BYTES = 1000

Utterances = list[NDArray[np.float64]]


class Text(NamedTuple):
    """One of the two texts and its known contents: the digits 0 to 9 one after another, as many of each."""

    name: str
    num_utterances: int
    num_frames: int

    @property
    def num_each(self) -> int:
        """Number of utterances of each digit."""
        return self.num_utterances // NUM_DIGITS


TRAIN = Text("Train_Arabic_Digit.txt", 6600, 263_256)
TEST = Text("Test_Arabic_Digit.txt", 2200, 87_063)


class SpokenDigits(NamedTuple):
    """Utterances in the order of the texts, each (T, 13) float64, T its own number of frames.

    With the SHA-256 of the zip, in hex, where they were in one.
    """

    train: Utterances
    test: Utterances
    zip_digest: str | None = None


def find_texts(place: Path) -> tuple[Path, ...]:
    """Find the files that hold both texts: the two, or their zip.

    Args:
        place: a folder that holds them, or the zip.

    Raises:
        DataError: they do not exist.
    """
    if (kind := kind_at(place)) is None:
        raise DataError(f"{shown(str(place))}: no such file or folder")
    if kind != "folder":
        return (place,)
    texts = (place / TRAIN.name, place / TEST.name)
    lacking = [text.name for text in texts if kind_at(text) is None]
    if not lacking:
        return texts
    if kind_at(place / ARCHIVE) is not None:
        return (place / ARCHIVE,)
    raise DataError(f"{shown(str(place))}: no {' and no '.join(lacking)}, and no {ARCHIVE}; get it from {PAGE}")


def read_spoken_digits(place: Path) -> SpokenDigits:
    """Read both texts, from where `find_texts` finds them.

    Raises:
        DataError: one is missing, unreadable, or not what UCI publishes; file:line where a line is at fault.
    """
    paths = find_texts(place)
    if len(paths) == 1:
        with _naming(str(paths[0])), opened(paths[0]) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            with zipfile.ZipFile(stream) as archive:
                train, test = (_read_member(archive, text) for text in (TRAIN, TEST))
            return SpokenDigits(train, test, digest)
    return SpokenDigits(_read_file(paths[0], TRAIN), _read_file(paths[1], TEST))


def read_utterances(stream: IO[bytes]) -> Iterator[NDArray[np.float64]]:
    """Read utterances from text: a frame a line, and lines of blanks before, between and after utterances.

    Raises:
        DataError: a line is no frame, or an utterance is shorter or longer than UCI's; without the name of the file.
    """
    frames: list[list[float]] = []
    number = 0
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), 1):
        if words := line.split():
            frames.append(_frame(words, number))
        elif frames:
            yield _utterance(frames, number - len(frames))
            frames = []
    if frames:
        yield _utterance(frames, number - len(frames) + 1)


def _frame(words: list[bytes], line: int) -> list[float]:
    """Numbers of a frame.

    Raises:
        DataError: they are not 13 finite numbers; with the line.
    """
    frame = []
    for word in words:
        try:
            frame.append(float(word))
        except ValueError:
            frame.append(math.nan)
        if not math.isfinite(frame[-1]) or b"_" in word:  # Python reads 1_0 as 10
            raise DataError(f"{shown(repr(word.decode('latin-1')), 40)} is no finite number; {_MEND}", line)
    if len(frame) != NUM_COEFFICIENTS:
        numbers = f"{len(frame)} number{'s' * (len(frame) != 1)}"
        raise DataError(f"{numbers}, but a frame has {NUM_COEFFICIENTS} MFCCs; {_MEND}", line)
    return frame


_MEND = "mend the line, or get the file again"


def _utterance(frames: list[list[float]], first_line: int) -> NDArray[np.float64]:
    """Utterance (T, 13) of its frames.

    Raises:
        DataError: it is shorter or longer than UCI's; with the line.
    """
    if not MIN_FRAMES <= len(frames) <= MAX_FRAMES:
        text = f"an utterance of {len(frames)} frame{'s' * (len(frames) != 1)} begins here"
        raise DataError(f"{text}; UCI's have {MIN_FRAMES} to {MAX_FRAMES}; get the file again", first_line)
    return np.array(frames)


def _read_file(path: Path, text: Text) -> Utterances:
    """Utterances of a text on disk."""
    with _naming(str(path)), opened(path) as stream:
        return _read_text(stream, os.fstat(stream.fileno()).st_size, text)


def _read_member(archive: zipfile.ZipFile, text: Text) -> Utterances:
    """Utterances of a text in the zip, in any folder of it; no other member is touched, and nothing is extracted.

    Raises:
        DataError: there is none, or more than one.
    """
    found = [info for info in archive.infolist() if PurePosixPath(info.filename).name == text.name]
    if len(found) != 1:
        raise DataError(f"holds {len(found) or 'no'} {text.name}; get it from {PAGE}")
    with _naming(text.name), archive.open(found[0].filename) as stream:
        return _read_text(stream, found[0].file_size, text)


def _read_text(stream: IO[bytes], num_bytes: int, text: Text) -> Utterances:
    """Read the utterances of one of the texts.

    Raises:
        DataError: there are more or fewer than UCI's.
    """
    if num_bytes > MAX_TEXT_BYTES:
        raise DataError(f"{num_bytes / 1e6:.0f} MB; UCI's has less than {MAX_TEXT_BYTES / 1e6:.0f}; get it again")
    utterances = list(islice(read_utterances(stream), text.num_utterances + 1))  # one too many is enough to refuse it
    num_frames = sum(map(len, utterances))
    if (len(utterances), num_frames) != (text.num_utterances, text.num_frames):
        known = f"UCI's has {text.num_utterances:,} and {text.num_frames:,}"
        more = " or more" * (len(utterances) > text.num_utterances)
        raise DataError(f"{len(utterances):,} utterances, {num_frames:,} frames{more}; {known}; get it again")
    return utterances


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Prefix errors with the name of a file.

    Raises:
        DataError: the block raised one.
    """
    try:
        yield
    except DataError as error:
        raise DataError(error.of(shown(name))) from None
