"""Mixtures with one class an item over several views, fitted side by side: the search for classes of MLDA.

A view is one source of evidence on an item: the words of an input, or the child's message. The parameters of a view
may be fitted to the beliefs of the other views alone, so that what they find is what the views share; this is
co-EM, and the cavity rule in learning.

Mixtures that found different classes are compared on items that their parameters were not fitted to: where words are
many and items few, parameters fitted to the same items confirm any classes.

N items, R mixtures, K classes, V words, M views. Memberships (N, R, K) are P(class | item).

Source: Nigam et al. (2000), doi:10.1023/A:1007692713085; co-EM: Nigam and Ghani (2000), doi:10.1145/354756.354805,
and Bickel and Scheffer (2004), doi:10.1109/ICDM.2004.10095.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import logsumexp

from mmcli.modules.counts import Rows, times, word_sums
from mmcli.modules.numerics import mutual_information

# Weight of shared information, in nats per item and nat: what one view alone prefers must not outweigh it.
SHARED_WEIGHT = 10.0
FOLDS = 5  # an item is judged by parameters fitted to the items of the others


class Views(NamedTuple):
    """Evidence on the classes.

    Attributes:
        words: (N, V) counts of each view of words.
        betas: () pseudo-count of each word in each class, for each.
        known: (N,) 1 where the view has the item, 0 where not, for each.
        child: (N, 1, K) log probabilities that the child sent, uniform where missing.
        child_known: (N,) 1 where it sent any.
    """

    words: tuple[Rows, ...]
    betas: tuple[Array, ...]
    known: tuple[Array, ...]
    child: Array
    child_known: Array


class Fit(NamedTuple):
    """Mixtures fitted to memberships.

    Attributes:
        log_shares: (R, K) log P(class).
        evidence: (N, R, K) log P(view of the item | class), nats, of each view; 0 where the item is missing.
        log_prior: (R,) log density of the parameters, up to a constant.
    """

    log_shares: Array
    evidence: tuple[Array, ...]
    log_prior: Array

    @property
    def joint(self) -> Array:
        """log P(item, class), (N, R, K) nats."""
        return sum(self.evidence, start=self.log_shares[None])


def class_words(memberships: Array, counts: Rows, beta: Array) -> Array:
    """log P(word | class) after a maximisation step, (R, K, V) nats, of memberships (N, R, K) and counts (N, V)."""
    num_items, num_starts, num_classes = memberships.shape
    class_counts = word_sums(memberships.reshape(num_items, -1), counts) + beta
    log_words = jnp.log(class_counts) - jnp.log(class_counts.sum(-1, keepdims=True))
    return log_words.reshape(num_starts, num_classes, -1)


def class_shares(memberships: Array) -> Array:
    """log P(class) after a maximisation step, (R, K) nats, of memberships (N, R, K)."""
    num_items, _, num_classes = memberships.shape
    return jnp.log(memberships.sum(0) + 1) - jnp.log(num_items + num_classes)


def fit(views: Views, beliefs: Sequence[Array], log_shares: Array) -> Fit:
    """Maximise the parameters of each view of words given the beliefs (N, R, K) for it.

    Source: Nigam et al. (2000), eqs. 5 and 6.
    """
    evidence, log_prior = [], log_shares.sum(-1)
    for counts, beta, belief in zip(views.words, views.betas, beliefs, strict=True):
        log_words = class_words(belief, counts, beta)
        log_prior += beta * log_words.sum((-1, -2))
        evidence.append(log_evidence(counts, log_words))
    return Fit(log_shares, (*evidence, jnp.broadcast_to(views.child, evidence[0].shape)), log_prior)


def log_evidence(counts: Rows, log_words: Array) -> Array:
    """log P(words of an item | class), (N, R, K) nats, of counts (N, V) and log P(word | class) (R, K, V)."""
    num_starts, num_classes, num_words = log_words.shape
    return times(counts, log_words.reshape(-1, num_words).T).reshape(-1, num_starts, num_classes)


def folds(num_items: int) -> np.ndarray:
    """Fold of each item, (N,), the same in every run; drawn, as the order of the items may go with their classes."""
    return np.random.default_rng(0).permutation(num_items) % FOLDS


def fit_held_out(views: Views, memberships: Array) -> Fit:
    """Fit every view to memberships (N, R, K), for each item to those of the other folds; without a prior.

    Source: cross-validated likelihood of mixtures, Smyth (2000), doi:10.1023/A:1008940618127.
    """
    fold = jnp.asarray(folds(len(memberships)))[:, None, None]

    def judge(counts: Rows, beta: Array, number: Array, found: Array) -> Array:
        log_words = class_words(jnp.where(fold == number, 0, memberships), counts, beta)
        return jnp.where(fold == number, log_evidence(counts, log_words), found)

    # A loop, as words of all folds at once would fill the memory.
    evidence = [
        jax.lax.fori_loop(0, FOLDS, partial(judge, counts, beta), jnp.zeros_like(memberships))
        for counts, beta in zip(views.words, views.betas, strict=True)
    ]
    child = jnp.broadcast_to(views.child, memberships.shape)
    return Fit(class_shares(memberships), (*evidence, child), jnp.zeros(memberships.shape[1]))


def class_information(memberships: Array, evidence: Array, known: Array) -> Array:
    """Nats by which a view prefers the class of an item (N, K) to others, by its evidence (N, K): (), its mean."""
    preferred = (memberships - 1 / memberships.shape[-1]) * evidence
    return preferred.sum() / jnp.maximum(known.sum(), 1)


def beliefs_without(fitted: Fit, own: Array, temperature: Array) -> tuple[Array, ...]:
    """Beliefs (N, R, K) by which each view of words is fitted next.

    Args:
        fitted: the last fit.
        own: (R,) share of a view's own evidence in the beliefs for it: 1 is EM, 0 is co-EM.
        temperature: (R,), at least 1.
    """
    joint, left_out = fitted.joint, (1 - own)[None, :, None]
    return tuple(
        jax.nn.softmax((joint - left_out * evidence) / temperature[None, :, None], axis=-1)
        for evidence in fitted.evidence[:-1]  # the last is the child's
    )


def shared_information(views: Views, fitted: Fit) -> Array:
    """Information that a view shares with all others, (R,) nats an item, averaged over the views that have others.

    It is the mutual information of the class by the view alone and the class by the others, over the items that both
    know: at most log K, and 0 where there is one view.
    """
    joint, known = fitted.joint, (*views.known, views.child_known)
    total = jnp.stack(known).sum(0)  # (N,)
    informations, counted = jnp.zeros(joint.shape[1]), jnp.float32(0)
    for evidence, own in zip(fitted.evidence, known, strict=True):
        both = own * (total > own)
        alone = jax.nn.softmax(fitted.log_shares[None] + evidence, axis=-1) * both[:, None, None]
        others = jax.nn.softmax(joint - evidence, axis=-1)
        # One product a mixture; "nrk,nrj->rkj" as a batched product would copy both.
        table = jax.lax.map(lambda pair: pair[0].T @ pair[1], (alone.transpose(1, 0, 2), others.transpose(1, 0, 2)))
        informations += mutual_information(table)
        counted += (both.sum() > 0).astype(float)
    return informations / jnp.maximum(counted, 1)


def score(views: Views, fitted: Fit) -> Array:
    """Score of each mixture, (R,) nats an item: log evidence, and SHARED_WEIGHT times the information that views share.

    The evidence alone prefers what one view distinguishes, however strongly, and the others do not confirm.
    """
    log_joint = logsumexp(fitted.joint, axis=-1).sum(0) + fitted.log_prior
    return log_joint / len(fitted.joint) + SHARED_WEIGHT * shared_information(views, fitted)
