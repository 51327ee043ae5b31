"""Starts of the search for classes, on counts whose classes and whose dependence are planted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_array

from mmcli.data.labels import make_labels
from mmcli.modules.counts import on_device
from mmcli.modules.mlda.starts import dispersion, effective_words
from mmcli.modules.words import clusters_of
from mmcli.runs.metrics import evaluate

K, N = 4, 400
TRUTH = np.arange(N) % K
BETA = jnp.float32(0.1)


@pytest.fixture(scope="module")
def words():
    """(N, 12) counts, about 40 an item, of words that each class draws independently."""
    rng = np.random.default_rng(0)
    phi = rng.dirichlet(np.full(12, 0.3), K)
    return np.stack([rng.multinomial(40, phi[label]) for label in TRUTH]).astype(np.float32)


def acc(classes):
    return evaluate(np.asarray(classes), make_labels(TRUTH)).acc


def test_clusters_are_finer_than_classes_and_leave_out_empty_rows(words):
    counts = jnp.asarray(words).at[7].set(0)

    belongs = np.asarray(clusters_of(jax.random.key(0), counts, 12))

    np.testing.assert_array_equal(belongs.sum(-1), np.arange(N) != 7)
    table = belongs.T @ np.eye(K)[TRUTH]
    assert table.max(-1).sum() / N > 0.97  # few clusters join two classes


def test_clusters_of_sparse_counts_are_those_of_dense_ones(words):
    dense, sparse = (
        clusters_of(jax.random.key(1), rows, 8) for rows in (jnp.asarray(words), on_device(csr_array(words)))
    )

    np.testing.assert_array_equal(dense, sparse)


def test_independent_words_are_worth_themselves_and_words_said_three_times_a_third():
    rng = np.random.default_rng(3)
    phi = rng.dirichlet(np.full(12, 2.0), K)  # no word is rare
    words = np.stack([rng.multinomial(40, phi[label]) for label in TRUTH]).astype(np.float32)
    memberships = jnp.asarray(np.eye(K, dtype=np.float32)[TRUTH])

    once, thrice = (float(dispersion(memberships, jnp.asarray(counts), BETA)) for counts in (words, 3 * words))

    assert once == pytest.approx(1.0, abs=0.15)
    assert thrice == pytest.approx(3.0, rel=0.15)
    once, thrice = (
        float(effective_words(jax.random.key(0), jnp.asarray(counts), K, BETA)) for counts in (words, 3 * words)
    )
    assert thrice == pytest.approx(once, rel=0.2)
    assert 15 < once < 50  # the classes are found from the words alone, and not all of them


def test_words_that_depend_on_a_hidden_part_of_a_class_are_worth_less():
    rng = np.random.default_rng(1)
    phi = rng.dirichlet(np.full(12, 0.3), (K, 3))  # each class has three kinds of items
    counts = np.stack([rng.multinomial(40, phi[label, rng.integers(3)]) for label in TRUTH]).astype(np.float32)
    memberships = jnp.asarray(np.eye(K, dtype=np.float32)[TRUTH])

    assert float(dispersion(memberships, jnp.asarray(counts), BETA)) > 4
