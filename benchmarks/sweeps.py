"""Sweeps of the GMM and the MLDA on one core, of dense and of sparse counts; the GMM's in turns with scikit-learn's."""

import argparse
import resource
import warnings
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from cores import restart_on_one_core
from scipy.sparse import coo_array, csr_array
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from timing import bundled, compile_update, ratio, take_turns

from mmcli.modules.api import Inputs
from mmcli.modules.counts import on_device
from mmcli.modules.gmm import model as gmm
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.messages import Counts, Points, neutral
from mmcli.modules.mlda import model as mlda
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.spec import Kind, Port

NUM_CLASSES = 10
NUM_FEATURES = 18  # the tutorial's latent space
MANY_TOPICS = 10, 50  # of sparse counts
SPARSE_SWEEPS, SPARSE_TURNS = 20, 2  # at most: each takes long
DEFAULT_CHAINS = GmmOptions(num_classes=NUM_CLASSES).chains


def gmm_sweeps(name: str, points: np.ndarray, sweeps: int, chains: int) -> Callable[[], Any]:
    num_items, width = points.shape
    options = GmmOptions(num_classes=NUM_CLASSES, sweeps=sweeps, chains=chains)
    module = gmm.build(options, (Port(Kind.POINTS, width),), "cavity")
    message = Points(jnp.asarray(points), jnp.ones(num_items))
    nothing = neutral(Port(Kind.CATEGORICAL, NUM_CLASSES), num_items)
    return compile_update(name, module, Inputs.of((message,), nothing), with_start=False)


def mlda_sweeps(
    name: str, words: np.ndarray | csr_array, options: MldaOptions, *, with_start: bool = False
) -> Callable[[], Any]:
    num_items, width = words.shape
    module = mlda.build(options, (Port(Kind.COUNTS, width),), "cavity")
    message = Counts(on_device(words), jnp.ones(num_items))
    nothing = neutral(Port(Kind.CATEGORICAL, options.num_classes), num_items)
    return compile_update(name, module, Inputs.of((message,), nothing), with_start=with_start)


def corpus(num_items: int, num_words: int, words_per_item: int) -> csr_array:
    """Items of uneven length, whose words are as frequent as Zipf's law has it; about one in ten occurs again."""
    rng = np.random.default_rng(0)
    frequency = 1 / (np.arange(num_words) + 10)
    lengths = np.maximum(1, rng.gamma(1.5, words_per_item / 1.5, num_items)).astype(int)
    words = rng.choice(num_words, lengths.sum(), p=frequency / frequency.sum())
    items = np.repeat(np.arange(num_items), lengths)
    return csr_array(coo_array((np.ones(len(words), np.float32), (items, words)), shape=(num_items, num_words)))


def peak_memory() -> float:
    """Of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes on Linux


def time_sparse_sweeps(sweeps: int, turns: int) -> None:
    before, words = peak_memory(), corpus(20_000, 50_000, 110)
    tokens = float(words.sum())
    print(f"sparse MLDA: {words.shape[0]} x {words.shape[1]}, {words.nnz} not zero, {tokens:,.0f} tokens")
    jobs = {}
    for num_topics in MANY_TOPICS:
        plain = MldaOptions(num_classes=num_topics, sweeps=sweeps, anneal_sweeps=1, restarts=1)
        for what, options in (("sweeps", plain), ("a default update", MldaOptions(num_classes=num_topics))):
            name = f"mmcli, {num_topics} topics, {what}"
            jobs[name] = mlda_sweeps(name, words, options, with_start=options is not plain)
    seconds = take_turns(jobs, turns)
    for num_topics in MANY_TOPICS:
        rate = sweeps * tokens / min(seconds[f"mmcli, {num_topics} topics, sweeps"])
        print(f"{num_topics} topics: {rate / 1e6:.1f} M tokens/s by minimum")
    print(f"peak memory {peak_memory():.0f} MB, {before:.0f} MB before; the dense counts alone would fill 4000 MB")


def sklearn_iterations(
    model: type[GaussianMixture] | type[BayesianGaussianMixture], points: np.ndarray, iterations: int
) -> Callable[[], Any]:
    # A tolerance of 0 is never met, so that every iteration runs; the start takes next to no time.
    mixture = model(
        n_components=NUM_CLASSES, max_iter=iterations, tol=0, init_params="random_from_data", random_state=0
    )

    def fit() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(points)

    return fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=100, help="sweeps, or iterations, in a turn [100]")
    parser.add_argument("--turns", type=int, default=5, help="turns of each [5]")
    arguments = parser.parse_args()
    restart_on_one_core()
    sweeps, turns = arguments.sweeps, arguments.turns

    points = PCA(NUM_FEATURES, whiten=True, random_state=0).fit_transform(bundled("images"))
    print(f"GMM: {sweeps} sweeps, {len(points)} x {NUM_FEATURES}, {NUM_CLASSES} classes")
    one, default = "mmcli, 1 chain", f"mmcli, {DEFAULT_CHAINS} chains"
    others = (GaussianMixture, BayesianGaussianMixture)
    seconds = take_turns(
        {
            one: gmm_sweeps(one, points, sweeps, 1),
            default: gmm_sweeps(default, points, sweeps, DEFAULT_CHAINS),
            **{model.__name__: sklearn_iterations(model, points, sweeps) for model in others},
        },
        turns,
    )
    for model in others:
        print(f"{one} against {model.__name__}: {ratio(seconds[one], seconds[model.__name__])}")

    words = bundled("speech")
    print(
        f"MLDA: {sweeps} sweeps, {words.shape[0]} x {words.shape[1]}, {words.sum():,.0f} tokens, {NUM_CLASSES} topics"
    )
    # One annealing sweep from one start: what is timed is the variational sweeps.
    plain = MldaOptions(num_classes=NUM_CLASSES, sweeps=sweeps, anneal_sweeps=1, restarts=1)
    bare, whole = "mmcli, sweeps", "mmcli, a default update"
    seconds = take_turns(
        {
            bare: mlda_sweeps(bare, words, plain),
            whole: mlda_sweeps(whole, words, MldaOptions(num_classes=NUM_CLASSES), with_start=True),
        },
        turns,
    )
    print(f"{sweeps * words.sum() / min(seconds[bare]) / 1e6:.1f} M tokens/s by minimum")
    time_sparse_sweeps(min(sweeps, SPARSE_SWEEPS), min(turns, SPARSE_TURNS))


if __name__ == "__main__":
    main()
