"""Inputs of words: as counts, in few clusters, under a prior, and predicted.

A Categorical input of V classes is one word an item, taken in expectation.

N items, V words, L clusters.
"""

from collections.abc import Sequence
from typing import overload

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.counts import TINY, Rows, SparseRows, row_sums, scaled, times, word_sums
from mmcli.modules.messages import Categorical, Counts, Message, normalized, of_kind
from mmcli.modules.packed import unpacked

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
    """Cluster the rows (N, V) by the Hellinger distance of their shares: (N, L), one-hot; zeros for empty rows."""
    return joint_clusters(key, [counts], [jnp.float32(1)], num_clusters, CLUSTER_ITERATIONS)[0]


def joint_clusters(
    key: Array, views: Sequence[Rows], sizes: Sequence[Array], num_clusters: int, iterations: int
) -> tuple[Array, Array]:
    """Cluster items by the Hellinger distances of their shares in each view, squared and weighted.

    Args:
        key: randomness of the first centres, items of all views where there are any.
        views: (N, V_m) counts; an empty row is missing, and the other views of the item decide.
        sizes: () weight of each view's squared distance.
        num_clusters: L.
        iterations: of k-means.

    Returns:
        (N, L) members of each cluster, one-hot, zeros for items that no view has; (L, L) weighted squared distances of
        the centres, over the views that both have.

    Source: Lloyd (1982), doi:10.1109/TIT.1982.1056489.
    """
    masses = [row_sums(counts) for counts in views]
    known = [(mass > 0).astype(float) for mass in masses]
    # Rows of unit length.
    rows = [
        square_roots(scaled(counts, 1 / jnp.maximum(mass, TINY))) for counts, mass in zip(views, masses, strict=True)
    ]
    num_items, known_views = len(masses[0]), sum(known, start=jnp.zeros(len(masses[0])))
    order = jnp.argsort(jax.random.uniform(key, (num_items,)) - known_views)  # items of more views before others
    first = jax.nn.one_hot(order[jnp.arange(num_clusters) % num_items], num_items, axis=0)  # (N, L)
    there = (known_views > 0).astype(float)

    def members(centres: Sequence[Array]) -> Array:
        distances = jnp.zeros((num_items, num_clusters))
        for row, has, size, centre in zip(rows, known, sizes, centres, strict=True):
            to_centres = jnp.square(centre).sum(-1)[None, :] - 2 * times(row, centre.T)
            distances += size * has[:, None] * to_centres
        return jax.nn.one_hot(distances.argmin(-1), num_clusters) * there[:, None]

    def refine(_: Array, centres: tuple[Array, ...]) -> tuple[Array, ...]:
        belongs, refined = members(centres), []
        for row, has, centre in zip(rows, known, centres, strict=True):
            size = (belongs * has[:, None]).sum(0)[:, None]
            refined.append(jnp.where(size > 0, word_sums(belongs, row) / jnp.maximum(size, 1), centre))
        return tuple(refined)

    centres = jax.lax.fori_loop(0, iterations, refine, tuple(word_sums(first, row) for row in rows))
    belongs, apart = members(centres), jnp.zeros((num_clusters, num_clusters))
    for has, size, centre in zip(known, sizes, centres, strict=True):
        squares, has_view = jnp.square(centre).sum(-1), (belongs * has[:, None]).sum(0) > 0
        both = has_view[:, None] & has_view[None, :]
        apart += size * jnp.where(both, squares[:, None] + squares[None, :] - 2 * centre @ centre.T, 0)
    return belongs, jnp.maximum(apart, 0)


def square_roots(counts: Rows) -> Rows:
    """Square root of every count."""
    if isinstance(counts, SparseRows):
        return counts._replace(values=jnp.sqrt(counts.values))
    return jnp.sqrt(unpacked(counts))
