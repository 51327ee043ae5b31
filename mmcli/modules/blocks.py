"""Blocks of items, where a run divides them among devices; elsewhere all items are one block, or come in turn.

The compiler divides what is written over all items: sums become sums of each block, added over the devices. Here is
what it would not divide: loops over blocks of rows, and gathers of items in a random order.

N items, G blocks.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from mmcli.modules.block_sizes import ROWS

AXIS = "items"  # of the mesh of devices; a device holds one block


def num_blocks() -> int:
    """Number of blocks G into which items are divided where this is traced."""
    mesh = jax.sharding.get_abstract_mesh()
    return mesh.shape[AXIS] if AXIS in mesh.axis_names else 1


def by_block(
    function: Callable[..., tuple[Any, Any]],
    items: tuple[Any, ...],
    *,
    columns: tuple[Array, ...] = (),
    shared: tuple[Array, ...] = (),
) -> Any:
    """Results of a function over the items of each block on its own: arrays of a row an item, and sums over items.

    Args:
        function: (*items, *columns, *shared) -> arrays with a row for each item, and arrays to be added up over blocks.
        items: arrays (N, ...).
        columns: arrays (K, N).
        shared: arrays that every block needs whole.
    """
    if num_blocks() == 1:
        return function(*items, *columns, *shared)

    def of_block(*arguments: Array) -> tuple[Any, Any]:
        rows, sums = function(*arguments)
        return rows, jax.lax.psum(sums, AXIS)

    divided, whole = PartitionSpec(AXIS), PartitionSpec()
    specs = (*(divided,) * len(items), *(PartitionSpec(None, AXIS),) * len(columns), *(whole,) * len(shared))
    # Unchecked: sums start at zeros, which the check takes for equal on all devices.
    divide = jax.shard_map(of_block, in_specs=specs, out_specs=(divided, whole), check_vma=False)
    return divide(*items, *columns, *shared)


def block_orders(key: Array, num_items: int) -> Array:
    """Random order of the items of each block, (G, N / G), as their places in the block."""
    blocks = num_blocks()
    if blocks == 1:
        return jax.random.permutation(key, num_items)[None]
    places = jnp.broadcast_to(jnp.arange(num_items // blocks), (blocks, num_items // blocks))
    return jax.random.permutation(key, places, axis=1, independent=True)


def row_of(rows: Array, number: Array) -> Array:
    """Row (D,) of a number, () int, of rows (N, D); only the block that has it reads it."""
    blocks = num_blocks()
    if blocks == 1:
        return rows[number]

    def own(rows: Array, number: Array) -> tuple[tuple[()], Array]:
        place = number - jax.lax.axis_index(AXIS) * len(rows)
        is_here = (place >= 0) & (place < len(rows))
        return (), jnp.where(is_here, rows[jnp.clip(place, 0, len(rows) - 1)], 0)

    row: Array = by_block(own, (rows,), shared=(number,))[1]
    return row


def taken(rows: Array, places: Array) -> Array:
    """Rows (M, ...) at places (M,) in their block; those of each block follow each other in both."""
    taken_rows: Array = by_block(lambda rows, places: (rows[places], ()), (rows, places))[0]
    return taken_rows


def in_turn(function: Callable[..., tuple[Any, Any]], items: tuple[Any, ...]) -> Any:
    """Results of a function over items, ROWS of them after the other; whole where devices share the items.

    Arguments as of `in_steps`.
    """
    return function(*items) if num_blocks() > 1 else in_steps(function, items, ROWS)


def in_steps(function: Callable[..., tuple[Any, Any]], items: tuple[Any, ...], size: int) -> Any:
    """Results of a function over items as `by_block`, `size` items after `size`, so that memory does not grow with N.

    Of up to `size` items it is the function itself.

    Args:
        function: (*items) -> arrays with a row for each item, and arrays to be added up over the turns.
        items: pytrees of arrays (N, ...).
        size: items of a turn; the last has fewer.
    """
    num_items = len(jax.tree.leaves(items)[0])
    if num_items <= size:
        return function(*items)

    def take(first: Any, number: int) -> tuple[Any, ...]:
        part: tuple[Any, ...] = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, number), items)
        return part

    def turn(number: Any, found: tuple[Any, Any], size: int = size, step: int = size) -> tuple[Any, Any]:
        rows, sums = function(*take(number * step, size))
        put = partial(jax.lax.dynamic_update_slice_in_dim, start_index=number * step, axis=0)
        return jax.tree.map(put, found[0], rows), jax.tree.map(jnp.add, found[1], sums)

    rows, sums = jax.eval_shape(function, *take(0, size))
    found = (
        jax.tree.map(lambda leaf: jnp.zeros((num_items, *leaf.shape[1:]), leaf.dtype), rows),
        jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), sums),
    )
    num_turns, num_left = divmod(num_items, size)
    found = jax.lax.fori_loop(0, num_turns, turn, found)
    return turn(num_turns, found, num_left) if num_left else found
