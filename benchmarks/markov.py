"""A planted chain recovered by gmm and markov, beside the gmm alone and the true parameters.

    python benchmarks/markov.py                  # ACC over seeds 1000 to 1009
    python benchmarks/markov.py --write FILE     # the data of seed 0 as .npz: points, states

1,500 items in one sequence: four states in a square, each kept with probability 0.9, Gaussian points of 2 columns whose
means are 1.5 standard deviations apart.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import mmcli
from mmcli.modules.markov.smoothing import Chain, smooth

NUM_ITEMS, STATES, STAY, APART = 1500, 4, 0.9, 1.5
ROUNDS, CHAINS = 6, 16


class Planted(NamedTuple):
    """Points of a chain, and its parameters."""

    points: np.ndarray  # (N, 2)
    states: np.ndarray  # (N,)
    transitions: np.ndarray  # (K, K); all states are as likely at first
    means: np.ndarray  # (K, 2); covariances are the identity


def planted(seed: int) -> Planted:
    """Points of four overlapping states."""
    rng = np.random.default_rng(seed)
    transitions = np.full((STATES, STATES), (1 - STAY) / (STATES - 1))
    np.fill_diagonal(transitions, STAY)
    states = np.zeros(NUM_ITEMS, int)
    for t in range(1, NUM_ITEMS):
        states[t] = rng.choice(STATES, p=transitions[states[t - 1]])
    means = APART * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    return Planted(means[states] + rng.normal(size=(NUM_ITEMS, 2)), states, transitions, means)


def trained_acc(data: Planted, seed: int, *, with_chain: bool) -> float:
    """ACC of the last module of a run; the gmm alone needs one round."""
    modules: dict[str, dict[str, Any]] = {
        "point": {"type": "observation", "data": "points"},
        "gmm": {"type": "gmm", "inputs": ["point"], "num_classes": STATES, "chains": CHAINS, "labels": "states"},
    }
    if with_chain:
        modules["gmm"]["message_weight"] = 1.0
        modules["markov"] = {"type": "markov", "inputs": ["gmm"], "labels": "states"}
    config = {"seed": seed, "rounds": ROUNDS if with_chain else 1, "modules": modules}
    arrays = {"points": data.points, "states": data.states}
    with tempfile.TemporaryDirectory() as folder:
        run = mmcli.train(config, data=arrays, output=Path(folder) / "run", progress=False)
        return float(run.history["markov" if with_chain else "gmm"]["acc"][-1])


def smoothed_by_truth(data: Planted) -> tuple[np.ndarray, float]:
    """Likeliest state of each item, (N,), under the true parameters, and the log likelihood of all, nats."""
    squares = np.square(data.points[:, None, :] - data.means[None]).sum(-1)
    evidence = jnp.asarray(-squares / 2 - np.log(2 * np.pi), float)
    chain = Chain(jnp.full(STATES, 1 / STATES), jnp.asarray(data.transitions, float))
    found = smooth(chain, evidence, jnp.arange(NUM_ITEMS) == 0)
    return np.asarray((found.log_cavity + evidence).argmax(-1)), np.asarray(found.log_norms).sum(dtype=float)


def results(seed: int) -> dict[str, float]:
    """ACC of each method on one seed."""
    data = planted(seed)
    return {
        "gmm alone": trained_acc(data, seed, with_chain=False),
        "gmm and markov": trained_acc(data, seed, with_chain=True),
        "true parameters": float(np.mean(smoothed_by_truth(data)[0] == data.states)),
    }


def show(rows: Mapping[int, Mapping[str, float]]) -> None:
    """Print mean, minimum and maximum of each method over seeds."""
    for name in next(iter(rows.values())):
        values = [row[name] for row in rows.values()]
        print(f"{name}: mean {np.mean(values):.3f} ({min(values):.3f}..{max(values):.3f})")


def main() -> None:
    """Print ACC on each seed, then over all; or write data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1000-1009", help="first and last")
    parser.add_argument("--write", type=Path, help="write the data of seed 0")
    arguments = parser.parse_args()
    if arguments.write is not None:
        data = planted(0)
        np.savez(arguments.write, points=data.points, states=data.states)
        return
    first, last = map(int, arguments.seeds.split("-"))
    rows = {}
    for seed in range(first, last + 1):
        rows[seed] = results(seed)
        print(seed, "  ".join(f"{name} {value:.3f}" for name, value in rows[seed].items()), flush=True)
    show(rows)


if __name__ == "__main__":
    main()
