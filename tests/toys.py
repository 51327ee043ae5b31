"""A module type as somebody else would write it, soft k-means, and one whose items are sequences.

None of its names are those of mmcli's own types: what finds classes, latent variables or a trace by name fails on it.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from pydantic import Field

from mmcli.modules.api import Info, Inputs, Module, Outputs, iterated
from mmcli.modules.messages import Categorical, Points, normalized, of_kind
from mmcli.modules.spec import (
    InputSpec,
    Kind,
    ModuleSpec,
    Objective,
    Options,
    Port,
    PositiveInt,
    Problem,
    Role,
    Rule,
    Trace,
)


class GroupsOptions(Options):
    num_groups: PositiveInt = Field(description="groups")
    steps: PositiveInt = Field(4, description="steps in one update")


class GroupsState(NamedTuple):
    centres: Array  # (K, D)


def output(options: GroupsOptions, _ports: Sequence[Port]) -> Port:
    return Port(Kind.CATEGORICAL, options.num_groups)


def check(options: GroupsOptions, ports: Sequence[Port]) -> Iterator[Problem]:
    width = ports[0].width
    if width is not None and options.num_groups > width:
        yield "num_groups", f"at most one for each column of the input: {width}"


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


GROUPS = ModuleSpec(
    name="groups",
    summary="soft k-means",
    options=GroupsOptions,
    inputs=InputSpec((Kind.POINTS,), maximum=1),
    sends=(Kind.CATEGORICAL,),
    output=output,
    check=check,
    build="toys:build",
    reports={
        "group": Role.CLASS,
        "share": Role.PROBABILITIES,
        "place": Role.LATENT,
        "centres": Role.CENTRES,
    },
    trace=Trace("distortion", "squared pixels", "down", title="distance to the centres"),
)


class RunningState(NamedTuple):
    total: Array  # (D,)


def running_output(_options: Options, ports: Sequence[Port]) -> Port:
    return Port(Kind.POINTS, ports[0].width)


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


RUNNING = ModuleSpec(
    name="running",
    summary="sums along sequences",
    options=Options,
    inputs=InputSpec((Kind.POINTS,), maximum=1),
    sends=(Kind.POINTS,),
    output=running_output,
    build="toys:build_running",
    reports={"so_far": Role.LATENT},
    trace=Trace("change", "squared units", "down"),
    objective=Objective("change", "squared units"),
    items="sequence",
)
