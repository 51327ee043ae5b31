"""Forward and backward passes along sequences of states.

Both passes multiply by one matrix a row, which is associative: the rows are divided into about sqrt(N) blocks, the
products of all blocks are computed side by side, and from the states before and after each block its rows follow,
again for all blocks side by side. That takes about 5 sqrt(N) steps in place of 2 N. Weights are scaled at every row,
so that nothing underflows in long sequences.

N rows, K states, B blocks of L rows. Within the passes states are axis 0, so that the long axis is contiguous.

Source: Rabiner (1989), doi:10.1109/5.18626, section V.A; the blocks: Blelloch (1990), Prefix sums and their
applications, CMU-CS-90-190.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

SMALLEST = 1e-15  # weight of a chain: two of them and evidence multiplied stay above the smallest float32


class Chain(NamedTuple):
    """Weights of the paths of a chain, SMALLEST or more: probabilities, or exponentials of expected logarithms."""

    initial: Array  # (K,)
    transitions: Array  # (K, K) from the state of the row to that of the column


class Smoothed(NamedTuple):
    """Evidence on the state of each row, of its own and of the rows around it."""

    evidence: Array  # (N, K) p(evidence of t | z_t), relative to the highest of the row
    filtered: Array  # (N, K) P(z_t | evidence of its sequence up to t)
    predicted: Array  # (N, K) P(z_t | evidence before t), positive
    remaining: Array  # (N, K) p(evidence after t | z_t), relative to the highest of the row, positive
    log_norms: Array  # (N,) log p(evidence of t | evidence before t)

    @property
    def log_cavity(self) -> Array:
        """log P(z_t | evidence of all rows but t), (N, K) nats, up to a constant a row."""
        return jnp.log(self.predicted) + jnp.log(self.remaining)


def smooth(chain: Chain, log_evidence: Array, starts: Array) -> Smoothed:
    """Run both passes.

    Args:
        chain: weights of paths.
        log_evidence: (N, K) log p(evidence of row t | z_t), nats.
        starts: (N,) bool, True at the first row of each sequence; the first of all is one.
    """
    num_rows, num_states = log_evidence.shape
    highest = log_evidence.max(axis=1)
    evidence = jnp.exp(log_evidence - highest[:, None])
    rows = _in_blocks(evidence, starts)

    def follow(before: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        after = advance(chain, before, row[1]) * row[0]
        after = after / after.sum(0, keepdims=True)
        return after, after

    def precede(after: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        weighted = row[0] * after
        before = jnp.where(row[1][None, :], (chain.initial @ weighted)[None, :], chain.transitions @ weighted)
        return before / before.max(0, keepdims=True), after

    before, after = _around_blocks(_products(chain, rows))
    _, filtered = jax.lax.scan(follow, before, rows)
    _, remaining = jax.lax.scan(precede, after, rows, reverse=True)

    filtered, remaining = (
        array.transpose(2, 0, 1).reshape(-1, num_states)[:num_rows] for array in (filtered, remaining)
    )
    predicted = advance(chain, jnp.roll(filtered, 1, axis=0).T, starts).T
    log_norms = jnp.log((predicted * evidence).sum(-1)) + highest
    return Smoothed(evidence, filtered, predicted, remaining, log_norms)


def advance(chain: Chain, before: Array, starts: Array) -> Array:
    """Weights (K, R) of the states of R rows from those of the rows before them, which first rows forget."""
    anew = before.sum(0, keepdims=True) * chain.initial[:, None]
    return jnp.where(starts[None, :], anew, chain.transitions.T @ before)


def _in_blocks(evidence: Array, starts: Array) -> tuple[Array, Array]:
    """Evidence (L, K, B) and first rows (L, B), filled up with sequences of one row."""
    num_rows, num_states = evidence.shape
    length = math.isqrt(num_rows - 1) + 1
    num_blocks = -(-num_rows // length)
    padding = num_blocks * length - num_rows
    evidence = jnp.pad(evidence, ((0, padding), (0, 0)), constant_values=1)
    starts = jnp.pad(starts, (0, padding), constant_values=True)
    return evidence.reshape(num_blocks, length, num_states).transpose(1, 2, 0), starts.reshape(num_blocks, length).T


def _products(chain: Chain, rows: tuple[Array, Array]) -> Array:
    """Weights (K, K, B) of the states after each block, axis 0, by those before it, axis 1."""
    (_, num_states, num_blocks), dtype = rows[0].shape, rows[0].dtype

    def follow(before: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
        evidence, starts = row
        total = before.sum((0, 1))  # (B,) of the row before: one pass over the weights less
        columns = before.reshape(num_states, -1)
        after = advance(chain, columns, jnp.tile(starts, num_states)).reshape(before.shape)
        return after * (evidence / total[None, :])[:, None, :], None

    nothing = jnp.broadcast_to(jnp.eye(num_states, dtype=dtype)[:, :, None], (num_states, num_states, num_blocks))
    products: Array = jax.lax.scan(follow, nothing, rows)[0]
    return products


def _around_blocks(products: Array) -> tuple[Array, Array]:
    """Weights (K, B) of the states before each block, and likelihoods (K, B) of all that comes after it."""
    num_states = products.shape[0]
    by_block = products.transpose(2, 0, 1)

    def follow(before: Array, product: Array) -> tuple[Array, Array]:
        after = product @ before
        return after / after.sum(), before

    def precede(after: Array, product: Array) -> tuple[Array, Array]:
        before = after @ product
        return before / before.max(), after

    even = jnp.full(num_states, 1 / num_states, products.dtype)  # the first row forgets it
    _, before = jax.lax.scan(follow, even, by_block)
    _, after = jax.lax.scan(precede, jnp.ones_like(even), by_block, reverse=True)
    return before.T, after.T
