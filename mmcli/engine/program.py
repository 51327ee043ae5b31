"""A graph whose modules are built: what each hears and says, and what it does, compiled."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.config.graph import Graph
from mmcli.data.rows.sparse import HostRows
from mmcli.data.rows.streamed import Forms
from mmcli.errors import ModuleError
from mmcli.modules.api import Info, Inputs, Module, report
from mmcli.modules.counts import SparseRows, on_device, scaled
from mmcli.modules.messages import Categorical, Counts, Message, Points, combine, neutral
from mmcli.modules.registry import UnusableTypeError, build
from mmcli.modules.spec import Kind, Port, Rule

Edge: TypeAlias = tuple[str, str]  # parent, child


class RoundState(NamedTuple):
    """All that the next update reads."""

    states: dict[str, Any]  # of each module that learns
    forward: dict[Edge, Message]
    backward: dict[Edge, Message]


class Program(NamedTuple):
    """A graph whose modules are built."""

    graph: Graph
    modules: dict[str, Module[Any]]
    outputs: dict[str, Port]  # kind and width of what each module sends
    rule: Rule
    num_items: int


class Ended(NamedTuple):
    """What closing an update gives."""

    state: Any
    forward: Message
    backward: dict[str, Message]  # by the parent that hears it
    info: Info
    report: dict[str, Array]
    finite: Array  # () bool


class Compiled(NamedTuple):
    """A module's functions, compiled for the shapes of this run."""

    init: Callable[..., Any]  # (key, inputs) -> state
    begin: Callable[..., Any]  # (key, state, inputs) -> work
    advance: Callable[..., Any]  # (work, inputs, until) -> work
    end: Callable[..., Ended]  # (work, inputs)


def module_key(root: Array, name: str, round_number: int) -> Array:
    """The randomness of one update; adding a module to a graph changes no other's."""
    # crc32, not hash(): Python's hash of a string changes from process to process.
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(name.encode())), round_number)


def build_program(graph: Graph, widths: Mapping[str, int], num_items: int, rule: Rule) -> Program:
    """Modules for a graph; `widths` are the columns of each observation.

    Raises:
        ModuleError: the mathematics of a type cannot be imported.
    """
    ports = graph.ports(widths)
    try:
        modules = {
            name: build(graph.nodes[name].spec, graph.nodes[name].config.options, ports[name], rule) for name in ports
        }
    except UnusableTypeError as error:
        raise ModuleError(str(error)) from error
    outputs = {name: graph.output_port(name, widths) for name in modules}
    return Program(graph, modules, outputs, rule, num_items)


def observe(
    program: Program,
    observations: "Mapping[str, HostRows | Array | SparseRows | Forms]",
    known: Mapping[str, np.ndarray | Array],
) -> RoundState:
    """The state before anything is learned: observations sent, all other messages neutral, no module state."""
    forward: dict[Edge, Message] = {}
    backward: dict[Edge, Message] = {}
    for node in program.graph.nodes.values():
        for parent, kind in zip(node.parents, node.kinds, strict=True):
            edge = (parent, node.name)
            if parent in observations:
                weight, rows = jnp.asarray(known[parent], float), observations[parent]
                if isinstance(rows, Forms):
                    rows = rows.standard if node.is_standard(parent) else rows.plain
                values: Any = scaled(on_device(rows), weight)  # points are dense
                forward[edge] = Points(values, weight) if kind is Kind.POINTS else Counts(values, weight)
            else:
                forward[edge] = backward[edge] = neutral(program.outputs[parent], program.num_items)
    return RoundState({}, forward, backward)


def hear(program: Program, state: RoundState, name: str) -> Inputs:
    """All that a module's neighbours last said to it."""
    node = program.graph.nodes[name]
    said = [state.backward[name, child] for child in node.children]
    child = combine(said) if said else neutral(program.outputs[name], program.num_items)
    return Inputs.of(tuple(state.forward[parent, name] for parent in node.parents), child)


def speak(program: Program, name: str, state: RoundState, forward: Message) -> dict[Edge, Message]:
    """What goes to each child: by the cavity rule with what its siblings said, never with what it said itself."""
    children = program.graph.nodes[name].children
    sent = {}
    for child in children:
        siblings = [state.backward[name, other] for other in children if other != child]
        has_beliefs = program.rule == "cavity" and isinstance(forward, Categorical)
        sent[name, child] = combine([forward, *siblings]) if has_beliefs else forward
    return sent


def compile_module(program: Program, name: str, key: Array, inputs: Inputs) -> Compiled:
    """All that a module does in a run, ahead of time. Messages keep their shapes, so any inputs will do."""
    module, parents = program.modules[name], program.graph.nodes[name].parents

    def end(work: Any, inputs: Inputs) -> Ended:
        state, outputs, info = module.end(work, inputs)
        # An observation does not listen; what would be sent to it is never computed.
        sent = zip(parents, outputs.backward, strict=True)
        backward = {parent: message for parent, message in sent if parent in program.modules}
        reported = report(module, state, outputs)
        numbers = jax.tree.leaves((state, outputs.forward, backward, info, reported))
        finite = [jnp.isfinite(leaf).all() for leaf in numbers if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return Ended(state, outputs.forward, backward, info, reported, jnp.stack(finite).all())

    state = jax.eval_shape(module.init, key, inputs)
    work = jax.eval_shape(module.begin, key, state, inputs)
    return Compiled(
        jax.jit(module.init).lower(key, inputs).compile(),
        jax.jit(module.begin).lower(key, state, inputs).compile(),
        # Nothing is donated: a signal saves the work before a call instead of waiting for the call.
        jax.jit(module.advance).lower(work, inputs, jnp.int32(0)).compile(),
        jax.jit(end).lower(work, inputs).compile(),
    )


def watched_seconds(seconds: float | None) -> float | None:
    """Seconds that a computation may use no processor time; None, no limit, where another device computes."""
    return seconds if jax.default_backend() == "cpu" else None


def absorb(program: Program, state: RoundState, name: str, ended: Ended) -> RoundState:
    """The state after a module's update."""
    return RoundState(
        {**state.states, name: ended.state},
        {**state.forward, **speak(program, name, state, ended.forward)},
        {**state.backward, **{(parent, name): message for parent, message in ended.backward.items()}},
    )
