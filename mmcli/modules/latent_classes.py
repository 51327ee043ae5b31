"""Classes that several views of the same items have in common, found from few words of each view.

Whole views are too rich to begin with: a search over them ends in what one view alone distinguishes. So the rows of
each view are first clustered finer than the classes, and a latent class model of one word a view, its cluster, is
fitted from many random starts, which costs little.

N items, K classes, L clusters of a view, S starts.

Source: Lazarsfeld and Henry (1968); Goodman (1974), doi:10.1093/biomet/61.2.215.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.word_mixtures import Views, beliefs_without, class_shares, fit, score

CLUSTERS, ITEMS_PER_CLUSTER = 50, 8  # of a view: as many as this, or fewer, so that each has some items
SENSE_WORDS = 5.0  # words that a cluster counts for
PSEUDO_COUNT = 0.1  # of a cluster in a class
HOTTEST = 20.0  # temperature
SWEEPS, COOLING_SHARE = 50, 0.7
STARTS_PER_KEPT = 5  # starts for each that goes on


def num_clusters(num_classes: int, num_items: int) -> int:
    """Number of clusters L of a view."""
    return min(CLUSTERS, max(num_classes, num_items // ITEMS_PER_CLUSTER), num_items)


def views_of(senses: Sequence[Array], child: Array) -> Views:
    """Views of one word each, from distributions over clusters (N, L), zeros where an item is missing.

    Args:
        senses: of each view.
        child: (N, 1, K) log probabilities, further evidence.
    """
    known = tuple(sense.sum(-1) for sense in senses)
    words = tuple(SENSE_WORDS * sense for sense in senses)
    return Views(words, (jnp.float32(PSEUDO_COUNT),) * len(words), known, child, jnp.zeros(len(child)))


def latent_classes(key: Array, views: Views, num_starts: int) -> Array:
    """Memberships (N, S, K) of the mixtures that cooling from random starts finds, for views of one word each."""
    num_items, _, num_classes = views.child.shape
    own = jnp.ones(num_starts)

    def sweep(index: Array, memberships: Array) -> Array:
        heat = jnp.maximum(1 - index / (COOLING_SHARE * SWEEPS), 0.0)
        fitted = fit(views, (memberships,) * len(views.words), class_shares(memberships))
        return beliefs_without(fitted, own, jnp.full(num_starts, HOTTEST**heat))[0]

    starts = random_memberships(key, (num_items, num_starts, num_classes))
    found: Array = jax.lax.fori_loop(0, SWEEPS, sweep, starts)
    return found


def best_classes(key: Array, views: Views, num_kept: int, judged_by: Views) -> Array:
    """Memberships (N, S', K) of the latent classes of the highest scores, the best first.

    Args:
        key: randomness of the starts.
        views: of one word each.
        num_kept: S'; STARTS_PER_KEPT times as many are begun.
        judged_by: views of the same items, whole or the same, that decide the scores.
    """

    def judge(group: Array) -> Array:
        return score(judged_by, fit(judged_by, (group,) * len(judged_by.words), class_shares(group)))

    found = latent_classes(key, views, STARTS_PER_KEPT * num_kept)
    groups = found.reshape(len(found), STARTS_PER_KEPT, num_kept, -1).transpose(1, 0, 2, 3)
    scores = jax.lax.map(judge, groups).reshape(-1)  # a group at a time: side by side they would fill the memory
    return found[:, jnp.argsort(-scores)[:num_kept]]


def random_memberships(key: Array, shape: tuple[int, int, int]) -> Array:
    """Memberships (N, S, K), uniform over the simplex."""
    drawn = jax.random.exponential(key, shape)
    return drawn / drawn.sum(-1, keepdims=True)
