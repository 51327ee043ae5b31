"""Joining two classes where the bound rises by it: so a truncated Dirichlet process loses the classes it has too many.

Variational sweeps alone seldom leave a group that two classes share. The gain of a merge is exact: with memberships
given and parameters at their optimum the bound is the log evidence of the classes plus the entropy of the memberships,
and sufficient statistics add up.

N items, K classes, V words.

Source: Hughes and Sudderth (2013), Memoized online variational inference for Dirichlet process mixture models, NIPS 26.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import gammaln, xlogy

from mmcli.modules.gaussians import Niw, Prior
from mmcli.modules.mixture.points import Stack, log_evidence, merged
from mmcli.modules.mixture.posterior import Data, Posterior, Priors

LEAST_GAIN = 1e-3  # nats; less is rounding


def merge(share_prior: float, data: Data, priors: Priors, posterior: Posterior, memberships: Array) -> Array:
    """Memberships (N, K) with the two classes joined by which the bound rises most, or as they are if by none.

    Args:
        share_prior: Dirichlet prior of the share of a class.
        data: the inputs.
        priors: of the parameters.
        posterior: `fit` to the memberships.
        memberships: (N, K).
    """
    gains = merge_gains(share_prior, data, priors, posterior, memberships)
    first, second = jnp.divmod(gains.argmax(), len(gains))
    moved = memberships[:, first]
    joined = memberships.at[:, second].add(moved).at[:, first].set(0)
    return jnp.where(gains.max() > LEAST_GAIN, joined, memberships)


def merge_gains(share_prior: float, data: Data, priors: Priors, posterior: Posterior, memberships: Array) -> Array:
    """Rise of the bound when class i (row) becomes part of class j (column), (K, K) nats; -inf for i = j."""
    members = data.there[:, None] * memberships
    messages = members.T @ data.message  # (K, K) of the items of i, as of class j

    def gains_of(first: Array) -> Array:
        joined = members + members[:, first][:, None]
        entropy = -(xlogy(joined, joined) - xlogy(members, members)).sum(0)
        entropy += xlogy(members[:, first], members[:, first]).sum()
        own = posterior.shares[first] - share_prior
        shares = gammaln(posterior.shares + own) - gammaln(posterior.shares)
        gain = entropy + shares + gammaln(share_prior) - gammaln(posterior.shares[first])
        for words, beta in zip(posterior.words, priors.words, strict=True):
            every, one = _word_evidence(words, beta), _word_evidence(words[first][None], beta)
            gain += _word_evidence(words + words[first][None] - beta, beta) - every - one
        if data.points is not None and priors.points is not None and posterior.points is not None:
            gain += _point_gains(data.points, priors.points, posterior.points, first)
        return gain + messages[first] - messages[first, first]

    numbers = jnp.arange(members.shape[1])
    gains = jax.lax.map(gains_of, numbers)
    is_pair = numbers[:, None] != numbers[None, :]
    return jnp.where(is_pair & jnp.isfinite(gains), gains, -jnp.inf)


def _word_evidence(words: Array, beta: Array) -> Array:
    """log p(words of a class) with its parameters integrated out, (K,) nats, of a posterior (K, V)."""
    total = words.shape[1] * beta
    return (gammaln(words) - gammaln(beta)).sum(-1) + gammaln(total) - gammaln(words.sum(-1))


def _point_gains(stack: Stack, priors: Prior, posteriors: Niw, first: Array) -> Array:
    """Rise of the log evidence of points when `first` becomes part of each class, (K,) nats."""

    def gains(one: tuple[Stack, Prior, Niw]) -> Array:
        own, prior, niw = one
        each = log_evidence(own, prior, niw)
        return log_evidence(own, prior, merged(prior, niw, first)) - each - each[first]

    every: Array = jax.lax.map(gains, (stack, priors, posteriors))
    return every.sum(0)
