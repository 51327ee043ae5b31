"""Rounds of updates: each module in turn trains on what its neighbours last said, and answers them.

Modules are compiled while those before them train, and never again; messages stay on the device.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.errors import DivergedError
from mmcli.graph import Graph
from mmcli.messages import Categorical, Counts, Message, Points, combine, neutral
from mmcli.module import Info, Inputs, Module
from mmcli.modules import MODULES, Kind, Port, Rule, build

# Not threefry: with rbg what draws numbers compiles in less than half the time.
KEY_IMPL = "rbg"

Edge: TypeAlias = tuple[str, str]  # parent, child


class RoundState(NamedTuple):
    """All that the next update reads."""

    states: dict[str, Any]  # of each module that learns
    forward: dict[Edge, Message]
    backward: dict[Edge, Message]


class Progress(NamedTuple):
    """A module finished a chunk of its inner iterations. Rounds and chunks count from 1."""

    round: int
    module: str
    chunk: int
    num_chunks: int


class Update(NamedTuple):
    """A module finished its update of a round. Rounds count from 1."""

    round: int
    module: str
    bound: float  # nats
    trace: np.ndarray  # (I,)
    report: dict[str, np.ndarray]
    params: dict[str, np.ndarray]  # the leaves of its state by name
    seconds: float  # of learning
    compile_seconds: float  # of waiting until the module was compiled


class Program(NamedTuple):
    """A graph whose modules are built."""

    graph: Graph
    modules: dict[str, Module]
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
    advance: Callable[..., Any]  # (work, inputs) -> work
    end: Callable[..., Ended]  # (work, inputs)


def module_key(root: Array, name: str, round_number: int) -> Array:
    """The randomness of one update; adding a module to a graph changes no other's."""
    # crc32, not hash(): Python's hash of a string changes from process to process.
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(name.encode())), round_number)


def build_program(graph: Graph, observations: Mapping[str, np.ndarray], rule: Rule) -> Program:
    """Modules for a graph over (N, width) observations."""
    widths = {name: array.shape[1] for name, array in observations.items()}
    ports = graph.ports(widths)
    modules = {
        name: build(graph.nodes[name].type, graph.nodes[name].config.options, ports[name], rule) for name in ports
    }
    outputs = {name: graph.output_port(name, widths) for name in modules}
    return Program(graph, modules, outputs, rule, len(next(iter(observations.values()))))


def observe(program: Program, observations: Mapping[str, np.ndarray]) -> RoundState:
    """The state before anything is learned: observations sent, all other messages neutral, no module state."""
    forward: dict[Edge, Message] = {}
    backward: dict[Edge, Message] = {}
    for node in program.graph.nodes.values():
        for parent, kind in zip(node.parents, node.kinds, strict=True):
            edge = (parent, node.name)
            if parent in observations:
                values = jnp.asarray(observations[parent])
                known = jnp.ones(program.num_items)
                forward[edge] = Points(values, known) if kind is Kind.POINTS else Counts(values)
            else:
                forward[edge] = backward[edge] = neutral(program.outputs[parent], program.num_items)
    return RoundState({}, forward, backward)


def hear(program: Program, state: RoundState, name: str) -> Inputs:
    """All that a module's neighbours last said to it."""
    node = program.graph.nodes[name]
    said = [state.backward[name, child] for child in node.children]
    child = combine(said) if said else neutral(program.outputs[name], program.num_items)
    return Inputs(tuple(state.forward[parent, name] for parent in node.parents), child)


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
        numbers = jax.tree.leaves((state, outputs.forward, backward, info))
        finite = [jnp.isfinite(leaf).all() for leaf in numbers if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return Ended(state, outputs.forward, backward, info, module.report(state, outputs), jnp.stack(finite).all())

    state = jax.eval_shape(module.init, key, inputs)
    work = jax.eval_shape(module.begin, key, state, inputs)
    return Compiled(
        jax.jit(module.init).lower(key, inputs).compile(),
        jax.jit(module.begin).lower(key, state, inputs).compile(),
        jax.jit(module.advance, donate_argnums=0).lower(work, inputs).compile(),
        jax.jit(end).lower(work, inputs).compile(),
    )


def absorb(program: Program, state: RoundState, name: str, ended: Ended) -> RoundState:
    """The state after a module's update."""
    return RoundState(
        {**state.states, name: ended.state},
        {**state.forward, **speak(program, name, state, ended.forward)},
        {**state.backward, **{(parent, name): message for parent, message in ended.backward.items()}},
    )


def run(program: Program, state: RoundState, root: Array, rounds: int) -> Iterator[Progress | Update]:
    """Every module in turn, round after round; arguments and errors as in `train_rounds`."""
    compiler = ThreadPoolExecutor(max_workers=1)
    try:
        compiling = {
            name: compiler.submit(compile_module, program, name, root, hear(program, state, name))
            for name in program.modules
        }
        for round_number in range(1, rounds + 1):
            for name, module in program.modules.items():
                begun = time.perf_counter()
                compiled = compiling[name].result()
                ready = time.perf_counter()
                inputs = hear(program, state, name)
                module_state = state.states.get(name)
                if module_state is None:
                    module_state = compiled.init(module_key(root, name, 0), inputs)
                work = compiled.begin(module_key(root, name, round_number), module_state, inputs)
                for chunk in range(1, module.num_chunks + 1):
                    work = jax.block_until_ready(compiled.advance(work, inputs))
                    yield Progress(round_number, name, chunk, module.num_chunks)
                ended = compiled.end(work, inputs)
                if not ended.finite:
                    remedy = MODULES[program.graph.nodes[name].type].remedy
                    raise DivergedError(
                        f"module {name}, round {round_number}: a number became NaN or infinite; {remedy}"
                    )
                state = absorb(program, state, name, ended)
                yield Update(
                    round=round_number,
                    module=name,
                    bound=float(ended.info.bound),
                    trace=np.asarray(ended.info.trace),
                    report={stem: np.asarray(array) for stem, array in ended.report.items()},
                    params=named_leaves(ended.state),
                    seconds=time.perf_counter() - ready,
                    compile_seconds=ready - begun,
                )
    finally:
        # A run that stops early does not wait for modules whose turn never came.
        compiler.shutdown(cancel_futures=True)


def train_rounds(
    graph: Graph, observations: Mapping[str, np.ndarray], *, seed: int, rounds: int, rule: Rule
) -> Iterator[Progress | Update]:
    """Train a graph; every module updates once a round, in the order written.

    Args:
        graph: the modules and who hears whom.
        observations: (N, width) float32 by the observation's module name.
        seed: of all randomness.
        rounds: how many.
        rule: what a backward message leaves out.

    Raises:
        DivergedError: a number became NaN or infinite.
    """
    program = build_program(graph, observations, rule)
    root = jax.random.key(seed, impl=KEY_IMPL)
    return run(program, observe(program, observations), root, rounds)


def named_leaves(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a pytree by their path: "params.means"; of a random key its data."""
    return {
        name: np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for name, leaf in _named(tree).items()
    }


def restore(shapes: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The pytree whose `named_leaves` are `arrays`; the inverse of `named_leaves`.

    Args:
        shapes: the pytree with arrays or their `jax.ShapeDtypeStruct` as leaves, such as `jax.eval_shape` gives.
        arrays: by name, exactly those of the tree.

    Raises:
        ValueError: an array is missing, or unknown to the tree, or of another shape or dtype.
    """
    leaves = _named(shapes)
    for name in arrays:
        if name not in leaves:
            raise ValueError(f"{name}: nothing of that name is known here")

    def read(name: str, leaf: Any) -> Array:
        if name not in arrays:
            raise ValueError(f"{name}: missing")
        array, is_key = arrays[name], jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        data = jax.eval_shape(jax.random.key_data, leaf) if is_key else leaf
        if (array.shape, array.dtype) != (data.shape, data.dtype):
            raise ValueError(f"{name}: {array.dtype} {array.shape} where {data.dtype} {data.shape} is expected")
        copy = jnp.array(array)  # of its own: an update writes over what it is given
        return jax.random.wrap_key_data(copy, impl=KEY_IMPL) if is_key else copy

    return jax.tree.unflatten(jax.tree.structure(shapes), [read(name, leaf) for name, leaf in leaves.items()])


def _named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
