"""Markov chain over the classes of its parent, by variational Bayes.

pi ~ Dirichlet(initial_prior), A_j ~ Dirichlet(transition_prior), z_1 ~ pi, z_t ~ A_{z_{t-1}}; state k is class
k of the parent. The parent sends P(k | x_t), which contains class probabilities c_k of its own. The chain takes their
place: its evidence is P(k | x_t) / c_k, proportional to p(x_t | k), and its message back is P(k | all but x_t) / c_k,
so that the product of both messages is the posterior of the chain. On a Gaussian mixture this is a hidden Markov model.

An update starts from the prior, whatever was learned before: the states are given by the parent, so that one start
finds the transitions, also where the parent has numbered its classes anew.

N items in sequences, K states.

Source: MacKay (1997), Ensemble learning for hidden Markov models; Beal (2003), Variational algorithms for approximate
Bayesian inference, chapter 3; a posterior over its prior as evidence: Bourlard and Morgan (1994), Connectionist speech
recognition.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.api import Inputs, Module, Outputs, iterated
from mmcli.modules.markov.smoothing import SMALLEST, Chain, Smoothed, advance, smooth
from mmcli.modules.markov.spec import MarkovOptions
from mmcli.modules.messages import DRAWN, Categorical, class_prior, normalized, of_kind
from mmcli.modules.numerics import dirichlet_kl, expected_log
from mmcli.modules.spec import Port, Rule


class MarkovState(NamedTuple):
    """Posterior of the parameters."""

    initial: Array  # (K,) parameters of q(pi), a Dirichlet
    transitions: Array  # (K, K) parameters of q(A), a Dirichlet for each row
    log_prior: Array  # (K,) log c, class probabilities that the parent's messages contain


class Evidence(NamedTuple):
    """Evidence on the states, and how many messages there are."""

    own: Array  # (N, K) nats, of the parent: log P(k | x_t) / c_k, 0 where missing
    sent: Array  # (N, K) nats, of the child, 0 where missing
    own_known: Array  # (N,) int32, 1 where the parent's row is there
    sent_known: Array  # (N,) int32

    @classmethod
    def of(cls, state: MarkovState, inputs: Inputs) -> "Evidence":
        """Evidence of the messages."""
        parent, child = (of_kind(message, Categorical) for message in (inputs.parents[0], inputs.child))
        own = jnp.where(parent.weight[:, None] > 0, parent.log_probs - state.log_prior[None, :], 0)
        sent = jnp.where(child.weight[:, None] > 0, child.log_probs, 0)
        return cls(own, sent, (parent.weight > 0).astype(jnp.int32), (child.weight > 0).astype(jnp.int32))


def init(options: MarkovOptions, _key: Array, inputs: Inputs) -> MarkovState:
    """Create the state from which an update starts: the prior, and what the parent's messages contain."""
    message = of_kind(inputs.parents[0], Categorical)
    num_states = message.log_probs.shape[1]
    return MarkovState(
        jnp.full(num_states, options.initial_prior, float),
        jnp.full((num_states, num_states), options.transition_prior, float),
        jnp.log(class_prior(message, options.parent_prior)),
    )


def sweep(options: MarkovOptions, key: Array, state: MarkovState, inputs: Inputs) -> tuple[MarkovState, Array]:
    """Infer the paths given q(pi) and q(A), then these given the paths; the bound before, () nats."""
    evidence = Evidence.of(state, inputs)
    # Rows after the last evidence of a sequence are left out: summed over, they change no probability.
    is_part = known_from_here(evidence.own_known + evidence.sent_known, inputs.starts) > 0
    starts = inputs.starts | ~is_part
    chain = Chain(*(jnp.maximum(jnp.exp(expected_log(counts)), SMALLEST) for counts in state[:2]))
    smoothed = smooth(chain, evidence.own + evidence.sent, starts)
    prior = init(options, key, inputs)
    bound = (smoothed.log_norms * is_part).sum()
    for counts, before in zip(state[:2], prior[:2], strict=True):
        bound -= dirichlet_kl(counts, before).sum()
    initial, transitions = expected_counts(chain, smoothed, starts, is_part)
    return MarkovState(prior.initial + initial, prior.transitions + transitions, state.log_prior), bound


def expected_counts(chain: Chain, smoothed: Smoothed, starts: Array, is_part: Array) -> tuple[Array, Array]:
    """Expected numbers of sequences that begin with each state, (K,), and of transitions, (K, K).

    Args:
        chain: weights of paths.
        smoothed: by these weights.
        starts: (N,) bool.
        is_part: (N,) bool, False for sequences, of one row, that do not count.

    Source: Rabiner (1989), eqs. 37 and 95.
    """
    onward = smoothed.evidence * smoothed.remaining  # (N, K)
    onward = onward / (smoothed.predicted * onward).sum(-1, keepdims=True)  # P(z_t) / predicted
    initial = (starts & is_part).astype(onward.dtype) @ (smoothed.predicted * onward)
    followers = jnp.where(starts[:, None], 0, onward)
    before = jnp.roll(smoothed.filtered, 1, axis=0)
    return initial, chain.transitions * (before.T @ followers)


def known_from_here(known: Array, starts: Array) -> Array:
    """Messages at or after each row within its sequence, (N,) int32, from those at each row."""
    after = jnp.cumsum(known[::-1])[::-1]  # to the end of all rows
    sequence, number = jnp.cumsum(starts), len(starts) + 1
    beyond = jax.ops.segment_sum(known, sequence, number)
    beyond = jnp.cumsum(beyond[::-1])[::-1] - beyond
    return after - beyond[sequence]


def known_in_sequence(known: Array, starts: Array) -> Array:
    """Messages in each row's sequence, (N,) int32, from those at each row."""
    sequence = jnp.cumsum(starts)
    return jax.ops.segment_sum(known, sequence, len(starts) + 1)[sequence]


def mean_chain(state: MarkovState) -> Chain:
    """Posterior means of pi and A."""
    return Chain(*(jnp.maximum(counts / counts.sum(-1, keepdims=True), SMALLEST) for counts in state[:2]))


def infer(rule: Rule, state: MarkovState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given parameters; `class` is (N,), the likeliest state, `Pdz` (N, K)."""
    chain, evidence, parent = mean_chain(state), Evidence.of(state, inputs), of_kind(inputs.parents[0], Categorical)
    known = known_in_sequence(evidence.own_known, inputs.starts)
    alone = smooth(chain, evidence.own, inputs.starts)
    forward = normalized(alone.log_cavity + evidence.own, (known > 0).astype(float))

    known += known_in_sequence(evidence.sent_known, inputs.starts)
    cavity = smooth(chain, evidence.own + evidence.sent, inputs.starts).log_cavity + evidence.sent
    backward = cavity - state.log_prior[None, :]
    if rule == "serket":
        backward += parent.log_probs
    else:
        known -= evidence.own_known
    belief = normalized(cavity + evidence.own)
    items = {"class": belief.log_probs.argmax(-1), "Pdz": jnp.exp(belief.log_probs)}
    return Outputs(forward, (normalized(backward, (known > 0).astype(float)),), items)


def sample(key: Array, state: MarkovState, inputs: Inputs) -> tuple[Categorical]:
    """Draw the path of each sequence given all messages.

    Source: Scott (2002), doi:10.1198/016214502753479464, section 2.1.
    """
    chain, evidence = mean_chain(state), Evidence.of(state, inputs)
    smoothed = smooth(chain, evidence.own + evidence.sent, inputs.starts)
    likelihoods = jax.nn.softmax(evidence.own + evidence.sent + jnp.log(smoothed.remaining), axis=-1)
    num_items, num_states = likelihoods.shape

    def follow(before: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        likelihood, is_start, uniform = row
        weights = advance(chain, before[:, None], is_start[None])[:, 0] * likelihood
        below = jnp.cumsum(weights)
        drawn = jnp.minimum((below <= uniform * below[-1]).sum(), num_states - 1)
        after = jax.nn.one_hot(drawn, num_states)
        return after, after

    rows = (likelihoods, inputs.starts, jax.random.uniform(key, (num_items,)))
    _, drawn = jax.lax.scan(follow, jnp.full(num_states, 1 / num_states, float), rows)
    known = known_in_sequence(evidence.own_known + evidence.sent_known, inputs.starts)
    return (normalized(jnp.log(drawn + DRAWN), (known > 0).astype(float)),)


def params(state: MarkovState) -> dict[str, Array]:
    """Parameters for the run directory: posterior means of `pi` (K,) and `A` (K, K), from row to column."""
    return dict(zip(("pi", "A"), mean_chain(state), strict=True))


def build(options: MarkovOptions, _ports: tuple[Port, ...], rule: Rule) -> Module[MarkovState]:
    """Build the module.

    `Info.objective` and `Info.trace` are the evidence lower bound, nats, over independent items with the parent's
    class probabilities.
    """
    module = iterated(
        partial(init, options),
        partial(sweep, options),
        partial(infer, rule),
        iterations=options.sweeps,
        sample=sample,
        params=params,
    )

    def begin(key: Array, _state: MarkovState, inputs: Inputs) -> object:
        return module.begin(key, init(options, key, inputs), inputs)

    return module._replace(begin=begin)
