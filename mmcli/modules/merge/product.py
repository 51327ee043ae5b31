"""Product of messages over the same classes, which every input numbers in its own way.

P(c | all) is proportional to P(c) prod_m P(c | input m) / P(c): what the inputs know is independent given the class.
Class c is class orders[m, c] of input m; the first input numbers the classes. Each other input is aligned with the
rest by the one-to-one assignment of its classes under which most items are expected to agree; of more than two inputs
one after the other, first with those before it, then in passes, which can only raise the agreement.

N items, M inputs, K classes.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.api import Info, Inputs, Module, Outputs, iterated
from mmcli.modules.assignment import best_assignment
from mmcli.modules.merge.evidence import Evidence, kappas, mean_kappa, shared_evidence
from mmcli.modules.merge.spec import AGENTS, PASSES, MergeOptions
from mmcli.modules.messages import DRAWN, Categorical, class_prior, likeliest, normalized, of_kind
from mmcli.modules.spec import Rule


class ProductState(NamedTuple):
    """Numbers and shares of the classes."""

    orders: Array  # (M, K) int32, class of input m that is class c
    log_shares: Array  # (K,) log P(c)
    signs: Array  # (M, N) int32 likeliest class by each input alone, -1 where missing


def messages_of(inputs: Inputs) -> list[Categorical]:
    """Messages of all inputs."""
    return [of_kind(message, Categorical) for message in inputs.parents]


def init(options: MergeOptions, _key: Array, inputs: Inputs) -> ProductState:
    """Create the state from which an update starts: each input aligned with those before it."""
    messages = messages_of(inputs)
    num_classes = messages[0].log_probs.shape[1]
    orders = jnp.tile(jnp.arange(num_classes, dtype=jnp.int32), (len(messages), 1))
    for place in range(1, len(messages)):
        orders = aligned(messages, orders, place, range(place))
    return measured(options, orders, inputs)


def aligned(messages: Sequence[Categorical], orders: Array, place: int, others: Iterable[int]) -> Array:
    """Orders (M, K) with that of one input replaced by the one that agrees best with some others."""
    probs = [message.weight[:, None] * jnp.exp(message.log_probs) for message in messages]
    expected = jnp.stack([probs[other][:, orders[other]] for other in others]).sum(0)  # (N, K)
    return orders.at[place].set(best_assignment(expected.T @ probs[place]))


def measured(options: MergeOptions, orders: Array, inputs: Inputs) -> ProductState:
    """State of given orders: the shares of the classes, averaged over the inputs, and the inputs' own classes."""
    messages = messages_of(inputs)
    shares = [
        class_prior(message, options.parent_prior)[order] for message, order in zip(messages, orders, strict=True)
    ]
    signs = [
        likeliest(message._replace(log_probs=message.log_probs[:, order]))
        for message, order in zip(messages, orders, strict=True)
    ]
    return ProductState(orders, jnp.log(jnp.stack(shares).mean(0)), jnp.stack(signs))


def align(options: MergeOptions, _key: Array, state: ProductState, inputs: Inputs) -> tuple[ProductState, Array]:
    """Align every input but the first with all others; the agreement after it, () kappa."""
    messages, orders = messages_of(inputs), state.orders
    for place in range(1, len(messages)):
        orders = aligned(messages, orders, place, (other for other in range(len(messages)) if other != place))
    state = measured(options, orders, inputs)
    return state, mean_kappa(state.signs, orders.shape[1])


def evidence_of(state: ProductState, inputs: Inputs) -> Evidence:
    """Evidence of the messages, by class."""
    own = [
        message.log_probs[:, order] - state.log_shares[None, :]
        for message, order in zip(messages_of(inputs), state.orders, strict=True)
    ]
    return Evidence.of(own, inputs)


def infer(rule: Rule, state: ProductState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given parameters; `class` is (N,), the likeliest, `Pdz` (N, K) given all messages.

    The message to an input is, in its own numbers, proportional to P(c | all others) / P(c).
    """
    evidence = evidence_of(state, inputs)
    joint = state.log_shares[None, :] + evidence.own.sum(0)
    forward = normalized(joint, evidence.known.max(axis=0))
    belief = normalized(joint + evidence.sent).log_probs
    backward = [
        normalized(sent[:, jnp.argsort(order)], there.astype(float))
        for sent, there, order in zip(*beliefs(rule, state, evidence), state.orders, strict=True)
    ]
    return Outputs(forward, tuple(backward), {"class": belief.argmax(-1), "Pdz": jnp.exp(belief)})


def beliefs(rule: Rule, state: ProductState, evidence: Evidence) -> tuple[Array, Array]:
    """Log probabilities of the classes that the message to each input has, (M, N, K), and where it is there, (M, N)."""
    total = evidence.known.sum(0) + evidence.received
    if rule == "serket":
        every = state.log_shares[None, :] + evidence.own.sum(0) + evidence.sent
        return jnp.tile(every, (len(evidence.own), 1, 1)), jnp.tile(total > 0, (len(evidence.own), 1))
    return evidence.others + evidence.sent[None], total[None] - evidence.known > 0


def sample(rule: Rule, key: Array, state: ProductState, inputs: Inputs) -> tuple[Categorical, ...]:
    """Draw a class for each item, the same for all inputs where they send nothing."""
    found, there = beliefs(rule, state, evidence_of(state, inputs))
    prior = state.log_shares[None, None, :] if rule == "cavity" else 0.0
    drawn = []
    for scores, known, order in zip(found + prior, there, state.orders, strict=True):
        classes = order[jax.random.categorical(key, scores)]  # one key: all inputs of an item are of one class
        chosen = jax.nn.one_hot(classes, len(order)) + DRAWN
        drawn.append(normalized(jnp.log(chosen), known.astype(float)))
    return tuple(drawn)


def params(state: ProductState) -> dict[str, Array]:
    """Parameters for the run directory, with `table<m>` (K, K) one-hot: the class of input m of each class."""
    num_inputs, num_classes = state.orders.shape
    tables = {f"table{place}": jax.nn.one_hot(state.orders[place], num_classes) for place in range(num_inputs)}
    signs = {f"sign{place}": state.signs[place] for place in range(num_inputs)}
    return {
        **signs,
        **tables,
        "accepted": jnp.ones((num_inputs, num_inputs)),
        "kappa": kappas(state.signs, num_classes),
    }


def build(options: MergeOptions, num_inputs: int, rule: Rule) -> Module[ProductState]:
    """Build the module; objective and trace as in `mmcli.modules.merge.model`."""

    def finish(_key: Array, state: ProductState, inputs: Inputs, trace: Array) -> tuple[ProductState, Outputs, Info]:
        objective = shared_evidence(state.log_shares, evidence_of(state, inputs))
        return state, infer(rule, state, inputs), Info(objective, trace)

    module = iterated(
        partial(init, options),
        partial(align, options),
        partial(infer, rule),
        iterations=1 if num_inputs == AGENTS else PASSES,
        finish=finish,
        sample=partial(sample, rule),
        params=params,
    )

    def begin(key: Array, _state: ProductState, inputs: Inputs) -> object:
        # Anew in every update: an input may have numbered its classes anew.
        return module.begin(key, init(options, key, inputs), inputs)

    return module._replace(begin=begin)
