"""Metropolis-Hastings naming game: two agents, the inputs, agree on a sign for each item without seeing each other.

Agent m has classes c of its own, of which it knows P(c | item), and a table P(c | w) of the class that a sign w stands
for. In an exchange the speaker draws a sign from P(w | its item), and the listener, whose sign was w, accepts w' with
probability min(1, P(item | w') / P(item | w)) by its own evidence; then it learns its table from its signs. Roles
are swapped. With tables given, each agent's sign of an item is a Markov chain, whose stationary distribution is

    P(w | item of both) proportional to P(w) P(item of agent 0 | w) P(item of agent 1 | w),    P(w) = 1 / W,

as the proposal is its first and the acceptance ratio its second factor. The outputs are those of this distribution,
so that neither they nor predictions depend on the last draw.

In the first exchange the first agent speaks of its own classes, and the second, which has no table yet, accepts.
A listener that accepts all has the speaker's signs, P(w | item of the other), one that accepts none its own.

N items, W signs, K_m classes of agent m.

Source: Hagiwara et al. (2019), doi:10.3389/frobt.2019.00134; Taniguchi et al. (2023),
doi:10.1080/01691864.2023.2260856.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import logsumexp

from mmcli.modules.api import Info, Inputs, Module, Outputs, iterated
from mmcli.modules.merge.evidence import Evidence, kappas, mean_kappa, shared_evidence
from mmcli.modules.merge.spec import AGENTS, Accept, MergeOptions
from mmcli.modules.messages import DRAWN, Categorical, class_prior, likeliest, normalized, of_kind
from mmcli.modules.numerics import draw_categorical
from mmcli.modules.spec import ParentPrior, Rule

LEARNING_STEPS = 20  # of expectation maximisation, in which a table is learned
TABLE_COUNT = 0.1  # Dirichlet prior of a class in a row of a table, in items
# Power of a message of signs that are accepted whatever they are: no evidence of the agent's own outweighs it.
CERTAIN = 100.0


class GameState(NamedTuple):
    """Signs and tables of both agents."""

    signs: Array  # (2, N) int32 current sign of each item, -1 where the agent lacks it
    tables: tuple[Array, ...]  # (W, K_m) P(class | sign) of each agent, posterior means
    log_priors: tuple[Array, ...]  # (K_m,) log class probabilities that the agent's messages contain
    accepted: Array  # (2,) share of the signs proposed to each agent in the last update that it accepted


class Game(NamedTuple):
    """Setting of a game."""

    accept: Accept
    num_signs: int  # W
    parent_prior: ParentPrior
    rule: Rule

    @property
    def log_shares(self) -> Array:
        """log P(w), (W,)."""
        return jnp.full(self.num_signs, -jnp.log(self.num_signs), float)


def ratios(message: Categorical, log_prior: Array) -> Array:
    """Evidence of an agent on its own classes, log P(item | c) - log P(item), (N, K_m); 0 where missing."""
    return jnp.where(message.weight[:, None] > 0, message.log_probs - log_prior[None, :], 0)


def evidence_of(state: GameState, inputs: Inputs) -> Evidence:
    """Evidence of the messages, by sign."""
    own = []
    for sent, table, log_prior in zip(inputs.parents, state.tables, state.log_priors, strict=True):
        message = of_kind(sent, Categorical)
        ratio = ratios(message, log_prior)
        largest = ratio.max(-1, keepdims=True)
        # No underflow: no class of a table has the probability 0.
        own.append(jnp.log(jnp.exp(ratio - largest) @ table.T) + largest)
    return Evidence.of(own, inputs)


def relearned_table(signs: Array, message: Categorical, log_prior: Array, table: Array) -> Array:
    """Posterior mean of a table (W, K_m) given signs (N,), with each item's class as the last table has it."""
    members = jax.nn.one_hot(signs, len(table))  # zeros for a sign of -1
    classes = jax.nn.softmax(members @ jnp.log(table) + ratios(message, log_prior), axis=-1)
    counts = members.T @ classes + TABLE_COUNT
    return counts / counts.sum(-1, keepdims=True)


def init(game: Game, _key: Array, inputs: Inputs) -> GameState:
    """Create the state before the first update.

    The first agent's sign of an item is the number of its likeliest class. The second has no table yet, so that every
    sign stands for any class, and accepts it; unless it never accepts, when it has signs of its own.
    """
    first, second = (likeliest(of_kind(message, Categorical)) for message in inputs.parents)
    if game.accept != "none":
        second = jnp.where(second >= 0, first, -1)
    state = GameState(jnp.stack([first, second]), (), (), jnp.zeros(AGENTS))
    return learned(game, state, inputs)


def learned(game: Game, state: GameState, inputs: Inputs) -> GameState:
    """State with tables learned from the signs, whatever they were: an agent may have numbered its classes anew."""
    tables, log_priors = [], []
    for signs, sent in zip(state.signs, inputs.parents, strict=True):
        message = of_kind(sent, Categorical)
        prior = class_prior(message, game.parent_prior)
        relearn = partial(relearned_table, signs, message, jnp.log(prior))
        table = jnp.tile(prior, (game.num_signs, 1))
        tables.append(jax.lax.fori_loop(0, LEARNING_STEPS, lambda _, table, relearn=relearn: relearn(table), table))
        log_priors.append(jnp.log(prior))
    return state._replace(tables=tuple(tables), log_priors=tuple(log_priors))


def exchange(
    accept: Accept, key: Array, speaker: Array, listener: Array, reached: Array, signs: Array
) -> tuple[Array, Array]:
    """One exchange about every item: a sign is proposed to the listener, who accepts it or keeps its own.

    Args:
        accept: rule of acceptance.
        key: randomness of the exchange.
        speaker: (N, W) log P(w | item of the proposer), up to a constant of the item.
        listener: (N, W) log P(item of the listener | w), likewise.
        reached: (N,) bool, False where the proposer is the listener itself, whose draw from its own posterior holds.
        signs: (N,) of the listener.

    Returns:
        the listener's signs afterwards, (N,); where it accepted a sign of the speaker, (N,) bool.
    """
    propose_key, accept_key = jax.random.split(key)
    proposed = draw_categorical(propose_key, speaker)
    if accept == "metropolis":
        of_proposed, of_current = (
            jnp.take_along_axis(listener, numbers[:, None], axis=1)[:, 0]
            for numbers in (proposed, jnp.maximum(signs, 0))
        )
        is_accepted = jnp.log(jax.random.uniform(accept_key, signs.shape)) < of_proposed - of_current
    else:
        is_accepted = jnp.full(signs.shape, accept == "all")
    return jnp.where(is_accepted | ~reached, proposed, signs), is_accepted & reached


def play(game: Game, key: Array, state: GameState, inputs: Inputs) -> tuple[GameState, Array]:
    """Let each agent speak once, the first one first; kappa of their signs, and the share that each accepted, (3,)."""
    shares, evidence = [], evidence_of(state, inputs)
    for speaker, listener in ((0, 1), (1, 0)):
        reached = (evidence.known[speaker] > 0) & (game.accept != "none")
        proposer = jnp.where(reached[:, None], evidence.own[speaker], evidence.own[listener]) + evidence.sent
        exchange_key = jax.random.fold_in(key, listener)
        signs, accepted = exchange(
            game.accept, exchange_key, proposer, evidence.own[listener], reached, state.signs[listener]
        )
        is_known = evidence.known[listener] > 0
        state = state._replace(signs=state.signs.at[listener].set(jnp.where(is_known, signs, -1)))
        both = reached & is_known
        shares.append((accepted & both).sum() / jnp.maximum(both.sum(), 1))
    return state, jnp.stack([mean_kappa(state.signs, game.num_signs), *reversed(shares)])


def sign_beliefs(game: Game, evidence: Evidence, sent: Array) -> Array:
    """Log probabilities of the sign of an item, (N, W): of both agents together, or the mean of the two.

    Args:
        game: its setting.
        evidence: of the messages.
        sent: (N, W) further evidence, of the child.
    """
    joint = game.log_shares[None, :] + evidence.own.sum(0) + sent
    if game.accept == "metropolis":
        return jax.nn.log_softmax(joint, axis=-1)
    alone = jax.nn.log_softmax(evidence.own + sent[None], axis=-1)
    weights = jnp.where(evidence.known.max(axis=0) > 0, evidence.known, 1)[:, :, None]
    return logsumexp(alone, axis=0, b=weights) - jnp.log(weights.sum(0))


def evidence_for(game: Game, listener: int, evidence: Evidence) -> tuple[Array, Array]:
    """Evidence on the sign that the message to an agent has, (N, W) nats, and where there is any, (N,) 1 or 0."""
    speaker = 1 - listener
    reached = evidence.known[speaker] * (game.accept != "none")
    scores, there = reached[:, None] * evidence.own[speaker] + evidence.sent, jnp.maximum(reached, evidence.received)
    if game.rule == "cavity":
        return scores, there
    return scores + evidence.own[listener], jnp.maximum(there, evidence.known[listener])


def message_back(game: Game, state: GameState, listener: int, evidence: Evidence) -> Categorical:
    """Message to an agent, in its own classes: proportional to P(class | sign of the other) / P(class).

    Of an agent that accepts all, so strong that its own evidence does not count.
    """
    scores, there = evidence_for(game, listener, evidence)
    classes = jnp.log(jax.nn.softmax(scores, axis=-1) @ state.tables[listener])
    if game.rule == "cavity":
        classes = classes - state.log_priors[listener][None, :]
    return normalized(classes * (CERTAIN if game.accept == "all" else 1.0), there)


def infer(game: Game, state: GameState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given tables; `class` is (N,), the likeliest sign, `Pdz` (N, W) given all messages."""
    evidence = evidence_of(state, inputs)
    nothing = jnp.zeros_like(evidence.sent)
    forward = normalized(sign_beliefs(game, evidence, nothing), evidence.known.max(axis=0))
    belief = sign_beliefs(game, evidence, evidence.sent)
    backward = tuple(message_back(game, state, listener, evidence) for listener in range(AGENTS))
    return Outputs(forward, backward, {"class": belief.argmax(-1), "Pdz": jnp.exp(belief)})


def sample(game: Game, key: Array, state: GameState, inputs: Inputs) -> tuple[Categorical, ...]:
    """Draw a sign for each item, then for each agent a class that it stands for."""
    sign_key, class_key = jax.random.split(key)
    evidence, drawn = evidence_of(state, inputs), []
    for listener, table in enumerate(state.tables):
        scores, there = evidence_for(game, listener, evidence)
        # One key: where the agents send nothing, both have the same sign.
        signs = jax.random.categorical(sign_key, scores)
        classes = jax.random.categorical(jax.random.fold_in(class_key, listener), jnp.log(table)[signs])
        drawn.append(normalized(jnp.log(jax.nn.one_hot(classes, table.shape[1]) + DRAWN), there))
    return tuple(drawn)


def params(state: GameState) -> dict[str, Array]:
    """Parameters for the run directory: the current signs, and `table<m>` (W, K_m) of each agent.

    Row m of `accepted` has the share of the signs of the other that agent m accepted.
    """
    tables = {f"table{place}": table for place, table in enumerate(state.tables)}
    signs = {f"sign{place}": state.signs[place] for place in range(AGENTS)}
    accepted = jnp.eye(AGENTS) + (1 - jnp.eye(AGENTS)) * state.accepted[:, None]
    return {**signs, **tables, "accepted": accepted, "kappa": kappas(state.signs, len(state.tables[0]))}


def build(options: MergeOptions, num_signs: int, rule: Rule) -> Module[GameState]:
    """Build the module; objective and trace as in `mmcli.modules.merge.model`."""
    game = Game(options.accept, num_signs, options.parent_prior, rule)

    def finish(_key: Array, state: GameState, inputs: Inputs, trace: Array) -> tuple[GameState, Outputs, Info]:
        state = learned(game, state, inputs)._replace(accepted=trace[:, 1:].mean(0))
        objective = shared_evidence(game.log_shares, evidence_of(state, inputs))
        return state, infer(game, state, inputs), Info(objective, trace[:, 0])

    module = iterated(
        partial(init, game),
        partial(play, game),
        partial(infer, game),
        iterations=options.exchanges,
        finish=finish,
        sample=partial(sample, game),
        params=params,
    )

    def begin(key: Array, state: GameState, inputs: Inputs) -> object:
        return module.begin(key, learned(game, state, inputs), inputs)

    return module._replace(begin=begin)
