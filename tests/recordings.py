"""Files in the forms of MNIST and of UCI's Spoken Arabic Digit, of the full size, made up here."""

from pathlib import Path

import numpy as np

from mmcli.ingest.fetch.mnist import COUNTS
from mmcli.ingest.fetch.spoken_digits import TEST, TRAIN, Text

NUM_LINES = 997  # different frames


def write_mnist(folder: Path) -> None:
    """The four IDX files; the first 16 pixels of an image are the bits of its index."""
    for stem, counts in COUNTS.items():
        labels = np.random.default_rng(len(stem)).permutation(np.repeat(np.arange(10, dtype=np.uint8), counts))
        pixels = np.zeros((len(labels), 28 * 28), np.uint8)
        pixels[:, :16] = (np.arange(len(labels))[:, None] >> np.arange(16) & 1) * 255
        sizes = np.array([len(labels), 28, 28], ">u4")
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes.tobytes() + pixels.tobytes())
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + sizes[:1].tobytes() + labels.tobytes())


def num_frames(text: Text) -> np.ndarray:
    """Frames of each utterance: about as many of each, the odd ones first, the first of all with 4."""
    rest, longer = divmod(text.num_frames - 4, text.num_utterances - 1)
    return np.array([4] + [rest + 1] * longer + [rest] * (text.num_utterances - 1 - longer))


def frames(text: Text) -> np.ndarray:
    """Which of the different frames each frame is."""
    return np.random.default_rng(text.num_frames).integers(NUM_LINES, size=text.num_frames)


def mfccs() -> np.ndarray:
    """(NUM_LINES, 13), the different frames."""
    return np.random.default_rng(1).normal(size=(NUM_LINES, 13)).round(5)


def text_of(text: Text) -> bytes:
    """The text: a line of blanks before each utterance, none at the end."""
    lines = [(" ".join(f"{value:.5f}" for value in frame) + "\n").encode() for frame in mfccs()]
    order = frames(text)
    parts, done = [], 0
    for count in num_frames(text):
        parts.append(b" " * 12 + b"\n")
        parts.extend(lines[line] for line in order[done : done + count])
        done += count
    return b"".join(parts)


def write_spoken_digits(folder: Path) -> None:
    """The two texts."""
    for text in (TRAIN, TEST):
        (folder / text.name).write_bytes(text_of(text))
