"""Sums of products and triangular matrices of many classes, without a product of features for each item.

N items, D features, K classes.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular

BLOCK = 128  # items of one class that are multiplied at once
RANK_BLOCK = 64  # items whose ranks are counted by one small product
PANEL = 64  # columns of a triangular matrix that are divided or multiplied at once


def class_products(rows: Array, labels: Array, num_classes: int) -> Array:
    """Sums (K, D, D) of x x' over the rows x (N, D) of each class; labels are (N,) int32.

    Rows are put into blocks of one class each, so that a row is multiplied for its own class alone.
    """
    num_items, num_features = rows.shape
    places, last_blocks = _block_places(labels, num_classes)
    num_blocks = num_items // BLOCK + num_classes
    # Places that stay empty hold the item N, which has no row.
    items = jnp.full(num_blocks * BLOCK, num_items, jnp.int32).at[places].set(jnp.arange(num_items, dtype=jnp.int32))
    block_classes = (jnp.arange(num_blocks)[:, None] >= last_blocks[None, :]).sum(1)

    def add(products: Array, block: tuple[Array, Array]) -> tuple[Array, None]:
        members, number = block
        there = rows.at[members].get(mode="fill", fill_value=0)
        return products.at[number].add(there.T @ there, mode="drop"), None

    blocks = (items.reshape(num_blocks, BLOCK), block_classes)
    products: Array = jax.lax.scan(add, jnp.zeros((num_classes, num_features, num_features), rows.dtype), blocks)[0]
    return products


def _block_places(labels: Array, num_classes: int) -> tuple[Array, Array]:
    """Place (N,) of each item when classes follow each other in whole blocks; the end (K,) of each class in blocks.

    A sort would take several times as long; ranks within short runs are products with a triangle of ones.
    """
    num_items = labels.shape[0]
    runs = -(-num_items // RANK_BLOCK)
    padded = jnp.pad(labels, (0, runs * RANK_BLOCK - num_items), constant_values=num_classes)
    is_member = padded.reshape(1, runs, RANK_BLOCK) == jnp.arange(num_classes)[:, None, None]  # (K, runs, RANK_BLOCK)
    members = is_member.astype(jnp.float32)
    before = jnp.triu(jnp.ones((RANK_BLOCK, RANK_BLOCK)), 1)
    # Of at most RANK_BLOCK ones, so exact in float32.
    ranks = (members.reshape(-1, RANK_BLOCK) @ before).reshape(members.shape).astype(jnp.int32)
    totals = is_member.sum(-1, dtype=jnp.int32)  # (K, runs)
    earlier = jnp.cumsum(totals, axis=1) - totals
    num_blocks = -(-totals.sum(1) // BLOCK)
    ends = jnp.cumsum(num_blocks)
    starts = (ends - num_blocks) * BLOCK
    places = ranks + earlier[:, :, None] + starts[:, None, None]
    return jnp.where(is_member, places, 0).sum(0).reshape(-1)[:num_items], ends


def diagonal(matrices: Array) -> Array:
    """Diagonals (..., D) of matrices (..., D, D)."""
    entries: Array = jnp.diagonal(matrices, axis1=-2, axis2=-1)
    return entries


def rounding_error(counts: Array, squares: Array) -> Array:
    """Rounding error (K, D) to expect of sums of `counts` (K,) products, whose diagonals are `squares` (K, D)."""
    num_features = squares.shape[1]
    return float(np.finfo(squares.dtype).eps) * (counts / 16 + num_features)[:, None] * squares


def floored_cholesky(scatters: Array, floors: Array) -> Array:
    """Cholesky factors of (K, D, D); where features depend on each other to below `floors` (K, D), these are added.

    So features that are sums of others, of whatever scale, have a covariance; others keep theirs to the bit.
    """
    chol = jnp.linalg.cholesky(scatters)
    is_sound = (jnp.square(diagonal(chol)) > floors).all(-1)  # False for NaN

    def raised() -> Array:
        floored = jnp.linalg.cholesky(scatters + floors[:, :, None] * jnp.eye(scatters.shape[-1])[None])
        return jnp.where(is_sound[:, None, None], chol, floored)

    # Not both at once: two LAPACK calls of one program may each wait for threads that the other holds, for ever.
    factors: Array = jax.lax.cond(is_sound.all(), lambda: chol, raised)
    return factors


def panels(num_features: int) -> list[tuple[int, int]]:
    """First column and the one after the last of each panel of a matrix of so many columns."""
    edges = [*range(0, num_features, PANEL), num_features]
    return list(pairwise(edges))


def divided(factors: Array, lower: Array) -> Array:
    """B L^-1 of lower triangular B and L, (K, D, D) both.

    By panels from the last to the first: small inverses in one LAPACK call, matrix products for the rest.
    """
    num_classes, num_features, _ = lower.shape
    spans = panels(num_features)
    size = spans[0][1]
    padding = len(spans) * size - num_features
    # The last panel is filled up with an identity.
    corners = [lower[:, first:last, first:last] for first, last in spans]
    corners[-1] = jnp.pad(corners[-1], ((0, 0), (0, padding), (0, padding)))
    corners[-1] += jnp.diag(jnp.arange(size) >= size - padding).astype(lower.dtype)[None]
    blocks = jnp.stack(corners, axis=1).reshape(-1, size, size)
    inverses = solve_triangular(blocks, jnp.broadcast_to(jnp.eye(size), blocks.shape), lower=True)
    inverses = inverses.reshape(num_classes, len(spans), size, size)

    quotient = jnp.zeros((num_classes, num_features, 0), lower.dtype)  # its columns from `last` on
    for place, (first, last) in reversed(list(enumerate(spans))):
        rest = factors[:, first:, first:last] - quotient[:, first:] @ lower[:, last:, first:last]
        column = rest @ inverses[:, place, : last - first, : last - first]
        above = jnp.zeros((num_classes, first, last - first), lower.dtype)
        quotient = jnp.concatenate([jnp.concatenate([above, column], axis=1), quotient], axis=2)
    return quotient
