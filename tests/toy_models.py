"""The mathematics of the types of `toys`.

N items, K groups or classes, D features.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from toys import ChainOptions, GroupsOptions

from mmcli.modules.api import Info, Inputs, Module, Outputs, iterated
from mmcli.modules.messages import Categorical, Points, normalized, of_kind
from mmcli.modules.spec import Options, Port, Rule


class GroupsState(NamedTuple):
    centres: Array  # (K, D)


def init(options: GroupsOptions, _key: Array, inputs: Inputs) -> GroupsState:
    num_columns = of_kind(inputs.parents[0], Points).values.shape[1]
    if options.num_groups > num_columns:
        raise ValueError("no column is left to start a group from")
    return GroupsState(jnp.eye(options.num_groups, num_columns))


def scores(state: GroupsState, points: Points) -> Array:
    """Minus the squared distance to each centre, (N, K)."""
    return -jnp.square(points.values[:, None, :] - state.centres[None]).sum(-1)


def step(key: Array, state: GroupsState, inputs: Inputs) -> tuple[GroupsState, Array]:
    points = of_kind(inputs.parents[0], Points)
    noise = 1e-3 * jax.random.normal(key, state.centres.shape)
    shares = points.weight[:, None] * jax.nn.softmax(scores(state, points), axis=-1)  # (N, K)
    centres = (shares.T @ points.values + noise) / (shares.sum(0)[:, None] + 1e-6)
    distances = -(shares * scores(state, points)).sum() / jnp.maximum(points.weight.sum(), 1)
    return GroupsState(centres), distances


def infer(rule: Rule, state: GroupsState, inputs: Inputs) -> Outputs:
    points, child = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Categorical)
    forward = normalized(scores(state, points), points.weight)
    belief = normalized(forward.log_probs + child.log_probs, jnp.ones_like(child.weight))
    sent = child if rule == "cavity" else belief
    backward = Points(jnp.exp(sent.log_probs) @ state.centres, jnp.ones_like(points.weight))
    items = {"group": belief.log_probs.argmax(-1), "share": jnp.exp(belief.log_probs), "place": points.values}
    return Outputs(forward, (backward,), items)


def finish(
    rule: Rule, _key: Array, state: GroupsState, inputs: Inputs, trace: Array
) -> tuple[GroupsState, Outputs, Info]:
    return state, infer(rule, state, inputs), Info(None, trace)


def sample(key: Array, state: GroupsState, inputs: Inputs) -> tuple[Points]:
    class_key, noise_key = jax.random.split(key)
    groups = jax.random.categorical(class_key, of_kind(inputs.child, Categorical).log_probs)
    values = state.centres[groups]
    return (Points(values + jax.random.normal(noise_key, values.shape), jnp.ones(len(groups))),)


def params(state: GroupsState) -> dict[str, Array]:
    return {"centres": state.centres}


def build(options: GroupsOptions, _ports: tuple[Port, ...], rule: Rule) -> Module[GroupsState]:
    return iterated(
        partial(init, options),
        step,
        partial(infer, rule),
        iterations=options.steps,
        finish=partial(finish, rule),
        sample=sample,
        params=params,
    )


class RunningState(NamedTuple):
    total: Array  # (D,)


def running_step(_key: Array, state: RunningState, inputs: Inputs) -> tuple[RunningState, Array]:
    points = of_kind(inputs.parents[0], Points)
    total = (points.weight[:, None] * points.values).sum(0)
    return RunningState(total), jnp.square(total - state.total).sum()


def running_sums(values: Array, starts: Array) -> Array:
    """Sums (N, D) over the rows so far of each sequence."""

    def add(total: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        value, is_start = row
        total = jnp.where(is_start, 0, total) + value
        return total, total

    return jax.lax.scan(add, jnp.zeros(values.shape[1]), (values, starts))[1]


def running_infer(state: RunningState, inputs: Inputs) -> Outputs:
    points, child = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Points)
    sums = running_sums(points.weight[:, None] * points.values, inputs.starts)
    return Outputs(Points(sums, jnp.ones_like(points.weight)), (child,), {"so_far": sums + state.total[None]})


def running_init(_key: Array, inputs: Inputs) -> RunningState:
    return RunningState(jnp.zeros(of_kind(inputs.parents[0], Points).values.shape[1]))


def build_running(_options: Options, _ports: tuple[Port, ...], _rule: Rule) -> Module[RunningState]:
    return iterated(running_init, running_step, running_infer, iterations=1)


class ChainState(NamedTuple):
    levels: Array  # (K,) mean of the first column in each class


def chain_init(options: ChainOptions, _key: Array, _inputs: Inputs) -> ChainState:
    return ChainState(jnp.arange(options.num_states) - (options.num_states - 1) / 2)


def filtered(options: ChainOptions, log_likelihood: Array, starts: Array) -> Array:
    """Log P(class of row t | rows of its sequence up to t), (N, K), from (N, K) and (N,): forward filtering."""
    change = (1 - options.stay) / max(options.num_states - 1, 1)
    transition = jnp.where(jnp.eye(options.num_states) > 0, options.stay, change)  # (K, K)

    def advance(belief: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        evidence, is_start = row
        prior = jnp.where(is_start, -jnp.log(options.num_states), jnp.log(jnp.exp(belief) @ transition))
        belief = jax.nn.log_softmax(prior + evidence)
        return belief, belief

    return jax.lax.scan(advance, jnp.zeros(options.num_states), (log_likelihood, starts))[1]


def chain_infer(options: ChainOptions, rule: Rule, state: ChainState, inputs: Inputs) -> Outputs:
    points, child = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Categorical)
    log_likelihood = -jnp.square(points.values[:, :1] - state.levels[None]) / 2 * points.weight[:, None]
    forward = normalized(filtered(options, log_likelihood, inputs.starts))
    belief = normalized(forward.log_probs + child.log_probs)
    sent = child if rule == "cavity" else belief
    expected = jnp.exp(sent.log_probs) @ state.levels[:, None]  # (N, 1)
    backward = Points(jnp.broadcast_to(expected, points.values.shape), jnp.ones_like(points.weight))
    items = {"state": belief.log_probs.argmax(-1), "filtered": jnp.exp(belief.log_probs)}
    return Outputs(forward, (backward,), items)


def chain_step(_key: Array, state: ChainState, _inputs: Inputs) -> tuple[ChainState, Array]:
    return state, jnp.square(state.levels).sum()


def build_chain(options: ChainOptions, _ports: tuple[Port, ...], rule: Rule) -> Module[ChainState]:
    return iterated(partial(chain_init, options), chain_step, partial(chain_infer, options, rule), iterations=1)


class LinearState(NamedTuple):
    weights: Array  # (D, T)


def linear_init(_key: Array, inputs: Inputs) -> LinearState:
    points, target = (of_kind(message, Points) for message in (inputs.parents[0], inputs.targets[0]))
    return LinearState(jnp.zeros((points.values.shape[1], target.values.shape[1])))


def linear_step(_key: Array, _state: LinearState, inputs: Inputs) -> tuple[LinearState, Array]:
    """Ridge regression on the rows that have both."""
    points, target = (of_kind(message, Points) for message in (inputs.parents[0], inputs.targets[0]))
    rows = points.values * (points.weight * target.weight)[:, None]
    weights = jnp.linalg.solve(rows.T @ rows + 1e-3 * jnp.eye(rows.shape[1]), rows.T @ target.values)
    errors = (target.values - points.values @ weights) * (points.weight * target.weight)[:, None]
    return LinearState(weights), -jnp.square(errors).sum()


def linear_infer(state: LinearState, inputs: Inputs) -> Outputs:
    points, child = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Points)
    values = points.values * points.weight[:, None]
    return Outputs(Points(values, points.weight), (child,), {"predicted": values @ state.weights})


def build_linear(_options: Options, _ports: tuple[Port, ...], _rule: Rule) -> Module[LinearState]:
    return iterated(linear_init, linear_step, linear_infer, iterations=1)
