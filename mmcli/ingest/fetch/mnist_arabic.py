"""MNIST's images paired with the recordings of Spoken Arabic Digit: the data of Serket's tutorial.

Row i of each part is the digit i mod 10, spoken in the utterance i div 10 of that digit in UCI's text. The image paired
with it is drawn by the seed, each image at most once, and recorded.
"""

import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from mmcli.data.npz import packed
from mmcli.errors import DataError
from mmcli.ingest.fetch import made_folder
from mmcli.ingest.fetch.download import Fetcher, Patience
from mmcli.ingest.fetch.mnist import Images, Mnist
from mmcli.ingest.fetch.provenance import describe
from mmcli.ingest.fetch.sources import load_mnist, load_spoken_digits
from mmcli.ingest.fetch.spoken_digits import NUM_DIGITS, REPETITIONS, TEST, TRAIN, SpokenDigits, Text, Utterances
from mmcli.ingest.hac import Streams, fit_codebooks, hac_features
from mmcli.util.user_cache import cache_folder
from mmcli.util.version import __version__

Arrays = Mapping[str, NDArray[Any]]

PATIENCE = Patience()


class Recipe(NamedTuple):
    """Number of utterances of each digit, the first of their text: 330 in training and 110 in test are of men."""

    train_each: int
    test_each: int


RECIPES = {"tutorial": Recipe(300, 100), "full": Recipe(TRAIN.num_each, TEST.num_each)}


def make(
    output: Path,
    recipe: str,
    seed: int,
    log: Callable[[str], None],
    *,
    mnist_dir: Path | None,
    arabic_dir: Path | None,
    force: bool,
) -> None:
    """Write train.npz, test.npz, codebooks.npz and their provenance, unless they exist already.

    Args:
        output: the folder.
        recipe: one of RECIPES.
        seed: of the pairing and of the codebooks.
        log: callback for progress lines.
        mnist_dir: MNIST's files on disk, which may hold fewer images; None downloads them.
        arabic_dir: UCI's texts or their zip on disk; None downloads it.
        force: set aside what was made at `output` in another way.

    Raises:
        UsageError: there is something else at `output`, or it cannot be written.
        DataError: a source cannot be had, or is not what it should be.
        SaveError: the cache cannot be written.
    """
    facts: dict[str, Any] = {"data": "mnist-arabic", "recipe": recipe, "seed": seed}
    is_there = made_folder.is_made(output, facts, force=force)
    if is_there and mnist_dir is None and arabic_dir is None:
        log(_THERE)
        return
    if not is_there:
        made_folder.require_writable(output)
    fetcher = Fetcher(cache_folder(), log, PATIENCE)
    if mnist_dir is not None or arabic_dir is None:  # files on disk first: a mistake there costs no download
        mnist = _enough(load_mnist(mnist_dir, fetcher), recipe, log)
        spoken = load_spoken_digits(arabic_dir, fetcher)
    else:
        spoken, mnist = load_spoken_digits(arabic_dir, fetcher), load_mnist(mnist_dir, fetcher)
    # Digests of the numbers: the same data can be packed in several ways.
    digests = {"mnist": _digest(array for part in mnist for array in part)}
    digests["spoken_arabic_digit"] = _digest(utterance for part in (spoken.train, spoken.test) for utterance in part)
    facts["sources"] = digests
    if is_there and made_folder.is_made(output, facts, force=force):
        log(_THERE)
        return
    contents = _contents(spoken, mnist, RECIPES[recipe], seed, log)
    more = {"zip": spoken.zip_digest, "made_with": _versions()}
    made_folder.write(output, {**contents, "README.md": describe(recipe, seed).encode()}, facts | more)


def _enough(mnist: Mnist, recipe: str, log: Callable[[str], None]) -> Mnist:
    """Check that there are as many images of each digit as a recipe needs.

    Raises:
        DataError: there are fewer.
    """
    for name, images, num_each in zip(("train", "t10k"), mnist, RECIPES[recipe], strict=True):
        counts = np.bincount(images.labels, minlength=NUM_DIGITS)
        digit = int(counts.argmin())
        if counts[digit] < num_each:
            raise DataError(
                f"{name}: {counts[digit]} images of the digit {digit}, where the recipe {recipe} takes {num_each} of "
                "each; bring more images of MNIST, or leave out --mnist-dir"
            )
    for line in mnist.shortage():
        log(line)
    return mnist


_THERE = "made already, and intact"


def _contents(
    spoken: SpokenDigits, mnist: Mnist, recipe: Recipe, seed: int, log: Callable[[str], None]
) -> dict[str, bytes]:
    """Files of arrays, by name.

    Raises:
        DataError: a source is not as expected.
    """
    train, test = pick_utterances(TRAIN, recipe.train_each), pick_utterances(TEST, recipe.test_each)
    train_mfccs, test_mfccs = [spoken.train[index] for index in train], [spoken.test[index] for index in test]
    log(f"fitting codebooks to {sum(map(len, train_mfccs)):,} frames of {len(train):,} training utterances")
    codebooks = fit_codebooks(train_mfccs, seed=seed)
    parts = {
        "codebooks.npz": codebooks._asdict(),
        "train.npz": make_part(TRAIN, train, train_mfccs, mnist.train, codebooks, seed),
        "test.npz": make_part(TEST, test, test_mfccs, mnist.test, codebooks, seed),
    }
    log(f"{len(train):,} training pairs, {len(test):,} held out, by other speakers and of other images")
    return {name: packed(arrays) for name, arrays in parts.items()}


def pick_utterances(text: Text, num_each: int) -> NDArray[np.int64]:
    """Indices in a text of the first utterances of each digit, the digits in turn: (10 num_each,)."""
    return (np.arange(num_each)[:, None] + text.num_each * np.arange(NUM_DIGITS)).ravel()


def pick_images(labels: NDArray[np.uint8], num_each: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of distinct images among the labels, drawn at random, the digits in turn: (10 num_each,).

    A smaller number yields the first of a larger one: the pairs of the tutorial are among those of the full recipe.
    """
    shuffled = [rng.permutation(np.flatnonzero(labels == digit))[:num_each] for digit in range(NUM_DIGITS)]
    return np.stack(shuffled, axis=1).ravel()


def make_part(
    text: Text, picked: NDArray[np.int64], mfccs: Utterances, images: Images, codebooks: Streams, seed: int
) -> Arrays:
    """Arrays of one part, N pairs.

    Returns:
        images (N, 784) float32, 0 to 1; speech (N, 2400) uint8, counts: an utterance has at most 91 pairs of frames at
        a lag; labels (N,) int64; speakers (N,) int64, 0 to 65 in training and 66 to 87 in test; utterance_indices and
        image_indices (N,) int64, from 0, in the texts and in MNIST's files.
    """
    num_each = len(picked) // NUM_DIGITS
    first_speaker = 0 if text is TRAIN else TRAIN.num_each // REPETITIONS
    drawn = pick_images(images.labels, num_each, np.random.default_rng([seed, int(text is TEST)]))
    return {
        "images": images.pixels[drawn].reshape(len(drawn), -1) / np.float32(255),
        "speech": hac_features(mfccs, codebooks).astype(np.uint8),
        "labels": images.labels[drawn].astype(np.int64),
        "speakers": first_speaker + picked % text.num_each // REPETITIONS,
        "utterance_indices": picked,
        "image_indices": drawn,
    }


def _digest(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 of the numbers of arrays, in hex."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    """Versions of the packages that the arrays depend on."""
    return {
        "mmcli": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
