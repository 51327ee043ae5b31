"""Counts of words in items, dense, packed or sparse, and the sums that modules take of them.

Sparse counts are kept in both orders, by item and by word, so that every sum gathers: XLA scatters entry by entry
on a CPU. Rows padded to the longest would do so too, but a word that is in every item would make a row of N.

N items, V words, E entries (a word that occurs in an item), K topics, C columns of anything.
"""

from dataclasses import replace
from typing import NamedTuple, TypeAlias, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental.sparse import BCSR
from scipy.sparse import csr_array

from mmcli.modules.block_sizes import ROWS
from mmcli.modules.blocks import by_block, in_steps, in_turn
from mmcli.modules.packed import PackedRows, unpacked

BLOCK = 100  # items; a block of 2,400 words fills a megabyte
UNROLLED = 8  # topics in one pass over the entries
TINY = 1e-30  # keeps 0 / 0 out of the words an item does not have


class SparseRows(NamedTuple):
    """The entries of N items of V words. Those at the end that no item starts before are padding, of value 0."""

    values: Array  # (E,)
    words: Array  # (E,) int32
    items: Array  # (E,) int32, ascending
    item_starts: Array  # (N + 1,) int32, first entry of each item
    word_order: Array  # (E,) int32, the entries sorted by word
    word_starts: Array  # (V + 1,) int32, first of each word in that order

    @property
    def shape(self) -> tuple[int, int]:
        """N and V."""
        return len(self.item_starts) - 1, len(self.word_starts) - 1


Rows: TypeAlias = Array | PackedRows | SparseRows


def on_device(rows: np.ndarray | csr_array | Rows, num_items: int | None = None, capacity: int | None = None) -> Rows:
    """Rows as modules take them.

    Args:
        rows: (N, V); a `csr_array` of sorted indices becomes `SparseRows`.
        num_items: fill rows of the host up with empty ones to so many.
        capacity: fill a `csr_array` up with padding to so many entries.
    """
    if isinstance(rows, SparseRows | PackedRows):
        return rows
    if not isinstance(rows, csr_array):
        num_missing = (num_items or len(rows)) - len(rows)
        return jnp.pad(jnp.asarray(rows), ((0, num_missing), (0, 0))) if num_missing else jnp.asarray(rows)
    num_entries, (num_rows, num_words) = rows.nnz, rows.shape
    padding = (0, (capacity or max(num_entries, 1)) - num_entries)
    empty = (0, (num_items or num_rows) - num_rows)
    items = np.repeat(np.arange(num_rows), np.diff(rows.indptr))
    word_order = np.concatenate([rows.indices.argsort(kind="stable"), num_entries + np.arange(padding[1])])
    word_starts = np.concatenate([[0], np.bincount(rows.indices, minlength=num_words).cumsum()])
    parts = np.pad(rows.indices, padding), np.pad(items, padding), np.pad(rows.indptr, empty, mode="edge")
    return SparseRows(
        jnp.asarray(np.pad(rows.data, padding)),
        *(jnp.asarray(part, jnp.int32) for part in (*parts, word_order, word_starts)),
    )


def row_sums(counts: Rows) -> Array:
    """Words of each item, (N,)."""
    if isinstance(counts, SparseRows):
        return times(counts, jnp.ones((counts.shape[1], 1), counts.values.dtype))[:, 0]
    if isinstance(counts, PackedRows) and len(counts.factors) > ROWS:  # of few rows as of float32, to the last bit
        return counts.sums / counts.divisor * counts.factors
    return unpacked(counts).sum(-1)


@overload
def scaled(counts: Array, factors: Array) -> Array: ...
@overload
def scaled(counts: SparseRows, factors: Array) -> SparseRows: ...
@overload
def scaled(counts: Rows, factors: Array) -> Rows: ...
def scaled(counts: Rows, factors: Array) -> Rows:
    """Counts with each item's row times its factor (N,)."""
    if isinstance(counts, SparseRows):
        return counts._replace(values=counts.values * factors[counts.items])
    if isinstance(counts, PackedRows):
        return replace(counts, factors=counts.factors * factors)
    return counts * factors[:, None]


def times(counts: Rows, matrix: Array) -> Array:
    """Counts @ matrix, (N, C), of a matrix (V, C)."""
    if isinstance(counts, SparseRows):
        by_item = counts.values, counts.words, counts.item_starts
        product: Array = BCSR(by_item, shape=counts.shape) @ matrix
        return product
    if isinstance(counts, PackedRows):
        products: Array = in_turn(lambda rows: (unpacked(rows) @ matrix, ()), (counts,))[0]
        return products
    return counts @ matrix


def word_sums(rows: Array, counts: Rows) -> Array:
    """rows.T @ counts, (C, V), of rows (N, C)."""
    if isinstance(counts, SparseRows):
        by_word = counts.values[counts.word_order], counts.items[counts.word_order], counts.word_starts
        sums: Array = (BCSR(by_word, shape=counts.shape[::-1]) @ rows).T
        return sums
    if isinstance(counts, PackedRows):
        of_words: Array = in_turn(lambda rows, counts: ((), rows.T @ unpacked(counts)), (rows, counts))[1]
        return of_words
    return rows.T @ counts


def expected_counts(item_factors: Array, word_factors: Array, counts: Rows) -> tuple[Array, Array]:
    """Expected number of words of each item, and of each word of the vocabulary, in each topic.

    The topics of single words, (N, V, K), are never formed: their sums factor into matrix products. Dense rows go
    through in blocks, so that intermediate results stay in the cache.

    Args:
        item_factors: (N, K) exp E[log theta].
        word_factors: (K, V) exp E[log phi].
        counts: (N, V).

    Returns:
        (N, K) and (K, V).
    """
    if isinstance(counts, SparseRows):
        expected = _at_entries(item_factors, word_factors, counts)
        ratios = counts._replace(values=counts.values / (expected + TINY))
        return item_factors * times(ratios, word_factors.T), word_factors * word_sums(item_factors, ratios)
    of_items, of_words = by_block(_dense_counts, (item_factors, counts), shared=(word_factors,))
    return item_factors * of_items, word_factors * of_words


def _dense_counts(item_factors: Array, counts: Array | PackedRows, word_factors: Array) -> tuple[Array, Array]:
    """What `expected_counts` multiplies by the factors, (N, K) and (K, V), of dense counts."""

    def block(factors: Array, counts: Array | PackedRows) -> tuple[Array, Array]:
        ratio = unpacked(counts) / (factors @ word_factors + TINY)  # (B, V)
        return ratio @ word_factors.T, factors.T @ ratio

    of_items, of_words = in_steps(block, (item_factors, counts), BLOCK)
    return of_items, of_words


def log_likelihood(item_factors: Array, word_factors: Array, counts: Rows) -> Array:
    """Sum of counts * log(item_factors @ word_factors), () nats; shapes as in `expected_counts`."""
    if isinstance(counts, SparseRows):
        return (counts.values * jnp.log(_at_entries(item_factors, word_factors, counts) + TINY)).sum()

    def of_rows(item_factors: Array, counts: Array | PackedRows) -> tuple[tuple[()], Array]:
        expected = item_factors @ word_factors  # (N, V)
        return (), (unpacked(counts) * jnp.log(expected + TINY)).sum()

    total: Array = in_turn(of_rows, (item_factors, counts))[1]
    return total


def _at_entries(item_factors: Array, word_factors: Array, counts: SparseRows) -> Array:
    """item_factors @ word_factors where there are entries, (E,)."""

    def add(sums: Array, factors: tuple[Array, Array]) -> tuple[Array, None]:
        # Topic by topic: numbers are gathered from two short vectors that stay in the cache.
        return sums + factors[0][counts.items] * factors[1][counts.words], None

    unroll = min(UNROLLED, len(word_factors))
    return jax.lax.scan(add, jnp.zeros_like(counts.values), (item_factors.T, word_factors), unroll=unroll)[0]
