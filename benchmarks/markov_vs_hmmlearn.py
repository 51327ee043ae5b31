"""The sweeps of markov against hmmlearn: time on one core, log likelihood, and states found on planted chains.

python benchmarks/markov_vs_hmmlearn.py                        # time: 100,000 items, 10 states
python benchmarks/markov_vs_hmmlearn.py --seeds 1000-1009      # the chains of benchmarks/markov.py

Of hmmlearn the compiled passes and counts alone are timed, without its posteriors.
"""

import argparse
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from cores import restart_on_one_core
from markov import STATES, planted, show, smoothed_by_truth
from timing import ratio, take_turns

from mmcli.data.labels import make_labels
from mmcli.modules.markov.model import expected_counts
from mmcli.modules.markov.smoothing import Chain, smooth
from mmcli.runs.metrics import evaluate

try:
    from hmmlearn import _hmmc
    from hmmlearn.hmm import GaussianHMM
except ModuleNotFoundError:
    sys.exit("this benchmark compares with hmmlearn: pip install hmmlearn==0.3.3")

STARTS = 10  # of hmmlearn, of which the likeliest counts
ITEMS, CLASSES = 100_000, 10


def mmcli_sweep(chain: Chain, evidence: np.ndarray) -> Callable[[], tuple[float, np.ndarray]]:
    """Both passes and expected counts; returns the log likelihood, nats, and the transitions (K, K)."""

    @jax.jit
    def sweep(chain: Chain, evidence: jax.Array) -> tuple[jax.Array, jax.Array]:
        starts = jnp.arange(len(evidence)) == 0
        found = smooth(chain, evidence, starts)
        counts = expected_counts(chain, found, starts, jnp.ones_like(starts))
        return found.log_norms.sum(), counts[1]

    given = (jax.tree.map(lambda weights: jnp.asarray(weights, float), chain), jnp.asarray(evidence, float))
    return lambda: jax.tree.map(np.asarray, sweep(*given))


def hmmlearn_scaled(chain: Chain, evidence: np.ndarray) -> tuple[float, np.ndarray]:
    """The same by the compiled functions of hmmlearn, implementation="scaling"; posteriors left out."""
    probs = np.exp(evidence)
    log_likelihood, before, scaling = _hmmc.forward_scaling(*chain, probs)
    after = _hmmc.backward_scaling(*chain, probs, scaling)
    return log_likelihood, _hmmc.compute_scaling_xi_sum(before, chain.transitions, after, probs)


def hmmlearn_logs(chain: Chain, evidence: np.ndarray) -> tuple[float, np.ndarray]:
    """The same, implementation="log", the default of hmmlearn."""
    log_likelihood, before = _hmmc.forward_log(*chain, evidence)
    after = _hmmc.backward_log(*chain, evidence)
    return log_likelihood, np.exp(_hmmc.compute_log_xi_sum(before, chain.transitions, after, evidence))


def measure_time(turns: int) -> None:
    """Print times in turns, ratios, and how far results differ."""
    rng = np.random.default_rng(0)
    chain = Chain(rng.dirichlet(np.ones(CLASSES)), rng.dirichlet(np.ones(CLASSES), CLASSES))
    evidence = np.log(rng.dirichlet(np.full(CLASSES, 0.3), ITEMS) + 1e-9)
    jobs = {
        "mmcli": mmcli_sweep(chain, evidence),
        "hmmlearn, scaling": lambda: hmmlearn_scaled(chain, evidence),
        "hmmlearn, log": lambda: hmmlearn_logs(chain, evidence),
    }
    found = {name: job() for name, job in jobs.items()}  # compiles, too
    seconds = take_turns(jobs, turns)
    ours, transitions = found["mmcli"]
    for name in jobs:
        theirs, counts = found[name]
        error = abs(transitions - counts).max() / counts.max()
        print(f"{name}: log likelihood {theirs:.2f} (ours {ours:.2f}), transitions differ by {error:.1e} of the most")
        print(f"{name}: {ratio(seconds[name], seconds['mmcli'])}")


def found_on(seed: int) -> dict[str, float]:
    """ACC of hmmlearn's likeliest fit on a planted chain, and the ratio of log likelihoods of the truth."""
    data = planted(seed)
    truth = GaussianHMM(STATES, covariance_type="full")
    truth.startprob_, truth.transmat_ = np.full(STATES, 1 / STATES), data.transitions
    truth.means_, truth.covars_ = data.means, np.tile(np.eye(2), (STATES, 1, 1))
    fits = [
        GaussianHMM(STATES, covariance_type="full", n_iter=100, random_state=STARTS * seed + start).fit(data.points)
        for start in range(STARTS)
    ]
    best = max(fits, key=lambda fit: fit.score(data.points))
    states = best.predict_proba(data.points).argmax(-1)
    ours, theirs = smoothed_by_truth(data)[1], truth.score(data.points)
    return {"hmmlearn": evaluate(states, make_labels(data.states)).acc, "log likelihood, ours by theirs": ours / theirs}


def main() -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", help="first and last, of planted chains")
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.seeds is None:
        restart_on_one_core()
        measure_time(arguments.turns)
        return
    first, last = map(int, arguments.seeds.split("-"))
    show({seed: found_on(seed) for seed in range(first, last + 1)})


if __name__ == "__main__":
    main()
