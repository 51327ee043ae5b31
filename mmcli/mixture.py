"""Multinomial mixtures, one topic an item, fitted side by side; MLDA looks for its classes with them.

N items, R mixtures, K topics, V words, M modalities. Memberships (N, R, K) are P(topic | item).

Source: Nigam et al. (2000), doi:10.1023/A:1007692713085.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import logsumexp


def topic_words(memberships: Array, counts: Array, beta: float) -> Array:
    """log P(word | topic) after a maximisation step, (R, K, V) nats, of memberships (N, R, K) and counts (N, V)."""
    num_items, num_starts, num_topics = memberships.shape
    topic_counts = memberships.reshape(num_items, -1).T @ counts + beta
    log_topics = jnp.log(topic_counts) - jnp.log(topic_counts.sum(-1, keepdims=True))
    return log_topics.reshape(num_starts, num_topics, -1)


def topic_shares(memberships: Array) -> Array:
    """log P(topic) after a maximisation step, (R, K) nats, of memberships (N, R, K)."""
    num_items, _, num_topics = memberships.shape
    return jnp.log(memberships.sum(0) + 1) - jnp.log(num_items + num_topics)


def topic_scores(memberships: Array, words: Sequence[Array], beta: float) -> Array:
    """Log joint of item and topic after a maximisation step.

    Args:
        memberships: (N, R, K), of R mixtures side by side.
        words: the modalities, (N, V) counts each.
        beta: pseudo-count of each word in each topic.

    Returns:
        (N, R, K) nats: log pi_k + sum of log phi over the item's words.

    Source: Nigam et al. (2000), eqs. 5 and 6.
    """
    scores = topic_shares(memberships)[None]
    for counts in words:
        log_topics = topic_words(memberships, counts, beta)
        scores = scores + (counts @ log_topics.reshape(-1, log_topics.shape[-1]).T).reshape(memberships.shape)
    return scores


def log_posterior(memberships: Array, words: Sequence[Array], child: Array, beta: float) -> Array:
    """log p(words, parameters) of each mixture up to a constant, (R,) nats.

    Args:
        memberships: (N, R, K).
        words: the modalities, (N, V) counts each.
        child: (N, 1, K) log probabilities, what else is known of each item's topic.
        beta: pseudo-count of each word in each topic.
    """
    log_prior = topic_shares(memberships).sum(-1)
    for counts in words:
        log_prior += beta * topic_words(memberships, counts, beta).sum((-1, -2))
    return logsumexp(topic_scores(memberships, words, beta) + child, axis=-1).sum(0) + log_prior
