"""Leave each speaker out in turn, and print how well others' speech prepares for that speaker, by normalisation.

Recordings are named LABEL_SPEAKER_NUMBER, as in the Free Spoken Digit Dataset. A linear classifier of the square roots
of each row's shares sees the labels; with --images and --config the graph is trained too, which sees none.
"""

import argparse
import json
import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from training import mmcli

from mmcli.ingest.hac_settings import NORMALIZATIONS


def write_list(file: Path, recordings: Iterable[Path]) -> Path:
    """List of path,label,speaker."""
    lines = [",".join([str(path.resolve()), *path.stem.split("_")[:2]]) for path in recordings]
    file.write_text("\n".join(["path,label,speaker", *lines]))
    return file


def read_speech(file: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Square roots of each row's shares (N, V), and labels (N,)."""
    with np.load(file) as arrays:
        counts = arrays["speech"].astype(np.float64)
        return np.sqrt(counts / counts.sum(axis=1, keepdims=True)), arrays["labels"]


def split_images(images: Path, share: float, folder: Path) -> tuple[Path, Path]:
    """Split images and labels of a file at random into training and held-out ones, a share of each label."""
    rng = np.random.default_rng(0)
    with np.load(images) as arrays:
        pixels, labels = arrays["images"], arrays["labels"]
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held_out[rng.choice(members, round(share * len(members)), replace=False)] = True
    paths = folder / "train_images.npz", folder / "test_images.npz"
    for path, rows in zip(paths, (~held_out, held_out), strict=True):
        scaled = pixels[rows] / np.float32(255) if pixels.dtype == np.uint8 else pixels[rows]
        np.savez(path, images=scaled, labels=labels[rows])
    return paths


def train_graph(arguments: argparse.Namespace, folder: Path, share: float) -> dict[str, float]:
    """ACC on the training pairs, and on those of the speaker left out, by both senses and by speech alone."""
    parts = split_images(arguments.images, share, folder)
    overrides = list(arguments.set)
    for section, part, images in zip(("data", "test"), ("train", "test"), parts, strict=True):
        pairs = folder / f"{part}.npz"
        mmcli("data", "pair", str(images), str(folder / f"{part}_speech.npz"), "-o", str(pairs))
        for name in ("images", "speech", "digits"):
            key = "labels" if name == "digits" else name
            overrides.append(f"{section}.{name}={{file: {pairs.resolve()}, key: {key}}}")
    run = folder / "run"
    options = [word for override in overrides for word in ("--set", override)]
    mmcli("train", str(arguments.config), "--threads", "1", "-o", str(run), "--force", *options)
    asked = {
        "graph, learned": (),
        "graph, left out": ("--test", "-o", str(folder / "both")),
        "graph, left out, speech alone": ("--test", "--without", "images", "-o", str(folder / "speech")),
    }
    return {
        name: json.loads(mmcli("evaluate", str(run), *how, "--json"))["modules"]["mlda"]["acc"]
        for name, how in asked.items()
    }


def measure(arguments: argparse.Namespace, recordings: list[Path], speaker: str, folder: Path) -> dict[str, float]:
    """All figures of a speaker left out."""
    own = [path for path in recordings if path.stem.split("_")[1] == speaker]
    others = [path for path in recordings if path not in set(own)]
    folder.mkdir(parents=True, exist_ok=True)
    train, test = folder / "train_speech.npz", folder / "test_speech.npz"
    settings = ("--normalize", folder.parent.name, "--trim", str(arguments.trim))
    mmcli("data", "hac", str(write_list(folder / "train.csv", others)), "-o", str(train), *settings)
    mmcli("data", "hac", str(write_list(folder / "test.csv", own)), "-o", str(test), "--codebooks", str(train))
    (rows, labels), (asked, truth) = read_speech(train), read_speech(test)
    classifier = LogisticRegression(C=10, max_iter=200).fit(rows, labels)
    figures = {"linear classifier": float(np.mean(classifier.predict(asked) == truth))}
    if arguments.config is not None:
        figures |= train_graph(arguments, folder, len(own) / len(recordings))
    return figures


def main() -> None:
    """Measure each normalisation and speaker, and print a line each and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path, help="folder of LABEL_SPEAKER_NUMBER.wav, at any depth")
    parser.add_argument("--normalize", nargs="+", choices=NORMALIZATIONS, default=["none", "recording", "speaker"])
    parser.add_argument("--trim", type=int, default=0, help="dB, as of mmcli data hac (default: %(default)s)")
    parser.add_argument("--speakers", nargs="+", help="those left out in turn (default: all)")
    parser.add_argument("--images", type=Path, help="images and labels to pair the recordings with, an .npz")
    parser.add_argument("--config", type=Path, help="graph to train, with data images, speech and digits")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of mmcli train")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/speakers"), help="default: %(default)s")
    arguments = parser.parse_args()
    if (arguments.config is None) != (arguments.images is None):
        parser.error("--config and --images go together")
    recordings = sorted(arguments.recordings.rglob("*_*_*.wav"))
    if not recordings:
        parser.error(f"{arguments.recordings}: holds no LABEL_SPEAKER_NUMBER.wav")
    speakers = arguments.speakers or sorted({path.stem.split("_")[1] for path in recordings})
    for normalize in arguments.normalize:
        every = []
        for speaker in speakers:
            every.append(measure(arguments, recordings, speaker, arguments.output / normalize / speaker))
            print(
                normalize, speaker, *(f"{name} {value:.3f}" for name, value in every[-1].items()), sep="  ", flush=True
            )
        for name in every[0]:
            values = [of_speaker[name] for of_speaker in every]
            spread = f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
            print(f"{normalize}  {name}: {spread} over {len(values)} speakers")


if __name__ == "__main__":
    main()
