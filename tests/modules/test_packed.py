"""Packed rows against the same rows as float32, bit by bit; and functions over rows in turn against all at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmcli.modules import blocks, counts
from mmcli.modules.packed import PackedRows, by_rows, packed, unpacked, values_at

N, V, K = 23, 12, 3
CODES = np.random.default_rng(0).integers(0, 256, (N, V), dtype=np.uint8)
FACTORS = np.random.default_rng(1).random(N).astype(np.float32)
THETA, PHI = (jnp.asarray(np.random.default_rng(2).random(shape), float) for shape in ((N, K), (K, V)))


def as_floats(divisor):
    return CODES.astype(np.float32) / np.float32(divisor) * FACTORS[:, None]


@pytest.fixture(params=[1, 255])
def pair(request):
    """Rows packed, and as float32, each row times its factor."""
    return counts.scaled(packed(CODES, request.param), FACTORS), jnp.asarray(as_floats(request.param))


def test_all_pixels_are_exact_to_the_last_bit():
    codes = np.arange(256, dtype=np.uint8)[:, None]

    np.testing.assert_array_equal(jax.jit(unpacked)(packed(codes, 255)), codes / np.float32(255))


def test_rows_and_places_are_those_of_floats(pair):
    rows, floats = pair
    places = jnp.array([5, 0, 22, 5])

    assert rows.shape == floats.shape
    np.testing.assert_array_equal(jax.jit(unpacked)(rows), floats)
    np.testing.assert_array_equal(jax.jit(values_at)(rows, places), floats[places])


@pytest.mark.parametrize(
    "sums",
    [
        counts.row_sums,
        lambda rows: counts.times(rows, PHI.T),
        lambda rows: counts.word_sums(THETA, rows),
        lambda rows: counts.expected_counts(THETA, PHI, rows),
        lambda rows: counts.log_likelihood(THETA, PHI, rows),
    ],
)
def test_sums_of_few_items_are_those_of_floats(sums, pair):
    of_packed, of_floats = (jax.jit(sums)(rows) for rows in pair)

    jax.tree.map(np.testing.assert_array_equal, of_packed, of_floats)


def test_items_in_turn_are_all_items():
    def of_rows(rows, weights):
        return (rows @ PHI.T, rows.sum(-1)), (weights @ rows).sum()

    def whole(size):
        return blocks.in_steps(of_rows, (jnp.asarray(as_floats(1)), jnp.asarray(FACTORS)), size)

    with jax.enable_x64(True):
        expected = whole(N)
        for size in (1, 5, N - 1):  # with a rest of none, of three and of one
            jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), whole(size), expected)


def test_many_rows_are_computed_in_blocks(monkeypatch, pair):
    lengths = []
    monkeypatch.setattr(blocks, "ROWS", 5)

    def function(rows):
        lengths.append(len(rows))
        return 2 * rows

    rows, floats = pair
    np.testing.assert_array_equal(by_rows(function, rows), 2 * floats)
    assert set(lengths) == {5, N % 5}


def test_many_rows_sum_by_their_codes(monkeypatch, pair):
    rows, floats = pair
    monkeypatch.setattr(counts, "ROWS", N - 1)

    np.testing.assert_allclose(counts.row_sums(rows), floats.sum(-1), rtol=1e-6)


def test_packed_rows_are_pytrees_with_a_row_an_item():
    rows = packed(CODES, 255)

    taken = jax.tree.map(lambda leaf: leaf[3:5], rows)

    assert isinstance(taken, PackedRows)
    np.testing.assert_array_equal(unpacked(taken), CODES[3:5] / np.float32(255))
