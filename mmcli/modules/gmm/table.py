"""Inputs of a mixture side by side: one table of points, of which whole inputs may be missing.

N items, M inputs, D columns of all inputs together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.modules.gaussians import Data, Prior
from mmcli.modules.messages import Message, Points, of_kind


class Table(NamedTuple):
    """Points of all inputs side by side."""

    values: Array  # (N, D); any number where the input is missing
    known: Array  # (N, M) 1 where the input is there, else 0
    owners: Array  # (D,) int32, the input of each column

    @property
    def is_single(self) -> bool:
        """Whether there is one input, so that no item is known in part."""
        return self.known.shape[1] == 1

    @property
    def weight(self) -> Array:
        """(N,) 1 where any input is there, else 0."""
        return self.known.max(axis=1)

    @property
    def column_known(self) -> Array:
        """(N, D) 1 where the value is there, else 0."""
        return self.known[:, self.owners]


def side_by_side(parents: Sequence[Message]) -> Table:
    """Table of the messages of all parents."""
    points = [of_kind(message, Points) for message in parents]
    widths = [message.values.shape[1] for message in points]
    return Table(
        jnp.concatenate([message.values for message in points], axis=1),
        jnp.stack([message.weight for message in points], axis=1),
        jnp.repeat(jnp.arange(len(points)), np.array(widths), total_repeat_length=sum(widths)),
    )


def prepare(table: Table, prior: Prior) -> Data:
    """Centre the points by the prior: moments of far-off data would cancel in float32."""
    centred = (table.values - prior.centre[None, :]) * (table.known if table.is_single else table.column_known)
    return Data(prior, centred, table.weight)


def apart(values: Array, parents: Sequence[Message]) -> tuple[Points, ...]:
    """Points for each parent, all there, from the values (N, D) of all inputs."""
    widths = [of_kind(message, Points).values.shape[1] for message in parents]
    parts = jnp.split(values, np.cumsum(widths)[:-1], axis=1)
    return tuple(Points(part, jnp.ones(len(values))) for part in parts)


def balanced(table: Table) -> Array:
    """Values (N, D) centred and scaled so that no input decides distances, 0 where missing.

    An input's items have a mean square length of 1; one input alone stays as it is.
    """
    if table.is_single:
        return table.values
    known = table.column_known
    means = (known * table.values).sum(0) / jnp.maximum(known.sum(0), 1)  # (D,)
    centred = known * (table.values - means[None, :])
    squares = jnp.square(centred).sum(0) / jnp.maximum(known.sum(0), 1)  # (D,)
    lengths = jnp.zeros(table.known.shape[1]).at[table.owners].add(squares)  # (M,)
    scales = jnp.where(lengths > 0, 1 / jnp.sqrt(jnp.where(lengths > 0, lengths, 1)), 0)
    return centred * scales[table.owners][None, :]
