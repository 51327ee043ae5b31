"""Labels from which chains of a mixture start: by the child's message, by clusters, by what several inputs share.

N items, K classes, S starts.
"""

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.agglomeration import SMALL_CLUSTER_ITERATIONS, ward
from mmcli.modules.blocks import in_turn
from mmcli.modules.class_count import num_small_clusters
from mmcli.modules.gmm.table import Table
from mmcli.modules.latent_classes import best_classes, num_clusters, views_of
from mmcli.modules.messages import Categorical
from mmcli.modules.numerics import kmeans

# Message rows differ by their logarithms, below this all the same.
LOWEST_LOG_PROB = -8.0
# Probability that a row of the message was put into the right cluster.
CLUSTER_TRUST = 0.9


def propose(key: Array, message: Categorical) -> tuple[Array, Array]:
    """Labels (N,) from the clusters of the message's rows, and the message (N, K) in their numbers."""
    weight, num_classes = message.weight, message.log_probs.shape[1]
    clusters = kmeans(key, jnp.maximum(message.log_probs, LOWEST_LOG_PROB), weight, num_classes)
    trust = CLUSTER_TRUST * weight[:, None] * jax.nn.one_hot(clusters, num_classes)
    trust += (1 - CLUSTER_TRUST * weight[:, None]) / num_classes
    # A missing row has no cluster; the first sweep finds it a class.
    anywhere = jax.random.randint(jax.random.fold_in(key, 0), clusters.shape, 0, num_classes)
    return jnp.where(weight > 0, clusters, anywhere), jnp.log(trust)


def joined_clusters(key: Array, points: Array, weight: Array, num_classes: int) -> Array:
    """Labels (N,) of small clusters of the points (N, D) that are joined to classes; weights (N,) as in `kmeans`."""
    most = num_small_clusters(num_classes, len(points))
    clusters = kmeans(key, points, weight, most, starts=1, iterations=SMALL_CLUSTER_ITERATIONS)

    def of_rows(clusters: Array, weight: Array, points: Array) -> tuple[tuple[()], tuple[Array, Array]]:
        members = weight[None, :] * jax.nn.one_hot(clusters, most, axis=0)  # (L, N)
        return (), (members.sum(-1), members @ points)

    sizes, sums = in_turn(of_rows, (clusters, weight, points))[1]
    centres = sums / jnp.maximum(sizes, 1)[:, None]
    squares = jnp.square(centres).sum(-1)
    distances = jnp.maximum(squares[:, None] + squares[None, :] - 2 * centres @ centres.T, 0)
    return ward(distances, sizes, num_classes)[clusters]


def common_classes(key: Array, table: Table, num_classes: int, num_starts: int) -> Array:
    """Labels (S, N) that the inputs have in common, each reduced to a few clusters of its own, the best first."""
    num_items, num_inputs = table.known.shape
    clusters_key, classes_key = jax.random.split(key)
    most, senses = num_clusters(num_classes, num_items), []
    for number in range(num_inputs):
        known = table.known[:, number]
        own = jnp.where(table.owners[None, :] == number, table.values, 0) * known[:, None]
        clusters = kmeans(jax.random.fold_in(clusters_key, number), own, known, most, starts=1)
        senses.append(jax.nn.one_hot(clusters, most) * known[:, None])
    views = views_of(senses, jnp.full((num_items, 1, num_classes), -jnp.log(num_classes)))
    return best_classes(classes_key, views, num_starts, views).argmax(-1).T
