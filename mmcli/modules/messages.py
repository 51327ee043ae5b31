"""What modules say to each other. Rows are items, axis 0 of every array.

N items, D features, K classes, V words.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.registry import Kind, Port


class Points(NamedTuple):
    """A point per item. Backward it is the mean of a unit-covariance Gaussian over the parent's points."""

    values: Array  # (N, D)
    weight: Array  # (N,) 1 where the point is known, 0 where the row says nothing


class Categorical(NamedTuple):
    """A distribution over K classes per item."""

    log_probs: Array  # (N, K) nats; logsumexp over a row is 0


class Counts(NamedTuple):
    """How often each of V words occurred in each item: non-negative reals.

    Sparse ones come from observations alone; nobody combines them.
    """

    values: Any  # (N, V), an Array or, sparse, counts.SparseRows


Message: TypeAlias = Points | Categorical | Counts


def neutral(port: Port, num_items: int) -> Message:
    """The message that says nothing: combining it with another gives the other."""
    match port.kind:
        case Kind.POINTS:
            return Points(jnp.zeros((num_items, port.width)), jnp.zeros(num_items))
        case Kind.CATEGORICAL:
            return Categorical(jnp.full((num_items, port.width), -jnp.log(port.width), float))
        case Kind.COUNTS:
            return Counts(jnp.zeros((num_items, port.width)))


def normalized(log_weights: Array) -> Categorical:
    """The distribution proportional to exp(log_weights), (N, K)."""
    return Categorical(jax.nn.log_softmax(log_weights, axis=-1))


def combine(messages: Sequence[Message]) -> Message:
    """The product of what one or several modules say of the same rows; all of one kind and width."""
    if len(messages) == 1:
        return messages[0]
    match messages[0]:
        case Points():
            weight = jnp.stack([message.weight for message in messages])  # (M, N)
            values = jnp.stack([message.values for message in messages])  # (M, N, D)
            total = weight.sum(0)
            mean = (weight[:, :, None] * values).sum(0) / jnp.maximum(total, 1)[:, None]
            return Points(mean, jnp.minimum(total, 1))
        case Categorical():
            return normalized(jnp.stack([message.log_probs for message in messages]).sum(0))
        case Counts():
            return Counts(jnp.stack([message.values for message in messages]).sum(0))
