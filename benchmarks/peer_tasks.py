"""Work that mmcli and other programs do, measured on the cores that this process may use: the rows of `peers.py`."""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from scipy.sparse import csr_array
from sklearn.mixture import BayesianGaussianMixture
from sweeps import corpus, gmm_sweeps, mlda_sweeps, sklearn_iterations
from timing import bundled, take_turns
from vae_vs_pytorch import mmcli_epochs, pytorch_epochs

from mmcli.modules.mlda.spec import MldaOptions

Product: TypeAlias = tuple[int, int, int]  # rows, inner columns, columns
BATCH, PIXELS, HIDDEN, LATENT = 500, 784, 128, 18  # of the tutorial's VAE
CLASSES = 10
GROWTH = (3_000, 10), (12_000, 10), (60_000, 10), (3_000, 50)  # items and topics of an update


class Row(NamedTuple):
    """A measured task."""

    cores: int
    name: str
    unit: str
    rates: dict[str, float]  # by program, mmcli first, in units a second
    products: float | None  # share of mmcli's time


def is_installed(module: str) -> bool:
    """Whether a program that mmcli is compared with is there."""
    return importlib.util.find_spec(module) is not None


class Job(NamedTuple):
    """What a program does in a turn."""

    program: str
    amount: float  # of the task's unit, in one call
    run: Callable[[], Any]


class Task(NamedTuple):
    """Work that several programs do, mmcli first.

    Attributes:
        name: of the row.
        unit: of the amounts.
        products: matrix products in mmcli's work, with how often each occurs in one unit of amount.
        jobs: of the programs.
    """

    name: str
    unit: str
    products: tuple[tuple[float, Product], ...]
    jobs: tuple[Job, ...]


def epochs_of_vae(epochs: int) -> Task:
    """The tutorial's VAE on the bundled images, in mmcli and in PyTorch."""
    images = bundled("images")
    jobs = [Job("mmcli", epochs, mmcli_epochs(images, epochs))]
    if is_installed("torch"):
        jobs.append(Job("PyTorch", epochs, pytorch_epochs(images, epochs)))
    layers = ((PIXELS, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, PIXELS))
    forward = [(BATCH, inputs, outputs) for inputs, outputs in layers]
    to_weights = [(inputs, BATCH, outputs) for inputs, outputs in layers]
    to_inputs = [(BATCH, outputs, inputs) for inputs, outputs in layers[1:]]
    batches = len(images) / BATCH
    products = tuple((batches, shape) for shape in (*forward, *to_weights, *to_inputs))
    return Task(f"VAE {PIXELS}-{HIDDEN}-{LATENT}, epochs", "epochs", products, tuple(jobs))


def sweeps_of_gmm(num_items: int, sweeps: int) -> Task:
    """One chain of the GMM beside scikit-learn's variational mixture, on points like those of the tutorial."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(CLASSES, LATENT))
    points = (centres[rng.integers(0, CLASSES, num_items)] + rng.normal(size=(num_items, LATENT))).astype(np.float32)
    jobs = (
        Job("mmcli", sweeps, gmm_sweeps("mmcli", points, sweeps, 1)),
        Job("scikit-learn", sweeps, sklearn_iterations(BayesianGaussianMixture, points, sweeps)),
    )
    products = (1, (num_items, LATENT, CLASSES * LATENT)), (1, (LATENT, num_items, LATENT))
    return Task(f"GMM, {num_items:,} x {LATENT}, {CLASSES} classes, sweeps", "sweeps", products, jobs)


def sweeps_of_lda(sweeps: int) -> Task:
    """Variational sweeps of the MLDA on the bundled speech beside samplers and variational programs of LDA."""
    counts = bundled("speech")
    tokens, (num_items, num_words) = float(counts.sum()), counts.shape
    plain = MldaOptions(num_classes=CLASSES, sweeps=sweeps, anneal_sweeps=1, restarts=1)
    jobs = [Job("mmcli", sweeps * tokens / 1e6, mlda_sweeps("mmcli", counts, plain)), *other_ldas(counts, CLASSES)]
    shapes = (num_items, CLASSES, num_words), (CLASSES, num_items, num_words), (num_items, num_words, CLASSES)
    products = tuple((1e6 / tokens, shape) for shape in shapes)
    name = f"LDA, {num_items:,} x {num_words:,}, {CLASSES} topics"
    return Task(name, "million tokens", products, tuple(jobs))


def sweeps_of_sparse_lda(sweeps: int, num_topics: int) -> Task:
    """The same of sparse counts."""
    counts = corpus(20_000, 50_000, 110)
    plain = MldaOptions(num_classes=num_topics, sweeps=sweeps, anneal_sweeps=1, restarts=1)
    mmcli = Job("mmcli", sweeps * float(counts.sum()) / 1e6, mlda_sweeps("mmcli", counts, plain))
    jobs = (mmcli, *other_ldas(counts, num_topics))
    return Task(f"LDA, 20,000 x 50,000 sparse, {num_topics} topics", "million tokens", (), jobs)


def updates_of_mlda(num_items: int, num_topics: int) -> Task:
    """Default updates of the MLDA on pairs of the bundled speech, drawn with replacement."""
    speech = bundled("speech")
    counts = speech[np.random.default_rng(0).integers(0, len(speech), num_items)]
    update = mlda_sweeps("mmcli", counts, MldaOptions(num_classes=num_topics), with_start=True)
    return Task(
        f"MLDA, an update, {num_items:,} items, {num_topics} topics", "items", (), (Job("mmcli", num_items, update),)
    )


def other_ldas(counts: Any, num_topics: int) -> Iterator[Job]:
    """A pass over the counts (N, V) of each other program of LDA that is installed."""
    rows, cores = csr_array(counts), len(os.sched_getaffinity(0))
    bounds = list(zip(rows.indptr, rows.indptr[1:], strict=False))
    tokens = float(rows.sum()) / 1e6
    if is_installed("tomotopy"):
        model = importlib.import_module("tomotopy").LDAModel(k=num_topics, alpha=0.1, eta=0.1, seed=0)
        for first, last in bounds:
            words = np.repeat(rows.indices[first:last], rows.data[first:last].astype(int))
            model.add_doc([str(word) for word in words])
        yield Job("tomotopy", tokens, lambda: model.train(1, workers=cores))
    if is_installed("gensim"):
        corpus = [list(zip(rows.indices[a:b].tolist(), rows.data[a:b].tolist(), strict=True)) for a, b in bounds]
        names = {word: str(word) for word in range(rows.shape[1])}
        shared = {"num_topics": num_topics, "id2word": names, "eval_every": None, "random_state": 0}
        models = importlib.import_module("gensim.models")
        lda = models.LdaModel(**shared) if cores == 1 else models.LdaMulticore(workers=cores - 1, **shared)
        yield Job("gensim", tokens, lambda: lda.update(corpus))


def seconds_of(product: Product) -> float:
    """Seconds of a float32 matrix product in jax, the fastest of several."""
    rows, inner, columns = product
    left, right = (
        jax.random.normal(jax.random.key(0), (rows, inner)),
        jax.random.normal(jax.random.key(1), (inner, columns)),
    )
    multiply = jax.jit(lambda left, right: left @ right)
    jax.block_until_ready(multiply(left, right))
    fastest, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < 0.3:
        start = time.perf_counter()
        jax.block_until_ready(multiply(left, right))
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def measured(task: Task, turns: int) -> Row:
    """Rates of all programs in turns, and how much of mmcli's time its products alone take."""
    for job in task.jobs:  # the first call allocates
        job.run()
    seconds = take_turns({job.program: job.run for job in task.jobs}, turns)
    rates = {job.program: job.amount / statistics.median(seconds[job.program]) for job in task.jobs}
    share = sum(count * seconds_of(product) for count, product in task.products) * rates["mmcli"]
    return Row(len(os.sched_getaffinity(0)), task.name, task.unit, rates, share if task.products else None)


def measure_all(is_quick: bool) -> Iterator[Row]:
    """Rows of this process's cores."""
    turns = 3 if is_quick else 5
    yield measured(epochs_of_vae(20 if is_quick else 50), turns)
    yield measured(sweeps_of_gmm(3_000, 50 if is_quick else 100), turns)
    yield measured(sweeps_of_lda(50 if is_quick else 100), turns)
    if not is_quick:
        yield measured(sweeps_of_gmm(60_000, 10), turns)
        yield measured(sweeps_of_sparse_lda(20, CLASSES), turns)
        for num_items, num_topics in GROWTH:
            yield measured(updates_of_mlda(num_items, num_topics), turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("found", type=Path, help="file of the rows, JSON")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller rows")
    arguments = parser.parse_args()
    rows = [row._asdict() for row in measure_all(arguments.quick)]
    arguments.found.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
