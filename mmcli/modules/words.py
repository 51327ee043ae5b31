"""Inputs of words: as counts, in few clusters, under a prior, and predicted.

A Categorical input of V classes is one word an item, taken in expectation.

N items, V words, L clusters.
"""

from typing import overload

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.counts import TINY, Rows, SparseRows, row_sums, scaled, times, word_sums
from mmcli.modules.messages import Categorical, Counts, Message, normalized, of_kind

BETA = 0.1  # pseudo-count of a word, or less where words are rarer than one a class
CLUSTER_ITERATIONS = 12


@overload
def as_counts(message: Categorical, weight: float | Array | None) -> Array: ...
@overload
def as_counts(message: Message, weight: float | Array | None) -> Rows: ...
def as_counts(message: Message, weight: float | Array | None) -> Rows:
    """A modality's rows as (N, V) counts, scaled to sum to `weight` or left as they come; zeros where missing."""
    if isinstance(message, Counts):
        values = message.values
    else:
        values = jnp.where(message.weight[:, None] > 0, jnp.exp(of_kind(message, Categorical).log_probs), 0)
    return values if weight is None else scaled(values, weight / jnp.maximum(row_sums(values), TINY))


def pseudo_count(counts: Rows, num_classes: int) -> Array:
    """Dirichlet prior of each word (N, V) of a class, (): BETA, or less where words are rarer than one a class."""
    a_class = row_sums(counts).sum() / (num_classes * counts.shape[1])
    return BETA * jnp.clip(a_class, TINY, 1.0)


def prediction(log_probs: Array, sent: Message, informed: Array) -> Message:
    """Prediction of a modality from the log probabilities (N, V) of its words, in the kind of the message it sent.

    As many words as were sent, one where none were. To a parent that infers, a row is missing where there is no
    other evidence on the item, `informed` (N,) is False: class shares alone are no evidence for the parent.
    """
    if isinstance(sent, Counts):
        mass = row_sums(sent.values)[:, None]
        return Counts(jnp.exp(log_probs) * jnp.where(mass > 0, mass, 1), jnp.ones_like(sent.weight))
    return normalized(log_probs, informed.astype(float))


def clusters_of(key: Array, counts: Rows, num_clusters: int) -> Array:
    """Cluster the rows (N, V) by the Hellinger distance of their shares: (N, L), one-hot; zeros for empty rows.

    Source: Lloyd (1982), doi:10.1109/TIT.1982.1056489.
    """
    mass = row_sums(counts)
    there = (mass > 0).astype(float)
    rows = square_roots(scaled(counts, 1 / jnp.maximum(mass, TINY)))  # of unit length
    num_items = len(mass)
    order = jnp.argsort(jax.random.uniform(key, (num_items,)) - there)  # known rows before others
    first = order[jnp.arange(num_clusters) % num_items]
    centres = word_sums(jax.nn.one_hot(first, num_items, axis=0), rows)  # (L, V)

    def members(centres: Array) -> Array:
        distances = jnp.square(centres).sum(-1)[None, :] - 2 * times(rows, centres.T)
        return jax.nn.one_hot(distances.argmin(-1), num_clusters) * there[:, None]

    def refine(_: Array, centres: Array) -> Array:
        belongs = members(centres)
        size = belongs.sum(0)[:, None]
        return jnp.where(size > 0, word_sums(belongs, rows) / jnp.maximum(size, 1), centres)

    return members(jax.lax.fori_loop(0, CLUSTER_ITERATIONS, refine, centres))


def square_roots(counts: Rows) -> Rows:
    """Square root of every count."""
    if isinstance(counts, SparseRows):
        return counts._replace(values=jnp.sqrt(counts.values))
    return jnp.sqrt(counts)
