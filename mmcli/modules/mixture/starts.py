"""Memberships from which the updates of a mixture start, by what its inputs share or by one of them.

N items, K classes, L clusters, S starts.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.api import Inputs
from mmcli.modules.latent_classes import best_classes, num_clusters, views_of
from mmcli.modules.messages import Categorical, Message, Points, of_kind
from mmcli.modules.mixture.posterior import Setting
from mmcli.modules.numerics import kmeans
from mmcli.modules.words import as_counts, clusters_of

LATENT_CLASS_SHARE = 1 / 2  # of the starts, where there are several inputs; the others are clusters of one input


def make_starts(setting: Setting, key: Array, inputs: Inputs) -> Array:
    """Memberships (S, N, K), numbered like the child's classes where it sent any."""
    options, num_items = setting.options, len(inputs.child.weight)
    one_key, common_key = jax.random.split(key)
    num_common = int(LATENT_CLASS_SHARE * options.restarts) if len(setting.kinds) > 1 else 0
    keys = jax.random.split(one_key, options.restarts - num_common)
    starts = []
    for place, message in enumerate(inputs.parents[: len(keys)]):
        cluster = partial(clusters, message=message, num_found=options.width)
        found = jax.lax.map(cluster, keys[place :: len(inputs.parents)])
        starts += [*jnp.where(found.sum(-1, keepdims=True) > 0, found, 1 / options.width)]
    if num_common:
        clusters_key, classes_key = jax.random.split(common_key)
        most = num_clusters(options.width, num_items)
        senses = [
            as_counts(message, 1.0)
            if isinstance(message, Categorical)
            else clusters(jax.random.fold_in(clusters_key, place), message, most)
            for place, message in enumerate(inputs.parents)
        ]
        views = views_of(senses, jnp.full((num_items, 1, options.width), -jnp.log(options.width)))
        starts += [*best_classes(classes_key, views, num_common, views).transpose(1, 0, 2)]
    return jax.vmap(lambda start: numbered_like(of_kind(inputs.child, Categorical), start))(jnp.stack(starts))


def clusters(key: Array, message: Message, num_found: int) -> Array:
    """Clusters of the rows of an input, (N, L) one-hot; zeros where missing."""
    if not isinstance(message, Points):
        return clusters_of(key, as_counts(message, None), num_found)
    values = jnp.where(message.weight[:, None] > 0, message.values, 0)
    found = kmeans(key, values, message.weight, num_found, starts=1)
    return message.weight[:, None] * jax.nn.one_hot(found, num_found)


def numbered_like(message: Categorical, memberships: Array) -> Array:
    """Memberships (N, K) with the numbers of the classes that the message has of the same items, pair by pair."""
    table = memberships.T @ (message.weight[:, None] * jnp.exp(message.log_probs))  # (K, K)

    def assign(_: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        left, order = carry
        own, number = jnp.divmod(left.argmax(), len(left))
        return left.at[own].set(-1).at[:, number].set(-1), order.at[number].set(own)

    order = jax.lax.fori_loop(0, len(table), assign, (table, jnp.zeros(len(table), int)))[1]
    return memberships[:, order]
