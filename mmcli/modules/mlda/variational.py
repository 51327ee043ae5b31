"""Variational inference of latent Dirichlet allocation over several modalities.

N items, K topics, V words of a modality.

Source: Blei, Ng and Jordan (2003), JMLR 3, section 5.2.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.blocks import in_turn
from mmcli.modules.counts import Rows, SparseRows, expected_counts, log_likelihood, row_sums, times
from mmcli.modules.numerics import dirichlet_kl, expected_log

ITEM_SWEEPS = 20


def elbo(
    concentrations: Array, prior: Array, topics: Sequence[Array], words: Sequence[Rows], betas: Sequence[Array]
) -> Array:
    """Evidence lower bound with the words' topics at their optimum, () nats. Hoffman et al. (2010), eq. 4."""
    item_factors = jnp.exp(expected_log(concentrations))
    bound = -dirichlet_kl(concentrations, prior).sum()
    for topic, counts, beta in zip(topics, words, betas, strict=True):
        bound += log_likelihood(item_factors, jnp.exp(expected_log(topic)), counts)
        bound -= dirichlet_kl(topic, jnp.broadcast_to(beta, topic.shape)).sum()
    return bound


def variational_sweep(
    concentrations: Array, topics: Sequence[Array], prior: Array, words: Sequence[Rows], betas: Sequence[Array]
) -> tuple[Array, tuple[Array, ...]]:
    """Run one round of coordinate ascent on q(theta) and q(phi).

    Args:
        concentrations: (N, K) parameters of q(theta).
        topics: (K, V) parameters of q(phi) for each modality.
        prior: (N, K) Dirichlet prior of each item's topics.
        words: (N, V) counts of each modality.
        betas: () Dirichlet prior of each word of a topic, for each modality.

    Returns:
        (N, K) concentrations and (K, V) topics.

    Source: Blei et al. (2003), eqs. 6, 7 and section 5.3.
    """
    item_factors = jnp.exp(expected_log(concentrations))  # (N, K)
    new_concentrations, new_topics = prior, []
    for topic, counts, beta in zip(topics, words, betas, strict=True):
        of_items, of_words = expected_counts(item_factors, jnp.exp(expected_log(topic)), counts)
        new_concentrations = new_concentrations + of_items
        new_topics.append(beta + of_words)
    return new_concentrations, tuple(new_topics)


def item_concentrations(topics: Sequence[Array], prior: Array, words: Sequence[Rows]) -> Array:
    """q(theta) of each item on its own with the topics frozen, (N, K), starting from the mixture's posterior."""
    factors = [jnp.exp(expected_log(topic)) for topic in topics]

    def of_rows(prior: Array, words: Sequence[Rows]) -> tuple[Array, tuple[()]]:
        scores = jnp.log(prior)
        for topic, counts in zip(topics, words, strict=True):
            scores += times(counts, jnp.log(topic / topic.sum(-1, keepdims=True)).T)
        start = prior + jax.nn.softmax(scores, axis=-1) * total_mass(words, prior.shape[0])[:, None]

        def sweep(_: int, concentrations: Array) -> Array:
            item_factors = jnp.exp(expected_log(concentrations))
            new = prior
            for factor, counts in zip(factors, words, strict=True):
                new = new + expected_counts(item_factors, factor, counts)[0]
            return new

        concentrations: Array = jax.lax.fori_loop(0, ITEM_SWEEPS, sweep, start)
        return concentrations, ()

    is_whole = any(isinstance(counts, SparseRows) for counts in words)
    found: Array = (of_rows(prior, words) if is_whole else in_turn(of_rows, (prior, words)))[0]
    return found


def total_mass(words: Sequence[Rows], num_items: int) -> Array:
    """Words of each item over all modalities, (N,)."""
    return sum((row_sums(counts) for counts in words), start=jnp.zeros(num_items))
