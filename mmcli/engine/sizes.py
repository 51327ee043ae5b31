"""Sizes of a run from its shapes alone: parameters, state, messages and reports. Nothing is compiled or computed.

N items.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mmcli.config.graph import Graph
from mmcli.data.rows.given import Given
from mmcli.engine.devices import own_settings, start
from mmcli.engine.pytrees import KEY_IMPL
from mmcli.engine.routing import Program, build_program, initial_state, receive
from mmcli.modules.api import report
from mmcli.modules.spec import Rule


class ArraySize(NamedTuple):
    """Shape of an array and bytes of an element."""

    shape: tuple[int, ...]
    itemsize: int
    is_float: bool

    @property
    def num_bytes(self) -> int:
        """Bytes of the whole array."""
        return math.prod(self.shape) * self.itemsize


class ModuleSizes(NamedTuple):
    """Sizes of a module of a run.

    Attributes:
        num_params: parameters: numbers that learning sets, without an optimizer's state and whatever is of items.
        state: bytes of all that the next update reads.
        messages: bytes of its messages to and from its children.
        reports: arrays that the run directory shows, by name.
    """

    num_params: int
    state: int
    messages: int
    reports: Mapping[str, ArraySize]


@own_settings()
def module_sizes(graph: Graph, widths: Mapping[str, int], num_items: int, rule: Rule) -> dict[str, ModuleSizes]:
    """Sizes of each module that learns.

    Args:
        graph: of the run.
        widths: columns of each observation.
        num_items: N.
        rule: of the backward messages.

    Raises:
        UsageError: there is no device of the kind that the environment asks for.
        ModuleError: the mathematics of a type cannot be imported.
    """
    start()
    program = build_program(graph, widths, rule)
    return {name: _sizes(program, widths, num_items, name) for name in program.order}


def _sizes(program: Program, widths: Mapping[str, int], num_items: int, name: str) -> ModuleSizes:
    module = program.modules[name]
    key = jax.random.key(0, impl=KEY_IMPL)

    def init(given: Given) -> Any:
        inputs = receive(program, initial_state(program, given), name)
        return inputs, module.init(key, inputs)

    def update(given: Given) -> Any:
        inputs, state = init(given)
        state, outputs, _ = module.end(module.begin(key, state, inputs), inputs)
        return state, report(module, state, outputs), _messages(program, given, name)

    state, reports, forward = jax.eval_shape(update, _given(program, widths, num_items))
    _, fewer = jax.eval_shape(init, _given(program, widths, max(num_items - 1, 1)))
    return ModuleSizes(
        _num_params(state, fewer),
        sum(map(_num_bytes, jax.tree.leaves(state))),
        2 * sum(map(_num_bytes, jax.tree.leaves(forward))),  # backward messages have the shapes of forward ones
        {
            stem: ArraySize(array.shape, array.dtype.itemsize, jnp.issubdtype(array.dtype, jnp.floating))
            for stem, array in reports.items()
        },
    )


def _given(program: Program, widths: Mapping[str, int], num_items: int) -> Given:
    """Shapes of the rows of so many items."""
    rows = {data: jax.ShapeDtypeStruct((num_items, width), jnp.float32) for data, width in widths.items()}
    known = dict.fromkeys(rows, jax.ShapeDtypeStruct((num_items,), jnp.float32))
    return Given(rows, known, dict.fromkeys(program.graph.sequences, jax.ShapeDtypeStruct((num_items,), bool)))


def _messages(program: Program, given: Given, name: str) -> list[Any]:
    """Messages of a module to its children."""
    forward = initial_state(program, given).forward
    return [forward[name, child] for child in program.graph.nodes[name].children]


def _num_params(state: Any, fewer: Any) -> int:
    """Real numbers in a state's `params`, or, where it has none, in all arrays whose shape fewer items leave."""
    states = [getattr(each, "params", each) for each in (state, fewer)]
    pairs = zip(*map(jax.tree.leaves, states), strict=True)
    return sum(
        leaf.size for leaf, other in pairs if leaf.shape == other.shape and jnp.issubdtype(leaf.dtype, jnp.floating)
    )


def _num_bytes(leaf: Any) -> int:
    data = jax.eval_shape(jax.random.key_data, leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    return int(data.size) * int(data.dtype.itemsize)
