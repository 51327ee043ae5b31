"""Two views of planted classes, each seen by an agent of its own: classes that they find alone and together.

    python benchmarks/merge.py                  # ARI over seeds 1000 to 1009
    python benchmarks/merge.py --write FILE     # the data of seed 0 as .npz: first, second, classes

1,500 items of 6 classes of equal chance. A view is Gaussian, 3 columns, covariance 1 in each class; the means are drawn
from N(0, 1.5^2). Alone, an agent is a gmm of one view; together they have a merge as their child.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import adjusted_rand_score
from spread import show_spread
from suite import parse_seeds

import mmcli

NUM_ITEMS, CLASSES, COLUMNS, SPREAD = 1500, 6, 3, 1.5
ROUNDS = 5
VIEWS = ("first", "second")
METHODS: dict[str, dict[str, Any]] = {
    "product": {"how": "product"},
    "naming game": {"how": "naming_game"},
    "accept all": {"how": "naming_game", "accept": "all"},
    "accept none": {"how": "naming_game", "accept": "none"},
}


class Planted(NamedTuple):
    """Two views of items of known classes, and the evidence on these by the true parameters."""

    arrays: dict[str, np.ndarray]  # first and second (N, 3), classes (N,)
    evidence: dict[str, np.ndarray]  # (N, K) log p(view | class), up to a constant, of each view


def planted(seed: int) -> Planted:
    """Items whose classes each view confuses in its own way."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(CLASSES, size=NUM_ITEMS)
    arrays, evidence = {"classes": classes}, {}
    for view in VIEWS:
        means = SPREAD * rng.normal(size=(CLASSES, COLUMNS))
        arrays[view] = means[classes] + rng.normal(size=(NUM_ITEMS, COLUMNS))
        evidence[view] = -np.square(arrays[view][:, None] - means[None]).sum(-1) / 2
    return Planted(arrays, evidence)


def trained(data: Planted, seed: int, merge: dict[str, Any] | None) -> dict[str, float]:
    """ARI of every module; of agents alone where there is no merge."""
    modules: dict[str, dict[str, Any]] = {view: {"type": "observation", "data": view} for view in VIEWS}
    for view in VIEWS:
        agent = {"type": "gmm", "inputs": [view], "num_classes": CLASSES, "labels": "classes"}
        modules[f"gmm_{view}"] = agent | ({"chains": 16} if merge is None else {"message_weight": 1.0})
    if merge is not None:
        agents = [f"gmm_{view}" for view in VIEWS]
        modules["merge"] = {"type": "merge", "inputs": agents, "labels": "classes"} | merge
    config = {"seed": seed, "rounds": 1 if merge is None else ROUNDS, "modules": modules}
    with tempfile.TemporaryDirectory() as folder:
        run = mmcli.train(config, data=data.arrays, output=Path(folder) / "run", progress=False)
        return {name: float(lines["ari"][-1]) for name, lines in run.history.items()}


def results(seed: int) -> dict[str, float]:
    """ARI by each method on one seed."""
    data = planted(seed)
    classes = data.arrays["classes"]
    found = {f"truth, {view}": adjusted_rand_score(classes, data.evidence[view].argmax(axis=1)) for view in VIEWS}
    found["truth, both"] = adjusted_rand_score(classes, sum(data.evidence.values()).argmax(axis=1))
    alone = trained(data, seed, None)
    found |= {f"alone, {name}": value for name, value in alone.items()} | {"alone, better": max(alone.values())}
    for method, options in METHODS.items():
        found |= {f"{method}, {name}": value for name, value in trained(data, seed, options).items()}
    return found


def main() -> None:
    """Print the results of each seed, then the mean, minimum and maximum of all; or write data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=parse_seeds, default=range(1000, 1010), metavar="A-B", help="[1000-1009]")
    parser.add_argument("--write", type=Path, help="write the data of seed 0")
    arguments = parser.parse_args()
    if arguments.write is not None:
        np.savez(arguments.write, **planted(0).arrays)
        return
    show_spread(arguments.seeds, results)


if __name__ == "__main__":
    main()
