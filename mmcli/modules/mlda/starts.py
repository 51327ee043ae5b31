"""What the words of an input are worth.

N items, K classes, V words.
"""

import jax.numpy as jnp
from jax import Array

from mmcli.modules.counts import TINY, Rows, row_sums, times
from mmcli.modules.word_mixtures import FOLDS, class_words, folds
from mmcli.modules.words import clusters_of

MOST_WORDS = 1000.0  # that an item is worth: few items or none disperse less than chance has it


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
    fold, mass = folds(len(memberships)), row_sums(counts)
    found, expected = jnp.float32(0), jnp.float32(0)
    for number in range(FOLDS):
        held_out = memberships * (fold == number)[:, None]
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
