"""Agglomerative clustering, from many small clusters to a few classes: a start that few items suffice for.

Random starts of many classes, or of few items a class, nearly all join some classes and split others, and nothing
that follows mends it; merging the nearest clusters seldom does.

L clusters, K classes.
"""

import jax
import jax.numpy as jnp
from jax import Array

SMALL_CLUSTER_ITERATIONS = 3  # of k-means: the clusters that are joined need not be the tightest


def ward(squared_distances: Array, sizes: Array, num_classes: int) -> Array:
    """Class (L,) int32 of each cluster, merging the two that add least to the squares within, until K are left.

    Args:
        squared_distances: (L, L) between the centres.
        sizes: (L,) items of each cluster; those of 0 are left out and have any class.
        num_classes: K.

    Source: Ward (1963), doi:10.1080/01621459.1963.10500845; update: Lance and Williams (1967),
    doi:10.1093/comjnl/9.4.373.
    """
    num_clusters = len(sizes)
    there = sizes > 0
    pairs = there[:, None] & there[None, :] & ~jnp.eye(num_clusters, dtype=bool)
    weight = sizes[:, None] * sizes[None, :] / jnp.maximum(sizes[:, None] + sizes[None, :], 1)
    costs = jnp.where(pairs, weight * squared_distances, jnp.inf)

    def merge(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        costs, sizes, merged = carry
        kept = costs.min(axis=1).argmin()  # far faster than one argmin over all
        gone = costs[kept].argmin()
        cost, total = costs[kept, gone], sizes + sizes[kept] + sizes[gone]
        row = (sizes + sizes[kept]) * costs[kept] + (sizes + sizes[gone]) * costs[gone] - sizes * cost
        place = jnp.arange(num_clusters)
        row = jnp.where((sizes > 0) & (place != kept) & (place != gone), row / jnp.maximum(total, 1), jnp.inf)
        costs = costs.at[kept].set(row).at[:, kept].set(row).at[gone].set(jnp.inf).at[:, gone].set(jnp.inf)
        sizes = sizes.at[kept].add(sizes[gone]).at[gone].set(0)
        return costs, sizes, jnp.where(merged == gone, kept, merged)

    def too_many(carry: tuple[Array, Array, Array]) -> Array:
        return (carry[1] > 0).sum() > num_classes

    start = (costs, sizes, jnp.arange(num_clusters))
    _, sizes, merged = jax.lax.while_loop(too_many, merge, start)
    numbers = jnp.maximum((sizes > 0).cumsum() - 1, 0)
    classes: Array = numbers[merged].astype(jnp.int32)
    return classes
