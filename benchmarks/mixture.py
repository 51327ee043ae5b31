"""Planted classes of mixed kinds found by the mixture, beside the true parameters.

    python benchmarks/mixture.py                  # ARI and number of classes over seeds 1000 to 1009
    python benchmarks/mixture.py --write FOLDER   # train.npz, 1,000 items of seed 0, and test.npz, 500 more

1,000 items of 6 places. Position: Gaussian, 2 columns, a covariance a place. Image: 40 counts of 30 features, phi from
Dirichlet(0.5). Words: one of 8 as a row of zeros and a one, phi from Dirichlet(0.5). Shares of the places from
Dirichlet(5). A fifth of the items lacks each input, no item all.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from spread import show_spread
from suite import parse_seeds

import mmcli

NUM_ITEMS, PLACES, MOST = 1000, 6, 20
FEATURES, FEATURE_COUNT, VOCABULARY = 30, 40, 8
MISSING = 0.2
MODULES: dict[str, dict[str, Any]] = {
    "position": {"type": "observation", "data": "position", "kind": "points"},
    "image": {"type": "observation", "data": "image", "kind": "counts"},
    "word": {"type": "observation", "data": "words", "kind": "counts"},
}
KNOWN = {"position": "has_position", "image": "has_image", "words": "has_words"}


class Planted(NamedTuple):
    """Items of known classes, and the evidence on these by the true parameters."""

    arrays: dict[str, np.ndarray]  # position (N, 2), image (N, 30), words (N, 8), places (N,), and masks (N,)
    log_joint: np.ndarray  # (N, K) log p(known inputs of the item, class), up to a constant of the item


def planted(seed: int, num_items: int = NUM_ITEMS) -> Planted:
    """Items of places that no input distinguishes alone."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(PLACES, 5.0))
    places = rng.choice(PLACES, num_items, p=shares)
    means = 2.0 * rng.normal(size=(PLACES, 2))
    covariances = stats.wishart(6, np.eye(2) / 6).rvs(PLACES, random_state=rng)
    phis = [rng.dirichlet(np.full(width, 0.5), PLACES) for width in (FEATURES, VOCABULARY)]
    position = np.stack([rng.multivariate_normal(means[place], covariances[place]) for place in places])
    image, words = (
        np.stack([rng.multinomial(count, phi[place]) for place in places])
        for count, phi in zip((FEATURE_COUNT, 1), phis, strict=True)
    )
    known = rng.random((num_items, 3)) >= MISSING
    known[~known.any(axis=1)] = True
    density = np.stack(
        [stats.multivariate_normal(*each).logpdf(position) for each in zip(means, covariances, strict=True)], axis=1
    )
    evidence = [density, *(counts @ np.log(phi).T for counts, phi in zip((image, words), phis, strict=True))]
    log_joint = np.log(shares) + sum(there[:, None] * each for there, each in zip(known.T, evidence, strict=True))
    arrays = {"position": position, "image": image, "words": words, "places": places}
    return Planted(arrays | dict(zip(KNOWN.values(), known.astype(int).T, strict=True)), log_joint)


def found_classes(data: Planted, seed: int, num_classes: int | dict[str, int]) -> np.ndarray:
    """Class of each item, (N,)."""
    mixture = {"type": "mixture", "inputs": [*MODULES], "num_classes": num_classes, "labels": "places"}
    sources = {name: {"known": mask} for name, mask in KNOWN.items()}
    config = {"seed": seed, "rounds": 1, "data": sources, "modules": MODULES | {"mixture": mixture}}
    with tempfile.TemporaryDirectory() as folder:
        run = mmcli.train(config, data=data.arrays, output=Path(folder) / "run", progress=False)
        return np.asarray(run.classes["mixture"])


def results(seed: int) -> dict[str, float]:
    """ARI by each method on one seed, and the number of classes found."""
    data = planted(seed)
    places = data.arrays["places"]
    given, found = found_classes(data, seed, PLACES), found_classes(data, seed, {"max": MOST})
    return {
        "ARI of the true parameters": adjusted_rand_score(places, data.log_joint.argmax(axis=1)),
        f"ARI, num_classes: {PLACES}": adjusted_rand_score(places, given),
        f"ARI, num_classes: {{max: {MOST}}}": adjusted_rand_score(places, found),
        "classes found": len(np.unique(found)),
    }


def write(folder: Path, num_items: int = NUM_ITEMS) -> None:
    """Write train.npz, and test.npz of half as many other items of the same places, which lack nothing."""
    arrays = planted(0, num_items + num_items // 2).arrays
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "train.npz", **{name: rows[:num_items] for name, rows in arrays.items()})
    arrays |= {mask: np.ones_like(arrays[mask]) for mask in KNOWN.values()}
    np.savez(folder / "test.npz", **{name: rows[num_items:] for name, rows in arrays.items()})


def main() -> None:
    """Print the results of each seed, then the mean, minimum and maximum of all; or write data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=parse_seeds, default=range(1000, 1010), metavar="A-B", help="[1000-1009]")
    parser.add_argument("--write", type=Path, help="folder for data of seed 0")
    arguments = parser.parse_args()
    if arguments.write is not None:
        write(arguments.write)
        return
    show_spread(arguments.seeds, results)


if __name__ == "__main__":
    main()
