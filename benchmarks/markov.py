"""A planted chain recovered by gmm and markov, beside the gmm alone and hmmlearn; and the time of a sweep.

    python benchmarks/markov.py                  # ACC over seeds 1000 to 1009
    python benchmarks/markov.py --speed          # a sweep of 100,000 items, 10 states, on one core
    python benchmarks/markov.py --write FILE     # the data of seed 0 as .npz: points, states

1,500 items in one sequence: four states in a square, each kept with probability 0.9, Gaussian points of 2 columns whose
means are 1.5 standard deviations apart. hmmlearn takes part where it is installed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

NUM_ITEMS, STATES, STAY, APART = 1500, 4, 0.9, 1.5
ROUNDS, CHAINS, HMMLEARN_STARTS = 6, 16, 10
SPEED_ITEMS, SPEED_STATES, TURNS = 100_000, 10, 7


class Planted(NamedTuple):
    """Points of a chain, and its parameters."""

    points: np.ndarray  # (N, 2)
    states: np.ndarray  # (N,)
    transitions: np.ndarray  # (K, K)
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


def trained_acc(data: Planted, seed: int, with_chain: bool) -> float:
    """ACC of the last module of a run."""
    import mmcli

    modules: dict[str, dict[str, Any]] = {
        "point": {"type": "observation", "data": "points"},
        "gmm": {"type": "gmm", "inputs": ["point"], "num_classes": STATES, "chains": CHAINS, "labels": "states"},
    }
    if with_chain:
        modules["gmm"]["message_weight"] = 1.0
        modules["markov"] = {"type": "markov", "inputs": ["gmm"], "labels": "states"}
    config = {"seed": seed, "rounds": ROUNDS if with_chain else 1, "modules": modules}
    with tempfile.TemporaryDirectory() as folder:
        arrays = {"points": data.points, "states": data.states}
        run = mmcli.train(config, data=arrays, output=Path(folder) / "run", progress=False)
        return float(run.history["markov" if with_chain else "gmm"]["acc"][-1])


def smoothed(data: Planted) -> tuple[np.ndarray, float]:
    """Likeliest states (N,) under the true parameters, and their log likelihood, by mmcli."""
    import jax.numpy as jnp

    from mmcli.modules.markov.smoothing import Chain, smooth

    squares = np.square(data.points[:, None, :] - data.means[None]).sum(-1)
    evidence = jnp.asarray(-squares / 2 - np.log(2 * np.pi), float)
    chain = Chain(jnp.full(STATES, 1 / STATES), jnp.asarray(data.transitions, float))
    found = smooth(chain, evidence, jnp.arange(NUM_ITEMS) == 0)
    return np.asarray((found.log_cavity + evidence).argmax(-1)), float(np.asarray(found.log_norms).sum(dtype=float))


def hmmlearn_results(data: Planted, seed: int) -> tuple[np.ndarray, float] | None:
    """States (N,) of hmmlearn's best of several starts, and its log likelihood of the truth; None without hmmlearn."""
    try:
        from hmmlearn.hmm import GaussianHMM
    except ImportError:
        return None
    truth = GaussianHMM(STATES, covariance_type="full")
    truth.startprob_, truth.transmat_ = np.full(STATES, 1 / STATES), data.transitions
    truth.means_, truth.covars_ = data.means, np.broadcast_to(np.eye(2), (STATES, 2, 2))
    fits = [
        GaussianHMM(STATES, covariance_type="full", n_iter=100, random_state=HMMLEARN_STARTS * seed + start).fit(
            data.points
        )
        for start in range(HMMLEARN_STARTS)
    ]
    best = max(fits, key=lambda fit: fit.score(data.points))
    return best.predict_proba(data.points).argmax(-1), float(truth.score(data.points))


def recover(seeds: range) -> None:
    """Print ACC of each method on each seed, then mean, minimum and maximum."""
    from mmcli.data.labels import make_labels
    from mmcli.runs.metrics import evaluate

    rows = []
    for seed in seeds:
        data = planted(seed)
        best_states, log_likelihood = smoothed(data)
        row = {
            "gmm alone": trained_acc(data, seed, with_chain=False),
            "gmm and markov": trained_acc(data, seed, with_chain=True),
            "true parameters": float(np.mean(best_states == data.states)),
        }
        theirs = hmmlearn_results(data, seed)
        if theirs is not None:
            row["hmmlearn"] = evaluate(theirs[0], make_labels(data.states)).acc
            row["log likelihood, ours / theirs"] = log_likelihood / theirs[1]
        rows.append(row)
        print(seed, "  ".join(f"{name} {value:.4f}" for name, value in row.items()), flush=True)
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name}: mean {np.mean(values):.4f} ({min(values):.4f}..{max(values):.4f})")


def speed() -> None:
    """Print the time of a sweep, its passes and its counts of transitions, and of hmmlearn's E-step."""
    import jax
    import jax.numpy as jnp

    from mmcli.modules.markov.model import expected_counts
    from mmcli.modules.markov.smoothing import Chain, smooth

    rng = np.random.default_rng(0)
    initial, transitions = rng.dirichlet(np.ones(SPEED_STATES)), rng.dirichlet(np.ones(SPEED_STATES), SPEED_STATES)
    probs = rng.dirichlet(np.full(SPEED_STATES, 0.3), SPEED_ITEMS) + 1e-9
    evidence, starts = jnp.asarray(np.log(probs), float), jnp.arange(SPEED_ITEMS) == 0
    chain = Chain(jnp.asarray(initial, float), jnp.asarray(transitions, float))

    @jax.jit
    def sweep(evidence: jax.Array) -> Any:
        found = smooth(chain, evidence, starts)
        return found.log_norms.sum(), expected_counts(chain, found, evidence, starts, jnp.ones_like(starts))

    methods: dict[str, Callable[[], Any]] = {"mmcli": lambda: jax.block_until_ready(sweep(evidence))}
    methods |= hmmlearn_sweeps(initial, transitions, np.log(probs))
    times: dict[str, list[float]] = {name: [] for name in methods}
    results = {name: method() for name, method in methods.items()}
    for _ in range(TURNS):
        for name, method in methods.items():
            begun = time.perf_counter()
            method()
            times[name].append(time.perf_counter() - begun)
    for name, seconds in times.items():
        ratio = np.median(np.array(seconds) / np.array(times["mmcli"]))
        print(f"{name}: {min(seconds):.3f} s, median {np.median(seconds):.3f}, ratio to mmcli {ratio:.2f}")
    for name, (log_likelihood, (_, counts)) in results.items():
        print(
            f"{name}: log likelihood {float(log_likelihood):.2f}, first row of counts {np.asarray(counts)[0].round(1)}"
        )


def hmmlearn_sweeps(initial: np.ndarray, transitions: np.ndarray, evidence: np.ndarray) -> dict[str, Callable[[], Any]]:
    """E-steps of hmmlearn on given likelihoods, by its two implementations; none without hmmlearn."""
    try:
        from hmmlearn.hmm import CategoricalHMM
    except ImportError:
        return {}

    def e_step(implementation: str) -> Any:
        model = CategoricalHMM(SPEED_STATES, implementation=implementation)
        model.startprob_, model.transmat_, model.n_features = initial, transitions, 1
        model._compute_log_likelihood = lambda _: evidence
        model._compute_likelihood = lambda _: np.exp(evidence)
        model.emissionprob_ = np.ones((SPEED_STATES, 1))
        symbols, stats = np.zeros((SPEED_ITEMS, 1), int), model._initialize_sufficient_statistics()
        fit = model._fit_scaling if implementation == "scaling" else model._fit_log
        lattice, log_likelihood, posteriors, before, after = fit(symbols)
        base = super(CategoricalHMM, model)
        base._accumulate_sufficient_statistics(stats, symbols, lattice, posteriors, before, after)
        return log_likelihood, (stats["start"], stats["trans"])

    return {f"hmmlearn, {kind}": lambda kind=kind: e_step(kind) for kind in ("log", "scaling")}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1000-1009", help="first and last")
    parser.add_argument("--speed", action="store_true", help="time a sweep")
    parser.add_argument("--write", type=Path, help="write the data of seed 0")
    arguments = parser.parse_args()
    if arguments.speed:
        # Before any library counts cores.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        speed()
    elif arguments.write is not None:
        data = planted(0)
        np.savez(arguments.write, points=data.points, states=data.states)
    else:
        first, last = map(int, arguments.seeds.split("-"))
        recover(range(first, last + 1))


if __name__ == "__main__":
    main()
