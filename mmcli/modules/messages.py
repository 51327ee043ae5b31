"""Messages between modules. Rows are items, axis 0 of every array.

Every message carries a weight for each row: 1 where the row is there, 0 where it is missing. A missing row holds
neutral values (zeros, or a uniform distribution); a uniform row of weight 1 is information.

N items, D features, K classes, V words.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.counts import Rows
from mmcli.modules.spec import Kind, ParentPrior, Port

SHARE_COUNT = 1.0  # of each class besides its items, as the gmm has it
DRAWN = 1e-6  # probability of the classes that were not drawn, in a message of drawn ones


class Points(NamedTuple):
    """A point per item. Backward it is the mean of a unit-covariance Gaussian over the parent's points."""

    values: Array  # (N, D)
    weight: Array  # (N,)


class Categorical(NamedTuple):
    """A distribution over K classes per item."""

    log_probs: Array  # (N, K) nats; logsumexp over a row is 0
    weight: Array  # (N,)


class Counts(NamedTuple):
    """Counts of V words in each item: non-negative reals.

    A document without words has weight 1 and carries no evidence. Sparse and packed counts come from observations
    alone and are never combined.
    """

    values: Rows  # (N, V)
    weight: Array  # (N,)


Message: TypeAlias = Points | Categorical | Counts
SomeMessage = TypeVar("SomeMessage", Points, Categorical, Counts)


def of_kind(message: Message, kind: type[SomeMessage]) -> SomeMessage:
    """Narrow a message to the kind that the graph has checked.

    Raises:
        TypeError: it is of another kind.
    """
    if not isinstance(message, kind):
        raise TypeError(f"{type(message).__name__} where {kind.__name__} is expected")
    return message


def neutral(port: Port, num_items: int) -> Message:
    """Message whose rows are all missing: the neutral element of `combine`."""
    shape, weight = (num_items, port.columns), jnp.zeros(num_items)
    match port.kind:
        case Kind.POINTS:
            return Points(jnp.zeros(shape), weight)
        case Kind.CATEGORICAL:
            return Categorical(jnp.full(shape, -jnp.log(port.columns), float), weight)
        case Kind.COUNTS:
            return Counts(jnp.zeros(shape), weight)


def normalized(log_weights: Array, weight: Array | None = None) -> Categorical:
    """Distributions proportional to exp(log_weights), (N, K), and uniform ones where `weight` is 0.

    Args:
        log_weights: (N, K) nats.
        weight: (N,) which rows are there, 1 or 0; all where it is left out.
    """
    weight = jnp.ones(len(log_weights)) if weight is None else weight
    return Categorical(jax.nn.log_softmax(jnp.where(weight[:, None] > 0, log_weights, 0), axis=-1), weight)


def likeliest(message: Categorical) -> Array:
    """Most likely class of each item, (N,) int32; -1 where the row is missing."""
    return jnp.where(message.weight > 0, message.log_probs.argmax(-1), -1).astype(jnp.int32)


def class_prior(message: Categorical, contained: ParentPrior) -> Array:
    """Class probabilities c that the parent's messages contain, (K,)."""
    num_classes = message.log_probs.shape[1]
    if contained == "uniform":
        return jnp.full(num_classes, 1 / num_classes, float)
    counts = message.weight @ jnp.exp(message.log_probs) + SHARE_COUNT
    return counts / counts.sum()


def combine(messages: Sequence[Message]) -> Message:
    """Product of messages about the same rows, all of one kind and width; a row is there where it is in any."""
    first = messages[0]
    if len(messages) == 1:
        return first
    total = jnp.stack([message.weight for message in messages]).sum(0)  # (N,)
    weight = jnp.minimum(total, 1)
    match first:
        case Points():
            every = [of_kind(message, Points) for message in messages]
            values = jnp.stack([message.weight[:, None] * message.values for message in every])  # (M, N, D)
            return Points(values.sum(0) / jnp.maximum(total, 1)[:, None], weight)
        case Categorical():
            log_probs = jnp.stack([of_kind(message, Categorical).log_probs for message in messages])  # (M, N, K)
            return normalized(log_probs.sum(0), weight)
        case Counts():
            return Counts(jnp.stack([_dense(of_kind(message, Counts)) for message in messages]).sum(0), weight)


def _dense(message: Counts) -> Array:
    if not isinstance(message.values, Array):
        raise TypeError("sparse or packed counts are never combined")
    return message.values
