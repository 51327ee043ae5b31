"""The search over a graph: what its modules share is the score by which starts and rounds are compared.

A module alone cannot distinguish a good solution from a bad one, as likelihood prefers what one sense distinguishes,
however the others see it. What a parent infers without a child, and what the child infers of it without the parent,
agree only where both see the same classes.

A start begins with the graph made finer: modules with more classes than asked for seldom join two that differ, and
their child finds which of them belong together. The classes that it finds are then the message that the modules of
the config begin with.

N items, K classes.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.config.graph import Graph
from mmcli.engine.plan import Plan
from mmcli.engine.program import Compiled, Ended, module_key, start_key
from mmcli.engine.routing import (
    Edge,
    Program,
    RoundState,
    build_program,
    receive,
    send_backward,
    send_forward,
)
from mmcli.modules.messages import Categorical, Message, neutral, normalized, of_kind
from mmcli.modules.numerics import mutual_information

SMALLEST = 1e-3  # probability of a class in the message that the modules of the config begin with

Sign = TypeVar("Sign")


class Best(NamedTuple):
    """State of the highest score so far."""

    state: RoundState
    score: float
    round: int  # that it is the result of; 0 for the search
    objectives: Mapping[str, float]  # of each module's last update; NaN where it has none


class Start(NamedTuple):
    """Result of a start."""

    state: RoundState
    objectives: dict[str, float]  # of the modules that began anew
    classes: Array | None  # (N,) int of `Plan.compared`; None where it was not updated


def shared_information(state: RoundState, edges: Sequence[Edge]) -> Array:
    """Mutual information of what parent and child infer without each other, () nats an item, averaged over edges."""
    information: Array = _shared_information([(state.forward[edge], state.backward[edge]) for edge in edges])
    return information


@jax.jit
def _shared_information(messages: Sequence[tuple[Message, Message]]) -> Array:
    return jnp.stack([mutual_information(joint_table(*pair)) for pair in messages]).mean()


def joint_table(forward: Message, backward: Message) -> Array:
    """Sums (K, K) over items that both know of P(class | parent) P(class | child), as the messages have it."""
    ours, theirs = of_kind(forward, Categorical), of_kind(backward, Categorical)
    both = ours.weight * theirs.weight  # (N,)
    table: Array = (jnp.exp(ours.log_probs) * both[:, None]).T @ jnp.exp(theirs.log_probs)
    return table


def finer_program(program: Program, plan: Plan, widths: Mapping[str, int]) -> Program | None:
    """The program with more classes in the searched modules that feed others; None where none can have more.

    A parent stays as it is where its child's classes follow from its own: such a child joins no two of them.
    """
    graph, ports = program.graph, program.graph.ports(widths)
    following = {child for _, child in plan.edges if not graph.nodes[child].has_own_width(ports[child])}
    feeding = {parent for parent, _ in plan.edges} - {parent for parent, child in plan.edges if child in following}
    nodes = {
        name: node._replace(config=replace(node.config, options=node.spec.finer(node.config.options)))
        if name in feeding and node.spec.finer is not None
        else node
        for name, node in graph.nodes.items()
    }
    return None if nodes == graph.nodes else build_program(Graph(nodes), widths, program.rule, program.layout)


def without(program: Program, state: RoundState, names: Collection[str]) -> RoundState:
    """The state as it was before these modules first updated: their messages are neutral, all others stay."""

    def before(messages: Mapping[Edge, Message], sender: int) -> dict[Edge, Message]:
        return {
            edge: program.layout.placed(neutral(program.outputs[edge[0]], len(message.weight)))
            if edge[sender] in names
            else message
            for edge, message in messages.items()
        }

    return state._replace(
        states={name: kept for name, kept in state.states.items() if name not in names},
        forward=before(state.forward, 0),
        backward=before(state.backward, 1),
    )


def after_update(program: Program, state: RoundState, name: str, ended: Ended) -> RoundState:
    """The state after a module's update."""
    state = send_backward(send_forward(program, state, name, ended.forward), name, ended.backward)
    return state._replace(states={**state.states, name: ended.state})


def run_start(
    programs: Sequence[tuple[Program, Mapping[str, Compiled]]],
    plan: Plan,
    state: RoundState,
    root: Array,
    start: int,
    compute: Callable[..., Generator[Sign, None, Any]],
) -> Generator[Sign, None, Start]:
    """Run one start of the search.

    Args:
        programs: of the config and, where there is one, the finer, each with its compiled modules by name.
        plan: of the run.
        state: after the first round; the first start goes on from there, the others begin anew.
        root: the key of all randomness.
        start: from 1.
        compute: calls a function in a thread, and yields signs of life while it waits.
    """
    (program, compiled), *finer = programs
    key, objectives, classes = start_key(root, start), dict[str, float](), None
    if start > 1:
        state = without(program, state, plan.searched)
    if start > 1 and finer:
        ((fine, compiled_fine),) = finer
        fine_state, found = without(fine, state, plan.searched), dict[str, Message]()
        for name in plan.searched:
            ended = yield from whole_update(fine, compiled_fine[name], fine_state, name, key, 1, compute)
            fine_state = after_update(fine, fine_state, name, ended)
            found[name] = ended.forward
            classes = _classes(program, name, ended) if name == plan.compared else classes
        state = _with_found(program, plan, state, found)
    # A start that began finer needs at least one more round for a state of the config's own modules.
    last = plan.steps if start == 1 else max(plan.steps, 2) if finer else plan.steps + 1
    for step in range(2, last + 1):
        for name in plan.searched:
            ended = yield from whole_update(program, compiled[name], state, name, key, step, compute)
            state = after_update(program, state, name, ended)
            objectives[name] = np.nan if ended.info.objective is None else float(ended.info.objective)
            classes = _classes(program, name, ended) if name == plan.compared else classes
    return Start(state, objectives, classes)


def _classes(program: Program, name: str, ended: Ended) -> Array | None:
    """Classes (N,) that a module reports; None where it finds none."""
    reports = program.graph.nodes[name].spec.classes
    return None if reports is None else ended.report[reports.classes]


def _with_found(program: Program, plan: Plan, state: RoundState, found: Mapping[str, Message]) -> RoundState:
    """The state whose parents begin with the classes that their children found, by name, as the child's message."""
    backward = dict(state.backward)
    for parent, child in plan.edges:
        classes, width = of_kind(found[child], Categorical), program.outputs[parent].columns
        missing = width - classes.log_probs.shape[1]
        if missing >= 0:  # a parent with fewer classes than its child begins without them
            probs = jnp.pad(jnp.exp(classes.log_probs), ((0, 0), (0, missing)))
            backward[parent, child] = normalized(jnp.log(probs + SMALLEST), classes.weight)
    return state._replace(backward=backward)


def whole_update(
    program: Program,
    compiled: Compiled,
    state: RoundState,
    name: str,
    key: Array,
    step: int,
    compute: Callable[..., Generator[Sign, None, Any]],
) -> Generator[Sign, None, Ended]:
    """Compute one whole update within a start."""
    inputs, own = receive(program, state, name), state.states.get(name)
    if own is None:
        own = yield from compute(compiled.init, module_key(key, name, 0), inputs)
    work = yield from compute(compiled.begin, module_key(key, name, step), own, inputs)
    work = yield from compute(compiled.advance, work, inputs, np.int32(program.modules[name].iterations))
    ended: Ended = yield from compute(compiled.end, work, inputs)
    return ended
