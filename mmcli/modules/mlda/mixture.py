"""Multinomial mixtures, one topic an item, fitted side by side: the search for classes of MLDA.

N items, R mixtures, K topics, V words, M modalities. Memberships (N, R, K) are P(topic | item).

Source: Nigam et al. (2000), doi:10.1023/A:1007692713085.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import logsumexp

from mmcli.modules.counts import TINY, Rows, row_sums, times, word_sums

SHARED_WEIGHT = 2.0  # of shared information, per word observed


def topic_words(memberships: Array, counts: Rows, beta: float) -> Array:
    """log P(word | topic) after a maximisation step, (R, K, V) nats, of memberships (N, R, K) and counts (N, V)."""
    num_items, num_starts, num_topics = memberships.shape
    topic_counts = word_sums(memberships.reshape(num_items, -1), counts) + beta
    log_topics = jnp.log(topic_counts) - jnp.log(topic_counts.sum(-1, keepdims=True))
    return log_topics.reshape(num_starts, num_topics, -1)


def topic_shares(memberships: Array) -> Array:
    """log P(topic) after a maximisation step, (R, K) nats, of memberships (N, R, K)."""
    num_items, _, num_topics = memberships.shape
    return jnp.log(memberships.sum(0) + 1) - jnp.log(num_items + num_topics)


def topic_scores(memberships: Array, words: Sequence[Rows], beta: float) -> Array:
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
        scores = scores + times(counts, log_topics.reshape(-1, log_topics.shape[-1]).T).reshape(memberships.shape)
    return scores


def selection_scores(
    memberships: Array, observed: Sequence[Rows], inferred: Sequence[Array], child: Array, beta: float
) -> Array:
    """Selection score of each of R mixtures, (R,) nats.

    log p(observed, parameters) + 2 n I, with n the number of words observed and I the mean over items, of those
    that have both, of log [p(message | observed) / p(message)], a message after the other: the evidence of
    the observations, and the information they share with the parents' inferences, the topics being the channel.
    The joint evidence would reward a class that one parent infers and nothing else confirms.

    Args:
        memberships: (N, R, K).
        observed: modalities that the choice has to explain, (N, V) counts each.
        inferred: modalities that are a parent's own inference, (N, V) counts each, dense; zeros where missing.
        child: (N, 1, K) log probabilities, further evidence on each item's topic.
        beta: pseudo-count of each word in each topic.
    """
    log_shares = topic_shares(memberships)  # (R, K)
    scores = topic_scores(memberships, observed, beta) + child
    evidence = logsumexp(scores, axis=-1).sum(0) + log_shares.sum(-1)
    num_words = jnp.zeros(memberships.shape[0])
    for counts in observed:
        evidence += beta * topic_words(memberships, counts, beta).sum((-1, -2))
        num_words += row_sums(counts)
    posterior = jax.nn.softmax(scores, axis=-1)
    shared = jnp.zeros_like(evidence)
    for counts in inferred:
        mass = counts.sum(-1, keepdims=True)  # (N, 1)
        both = (mass > 0) & (num_words[:, None] > 0)
        word_topics = jax.nn.softmax(topic_words(memberships, counts, beta) + log_shares[:, :, None], axis=1)
        probs = counts / jnp.maximum(mass, TINY)
        word_posterior = (probs @ word_topics.reshape(-1, counts.shape[1]).T).reshape(posterior.shape)  # (N, R, K)
        information = jnp.log((posterior * word_posterior / jnp.exp(log_shares)[None]).sum(-1) + TINY)  # (N, R)
        shared += jnp.where(both, information, 0).sum(0) / jnp.maximum(both.sum(), 1)
    return evidence + SHARED_WEIGHT * num_words.sum() * shared
