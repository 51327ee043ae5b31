"""Multinomial mixtures, one topic an item, fitted side by side; MLDA looks for its classes with them.

N items, R mixtures, K topics, V words, M modalities. Memberships (N, R, K) are P(topic | item).

Source: Nigam et al. (2000), doi:10.1023/A:1007692713085.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import logsumexp

TINY = 1e-30  # keeps logarithms and shares of nothing finite


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


def topic_scores(memberships: Array, words: Sequence[Array], hears: Array, beta: float) -> Array:
    """Log joint of item and topic after a maximisation step.

    Args:
        memberships: (N, R, K), of R mixtures side by side.
        words: the modalities.
        hears: (M, R) 1 where a mixture takes a modality into account, 0 where not.
        beta: pseudo-count of each word in each topic.

    Returns:
        (N, R, K) nats: log pi_k + sum of log phi over the item's words.

    Source: Nigam et al. (2000), doi:10.1023/A:1007692713085, eqs. 5 and 6.
    """
    scores = topic_shares(memberships)[None]
    for counts, heard in zip(words, hears, strict=True):
        log_topics = topic_words(memberships, counts, beta)
        flat = counts @ log_topics.reshape(-1, log_topics.shape[-1]).T
        scores = scores + heard[None, :, None] * flat.reshape(memberships.shape)
    return scores


def merits(memberships: Array, observed: Sequence[Array], told: Sequence[Array], child: Array, beta: float) -> Array:
    """What each of R mixtures is chosen by, (R,) nats.

    log p(observed, parameters) + sum over messages of n log [p(message | observed) / p(message)], n the words
    observed of the item: the evidence of what was observed, and as often as it was observed the information it
    shares with what the parents say, the topics being the channel. The joint evidence would reward a class
    that one parent sees and nothing else confirms.

    Args:
        memberships: (N, R, K).
        observed: modalities that the choice has to explain.
        told: modalities that are a parent's own inference.
        child: (N, 1, K) the child's log probabilities.
        beta: pseudo-count of each word in each topic.
    """
    log_shares = topic_shares(memberships)  # (R, K)
    scores = topic_scores(memberships, observed, jnp.ones((len(observed), memberships.shape[1])), beta) + child
    log_prior = log_shares.sum(-1)
    for counts in observed:
        log_prior += beta * topic_words(memberships, counts, beta).sum((-1, -2))
    total = logsumexp(scores, axis=-1).sum(0) + log_prior
    posterior = jax.nn.softmax(scores, axis=-1)
    num_words = sum(counts.sum(-1) for counts in observed)  # (N,)
    for counts in told:
        told_mass = counts.sum(-1)  # (N,)
        probs = counts / jnp.maximum(told_mass, TINY)[:, None]
        word_topics = jax.nn.softmax(topic_words(memberships, counts, beta) + log_shares[:, :, None], axis=1)
        told_topics = (probs @ word_topics.reshape(-1, counts.shape[1]).T).reshape(posterior.shape)  # (N, R, K)
        shared = jnp.log((posterior * told_topics / jnp.exp(log_shares)[None]).sum(-1) + TINY)  # (N, R)
        total += (jnp.where(told_mass > 0, num_words, 0)[:, None] * shared).sum(0)
    return total
