"""Starts of the search for classes: each view in few words of its own, and the classes that those have in common.

Whole views are too rich to begin with: a search over them ends in what one view alone distinguishes. So the rows of
each view are first clustered finer than the classes, and a latent class model of one word a view is fitted from many
random starts, which costs little.

N items, K classes, V words, L clusters of a view, S starts.

Source: latent classes: Lazarsfeld and Henry (1968), Goodman (1974), doi:10.1093/biomet/61.2.215.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.counts import TINY, Rows, SparseRows, row_sums, scaled, times, word_sums
from mmcli.modules.mlda.mixture import Views, beliefs_without, class_shares, class_words, fit

CLUSTERS, ITEMS_PER_CLUSTER = 50, 8  # of a view: as many as this, or fewer, so that each has some items
CLUSTER_ITERATIONS = 12
MOST_WORDS = 1000.0  # that an item is worth: few items or none disperse less than chance has it
SENSE_WORDS = 5.0  # words that a cluster counts for in the latent class model
HOTTEST = 20.0  # temperature
SWEEPS, COOLING_SHARE = 50, 0.7
STARTS_PER_RESTART = 5  # starts of the latent class model for each that goes on
ITEMS_PER_FOLD = 2  # dispersion is measured on the items that the class words were not estimated from


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


def dispersion(memberships: Array, counts: Rows, beta: Array) -> Array:
    """Variance of the evidence on classes within a class, over that of independent words, ().

    Words of an item depend on each other, so n of them are worth n / dispersion. It is measured along the
    directions that matter, log P(word | k) - log P(word | j), on items that these were not estimated from.

    Args:
        memberships: (N, K), one-hot or zeros.
        counts: (N, V).
        beta: pseudo-count of each word in each class.

    Source: quasi-likelihood, McCullagh and Nelder (1989), section 4.5.
    """
    folds = jnp.arange(len(memberships)) % ITEMS_PER_FOLD
    mass = row_sums(counts)
    found, expected = jnp.float32(0), jnp.float32(0)
    for fold in range(ITEMS_PER_FOLD):
        held_out = memberships * (folds == fold)[:, None]
        log_words = class_words((memberships - held_out)[:, None], counts, beta)[0]  # (K, V)
        words = jnp.exp(log_words)
        cross = (words * log_words) @ log_words.T  # (K, K) E_k[log P(word | k) log P(word | j)]
        means = words @ log_words.T  # (K, K) E_k[log P(word | j)]
        squares = words @ jnp.square(log_words).T
        own_mean, own_square = jnp.diagonal(means)[:, None], jnp.diagonal(squares)[:, None]
        variances = own_square - 2 * cross + squares - jnp.square(own_mean - means)  # (K, K)
        scores = times(counts, log_words.T)  # (N, K)
        evidence = (held_out * scores).sum(-1, keepdims=True) - scores
        evidence *= held_out.sum(-1, keepdims=True)  # of items of the fold
        centres = held_out.T @ evidence / jnp.maximum(held_out.T @ mass, TINY)[:, None]  # (K, K), a word
        residuals = evidence - mass[:, None] * (held_out @ centres)
        found += jnp.square(residuals).sum()
        expected += ((held_out.T @ mass)[:, None] * variances).sum()
    ratio: Array = found / jnp.maximum(expected, TINY)
    return ratio


def effective_words(key: Array, counts: Rows, num_classes: int, beta: Array) -> Array:
    """Independent words that the words of an item (N, V) are worth on average, (), between 1 and MOST_WORDS."""
    mass = row_sums(counts)
    mean_mass = mass.sum() / jnp.maximum((mass > 0).sum(), 1)
    worth = mean_mass / jnp.maximum(dispersion(clusters_of(key, counts, num_classes), counts, beta), TINY)
    return jnp.clip(worth, 1.0, MOST_WORDS)


def latent_classes(key: Array, senses: Sequence[Array], child: Array, num_starts: int) -> Array:
    """Memberships (N, S, K) of a latent class model over views of L words (N, L) each, cooled from random starts.

    Args:
        key: randomness of the starts.
        senses: distributions over the words of each view; zeros where an item is missing.
        child: (N, 1, K) log probabilities, further evidence.
        num_starts: S.
    """
    num_items, _, num_classes = child.shape
    words = tuple(SENSE_WORDS * sense for sense in senses)
    known = tuple(sense.sum(-1) for sense in senses)
    views = Views(words, (jnp.float32(0.1),) * len(words), known, child, jnp.zeros(num_items))
    own = jnp.ones(num_starts)

    def sweep(index: Array, memberships: Array) -> Array:
        heat = jnp.maximum(1 - index / (COOLING_SHARE * SWEEPS), 0.0)
        fitted = fit(views, (memberships,) * len(words), class_shares(memberships))
        return beliefs_without(fitted, own, jnp.full(num_starts, HOTTEST**heat))[0]

    starts = random_memberships(key, (num_items, num_starts, num_classes))
    found: Array = jax.lax.fori_loop(0, SWEEPS, sweep, starts)
    return found


def random_memberships(key: Array, shape: tuple[int, int, int]) -> Array:
    """Memberships (N, S, K), uniform over the simplex."""
    drawn = jax.random.exponential(key, shape)
    return drawn / drawn.sum(-1, keepdims=True)
