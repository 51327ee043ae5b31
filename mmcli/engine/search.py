"""The search over a graph: what its modules share is the score by which starts and rounds are compared.

A module alone cannot tell a good solution from a bad one, as likelihood prefers what one sense distinguishes, however
the others see it. What a parent infers without a child, and what the child infers of it without the parent, agree
only where both see the same classes.

N items, K classes.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.engine.routing import Edge, Program, RoundState
from mmcli.modules.messages import Categorical, Message, neutral, of_kind
from mmcli.modules.numerics import mutual_information


class Best(NamedTuple):
    """State of the highest score so far."""

    state: RoundState
    score: float
    round: int  # that it is the result of; 0 for the search
    objectives: Mapping[str, float]  # of each module's last update; NaN where it has none


def shared_information(state: RoundState, edges: Sequence[Edge]) -> Array:
    """Mutual information of what parent and child infer without each other, () nats an item, averaged over edges."""
    information: Array = _shared_information([(state.forward[edge], state.backward[edge]) for edge in edges])
    return information


@jax.jit
def _shared_information(messages: Sequence[tuple[Message, Message]]) -> Array:
    informations = []
    for forward, backward in messages:
        ours, theirs = of_kind(forward, Categorical), of_kind(backward, Categorical)
        both = ours.weight * theirs.weight  # (N,)
        table = (jnp.exp(ours.log_probs) * both[:, None]).T @ jnp.exp(theirs.log_probs)
        informations.append(mutual_information(table))
    return jnp.stack(informations).mean()


def without(program: Program, state: RoundState, names: Collection[str]) -> RoundState:
    """The state as it was before these modules first updated: their messages are neutral, all others stay."""

    def before(messages: Mapping[Edge, Message], sender: int) -> dict[Edge, Message]:
        return {
            edge: neutral(program.outputs[edge[0]], len(message.weight)) if edge[sender] in names else message
            for edge, message in messages.items()
        }

    return state._replace(
        states={name: kept for name, kept in state.states.items() if name not in names},
        forward=before(state.forward, 0),
        backward=before(state.backward, 1),
    )
