"""The one schedule of messages, for training and for prediction: order of the modules, and receivers of messages.

In a round, or a pass, every module in `Program.order` receives the last messages of its neighbours, computes, and
sends to its children and to its parents.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
from jax import Array

from mmcli.config.graph import Graph
from mmcli.data.rows.given import Given
from mmcli.data.rows.packed import PackedRows
from mmcli.data.rows.protocol import form_of
from mmcli.engine.layout import LOCAL, Layout
from mmcli.errors import ModuleError
from mmcli.modules.api import Inputs, Module
from mmcli.modules.counts import Rows, on_device, scaled
from mmcli.modules.messages import Categorical, Counts, Message, Points, combine, likeliest, neutral
from mmcli.modules.packed import packed
from mmcli.modules.registry import UnusableTypeError, build
from mmcli.modules.spec import Kind, Port, Rule

Edge: TypeAlias = tuple[str, str]  # parent, child


class RoundState(NamedTuple):
    """State that the next update reads."""

    states: dict[str, Any]  # of each module that learns
    forward: dict[Edge, Message]
    backward: dict[Edge, Message]
    # By module, the same for all updates: first rows of sequences, and evidence on classes besides the children's.
    starts: Mapping[str, Array] = MappingProxyType({})
    evidence: Mapping[str, Message] = MappingProxyType({})


class Program(NamedTuple):
    """A graph whose modules are built."""

    graph: Graph
    modules: dict[str, Module[Any]]
    outputs: dict[str, Port]  # kind and width of each module's forward messages
    rule: Rule
    layout: Layout = LOCAL

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the modules, each after its parents: the order of updates, and of a pass of prediction."""
        return tuple(self.modules)


class Backward(NamedTuple):
    """Messages of a module to its parents, by their names."""

    to_modules: dict[str, Message]
    to_observations: dict[str, Message]  # predictions; observations receive nothing


def build_program(graph: Graph, widths: Mapping[str, int], rule: Rule, layout: Layout = LOCAL) -> Program:
    """Build the modules of a graph; `widths` are the columns of each observation, `layout` the places of arrays.

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
    return Program(graph, modules, outputs, rule, layout)


def initial_state(program: Program, given: Given, *, with_targets: bool = True) -> RoundState:
    """The state before anything is learned: observations sent, all other messages neutral, no module state.

    Args:
        program: of the graph.
        given: rows on the host or on the device.
        with_targets: whether supervised modules receive their targets; all rows of them are missing otherwise.
    """
    forward: dict[Edge, Message] = {}
    backward: dict[Edge, Message] = {}
    layout = program.layout
    num_items = layout.num_rows or given.num_items
    for node in program.graph.nodes.values():
        for parent in (*node.parents, *node.targets):
            edge = (parent, node.name)
            if parent in given.observations:
                is_hidden = parent in node.targets and not with_targets
                known = layout.of_items(given.known[parent])
                weight = jnp.zeros(num_items) if is_hidden else jnp.asarray(known, float)
                rows = form_of(given.observations[parent], standard=node.is_standard(parent))
                values: Any = scaled(_on_device(layout.of_items(rows)), weight)
                is_points = node.kind_from(parent) is Kind.POINTS
                forward[edge] = Points(values, weight) if is_points else Counts(values, weight)
            else:
                forward[edge] = backward[edge] = neutral(program.outputs[parent], num_items)
    starts = {name: jnp.asarray(rows, bool) for name, rows in given.starts.items()}
    return RoundState({}, layout.placed(forward), layout.placed(backward), starts)


def _on_device(rows: Any) -> Rows:
    """Rows of the host or of the device as modules take them."""
    return packed(rows.codes, rows.form.divisor) if isinstance(rows, PackedRows) else on_device(rows)


def receive(program: Program, state: RoundState, name: str) -> Inputs:
    """Inputs of a module: the last message of each neighbour."""
    node = program.graph.nodes[name]
    parents = tuple(state.forward[parent, name] for parent in node.parents)
    sent = [state.backward[name, child] for child in node.children]
    child = combine(sent) if sent else neutral(program.outputs[name], len(parents[0].weight))
    if name in state.evidence:
        child = combine([child, state.evidence[name]])
    targets = tuple(state.forward[target, name] for target in node.targets)
    return Inputs.of(parents, child, state.starts.get(name), targets)


def send_forward(program: Program, state: RoundState, name: str, message: Message) -> RoundState:
    """The state with a module's message sent to its children.

    Under the cavity rule each receives it combined with its siblings' messages, never with its own.
    """
    children = program.graph.nodes[name].children
    sent = {}
    for child in children:
        siblings = [state.backward[name, other] for other in children if other != child]
        has_beliefs = program.rule == "cavity" and isinstance(message, Categorical)
        sent[name, child] = combine([message, *siblings]) if has_beliefs else message
    return state._replace(forward={**state.forward, **sent})


def own_classes(program: Program, name: str, forward: Message) -> Array | None:
    """Class of each item (N,) by a module's own inputs alone, -1 where they are missing.

    None where the module finds no classes, or has no child: then its classes are by its own inputs already.
    """
    node = program.graph.nodes[name]
    if node.spec.classes is None or not node.children or not isinstance(forward, Categorical):
        return None
    return likeliest(forward)


def addressed(program: Program, name: str, messages: Sequence[Message]) -> Backward:
    """Messages of a module to its parents, by receiver; `messages` in the order of its inputs."""
    backward = Backward({}, {})
    for parent, message in zip(program.graph.nodes[name].parents, messages, strict=True):
        (backward.to_modules if parent in program.modules else backward.to_observations)[parent] = message
    return backward


def send_backward(state: RoundState, name: str, messages: Mapping[str, Message]) -> RoundState:
    """The state with a module's messages sent to its parents, by their names."""
    return state._replace(
        backward={**state.backward, **{(parent, name): message for parent, message in messages.items()}}
    )
