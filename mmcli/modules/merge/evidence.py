"""Evidence on the merged class, whichever way it is found, and how far the inputs agree on it.

N items, M inputs, K merged classes.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import logsumexp

from mmcli.modules.api import Inputs
from mmcli.modules.messages import Categorical, of_kind
from mmcli.modules.numerics import TINY


class Evidence(NamedTuple):
    """Evidence on the merged class.

    Attributes:
        own: (M, N, K) log P(input m of item t | class) - log P(input m of item t), nats; 0 where missing.
        known: (M, N) 1 where the input has the item, else 0.
        sent: (N, K) log probabilities that the child sent, 0 where missing.
        received: (N,) 1 where it sent any.
    """

    own: Array
    known: Array
    sent: Array
    received: Array

    @classmethod
    def of(cls, own: list[Array], inputs: Inputs) -> "Evidence":
        """Evidence of the messages, of which `own` (N, K) each are the parents'; missing rows may hold any number."""
        known = jnp.stack([message.weight for message in inputs.parents])
        child = of_kind(inputs.child, Categorical)
        sent = jnp.where(child.weight[:, None] > 0, child.log_probs, 0)
        return cls(jnp.where(known[:, :, None] > 0, jnp.stack(own), 0), known, sent, child.weight)

    @property
    def others(self) -> Array:
        """(M, N, K) sum of the evidence of all inputs but each."""
        # Summed anew, not subtracted: what is left out may be larger than all else by more digits than float32 has.
        kept = ~jnp.eye(len(self.own), dtype=bool)
        return jnp.stack([jnp.where(row[:, None, None], self.own, 0).sum(0) for row in kept])


def shared_evidence(log_shares: Array, evidence: Evidence) -> Array:
    """log p(all inputs) - sum_m log p(input m), summed over items: () nats that the inputs share by the classes."""
    there = evidence.known.max(axis=0) > 0
    joint = log_shares[None, :] + evidence.own.sum(0)
    return jnp.where(there, logsumexp(joint, axis=-1), 0).sum()


def kappas(signs: Array, num_classes: int) -> Array:
    """Cohen's kappa of each pair of inputs, (M, M), over the items that both know; 0 where there is none.

    Args:
        signs: (M, N) int32 class of each item by each input, -1 where missing.
        num_classes: K.

    Source: Cohen (1960), doi:10.1177/001316446002000104.
    """
    numbers = range(len(signs))
    found = jnp.eye(len(signs))
    for one, other in itertools.combinations(numbers, 2):
        both = ((signs[one] >= 0) & (signs[other] >= 0)).astype(float)
        total = jnp.maximum(both.sum(), 1)
        agreed = (both * (signs[one] == signs[other])).sum() / total
        # A sign of -1 adds nothing.
        shares = [both @ jax.nn.one_hot(signs[place], num_classes) / total for place in (one, other)]
        by_chance = shares[0] @ shares[1]
        kappa = (agreed - by_chance) / jnp.maximum(1 - by_chance, TINY)
        found = found.at[one, other].set(kappa).at[other, one].set(kappa)
    return found


def mean_kappa(signs: Array, num_classes: int) -> Array:
    """Cohen's kappa, averaged over the pairs of inputs, ()."""
    num_inputs = len(signs)
    return (kappas(signs, num_classes).sum() - num_inputs) / (num_inputs * (num_inputs - 1))
