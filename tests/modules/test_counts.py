"""Sums of sparse counts against those of the same counts dense, in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_array

from mmcli.modules import counts as sums
from mmcli.modules.counts import SparseRows, on_device

N, V, K = 7, 11, 10  # more topics than one pass takes
EMPTY_ITEMS, UNUSED_WORDS = [0, 3, N - 1], [0, 4, V - 1]


def dense_counts():
    counts = np.random.default_rng(0).poisson(0.6, (N, V)) * 1.5
    counts[EMPTY_ITEMS] = 0
    counts[:, UNUSED_WORDS] = 0
    return counts


DENSE = dense_counts()
ITEM_FACTORS, WORD_FACTORS = (np.random.default_rng(1).random(shape) for shape in ((N, K), (K, V)))


@pytest.fixture(params=["exact", "padded", "empty"])
def pair(request):
    """Counts dense, and sparse: as they are, with room for more items and entries, or without any entry."""
    dense = 0 * DENSE if request.param == "empty" else DENSE
    with jax.enable_x64(True):
        if request.param == "padded":
            yield dense, on_device(csr_array(dense[:-1]), num_items=N, capacity=64)  # the last item is empty
        else:
            yield dense, on_device(csr_array(dense))


def test_sparse_rows_know_their_shape_in_both_orders(pair):
    dense, sparse = pair

    assert sparse.shape == (N, V)
    values, items, words = (np.asarray(part) for part in (sparse.values, sparse.items, sparse.words))
    for order, starts, axis in (
        (np.arange(len(values)), sparse.item_starts, 0),
        (np.asarray(sparse.word_order), sparse.word_starts, 1),
    ):
        rebuilt = np.zeros((N, V))
        for line, (first, last) in enumerate(itertools.pairwise(starts)):
            assert ((items, words)[axis][order[first:last]] == line).all()
            rebuilt[items[order[first:last]], words[order[first:last]]] += values[order[first:last]]
        np.testing.assert_array_equal(rebuilt, dense)
    assert sorted(np.asarray(sparse.word_order)) == list(range(len(values)))


def test_what_is_on_the_device_stays_what_it_is(pair):
    _, sparse = pair

    assert on_device(sparse) is sparse
    assert not isinstance(on_device(DENSE), SparseRows)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("row_sums", lambda counts: (counts,)),
        ("times", lambda counts: (counts, jnp.asarray(WORD_FACTORS.T))),
        ("word_sums", lambda counts: (jnp.asarray(ITEM_FACTORS), counts)),
        ("expected_counts", lambda counts: (jnp.asarray(ITEM_FACTORS), jnp.asarray(WORD_FACTORS), counts)),
        ("log_likelihood", lambda counts: (jnp.asarray(ITEM_FACTORS), jnp.asarray(WORD_FACTORS), counts)),
    ],
)
def test_sums_are_those_of_the_dense_counts(pair, name, arguments):
    dense, sparse = pair
    function = jax.jit(getattr(sums, name))

    expected, found = (jax.tree.leaves(function(*arguments(rows))) for rows in (jnp.asarray(dense), sparse))

    for leaf, other in zip(expected, found, strict=True):
        assert leaf.shape == other.shape
        np.testing.assert_allclose(other, leaf, rtol=1e-12, atol=1e-12)


def test_rows_are_scaled_by_factors_of_their_own(pair):
    dense, sparse = pair
    factors = jnp.arange(1.0, N + 1)

    scaled = sums.scaled(sparse, factors)

    np.testing.assert_allclose(sums.times(scaled, jnp.eye(V)), dense * np.asarray(factors)[:, None], rtol=1e-12)
