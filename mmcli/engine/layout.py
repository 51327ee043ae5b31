"""Places of arrays where a run divides its items among devices, of one process or of many.

N items are filled up with missing ones to G equal blocks, a device each. The compiler adds up sums over items from a
sum of each block, in the order of the blocks, so that results depend on their number and not on how many processes
hold them. An array is divided along its first axis of as many entries as there are items, and is whole on every
device otherwise. Where it lies changes no value: an axis that has this length by chance does no harm.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mmcli.data.rows.protocol import as_rows
from mmcli.engine import exchange
from mmcli.modules.blocks import AXIS


@dataclass(frozen=True)
class Layout:
    """Division of the items of a run; without a mesh all arrays are where jax puts them.

    Attributes:
        mesh: devices of the blocks, in their order.
        num_items: N of the data.
        num_rows: N with the missing items that fill up the blocks.
    """

    mesh: Mesh | None = None
    num_items: int = 0
    num_rows: int = 0

    @classmethod
    def over_all_devices(cls, num_items: int) -> "Layout":
        """A block on each device of all processes."""
        mesh = exchange.mesh_of_all()
        return cls(mesh, num_items, -(-num_items // mesh.size) * mesh.size)

    def tracing(self) -> AbstractContextManager[Any]:
        """Context in which functions of modules are traced: they find the blocks in it."""
        return nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    def placed(self, tree: Any) -> Any:
        """A pytree with each array where it belongs. Arrays of one process alone must be equal in all of them."""
        if self.mesh is None:
            return tree
        return jax.tree.map(partial(_placed, self), tree)

    def described(self, tree: Any) -> Any:
        """Shapes and types of a pytree, with the places of its arrays."""
        if self.mesh is None:
            return tree
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self.sharding(leaf.shape)), tree
        )

    def jit(self, function: Callable[..., Any]) -> Any:
        """Compile a function lazily, with its results where they belong."""
        if self.mesh is None:
            return jax.jit(function)

        def kept(*arguments: Any) -> Any:
            results = function(*arguments)
            return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding(leaf.shape)), results)

        return jax.jit(kept)

    def calling(self, compiled: Callable[..., Any]) -> Callable[..., Any]:
        """A compiled function whose arguments are put where it was compiled for."""
        return compiled if self.mesh is None else lambda *arguments: compiled(*self.placed(arguments))

    def sharding(self, shape: tuple[int, ...]) -> NamedSharding:
        """Place of an array of a shape."""
        assert self.mesh is not None
        before = shape.index(self.num_rows) if self.num_rows in shape else None
        spec = PartitionSpec() if before is None else PartitionSpec(*(None,) * before, AXIS)
        return NamedSharding(self.mesh, spec)

    def of_items(self, rows: Any) -> Any:
        """Rows (N, ...) of the host on the devices, zeros in the rows that fill up; each process keeps its own."""
        if self.mesh is None:
            return rows
        size = self.num_rows // self.mesh.size
        bounds = [min(size * number, self.num_items) for number in range(self.mesh.size + 1)]
        devices = enumerate(self.mesh.devices.flat)
        own = {number for number, device in devices if device.process_index == jax.process_index()}
        read = {number: np.array(part) for number, part in enumerate(as_rows(rows).parts(bounds)) if number in own}

        def block(index: tuple[slice, ...] | None) -> np.ndarray:
            assert index is not None  # of an array with axes
            part = read[(index[0].start or 0) // size]
            return np.pad(part, ((0, size - len(part)), *((0, 0) for _ in part.shape[1:])))

        shape = (self.num_rows, *rows.shape[1:])
        return jax.make_array_from_callback(shape, self.sharding(shape), block, dtype=np.dtype(rows.dtype))

    def without_filling(self, array: np.ndarray) -> np.ndarray:
        """Rows of the items alone, of an array with a row an item."""
        return array if self.mesh is None else array[: self.num_items]


LOCAL = Layout()
# Of a run that begins: a process that shares its items with others has one layout from start to end.
current_layout: ContextVar[Layout] = ContextVar("current_layout", default=LOCAL)


def on_host(array: Any) -> np.ndarray:
    """An array whole on the host; where processes share it, block by block, and in all of them at once."""
    if not isinstance(array, Array) or array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    mesh = exchange.mesh_of_all()
    place = array.sharding
    if not isinstance(place, NamedSharding) or AXIS not in place.spec:
        return np.asarray(exchange.everywhere(mesh, array))  # a result of the compiler's own choice
    axis = place.spec.index(AXIS)
    blocks = [np.asarray(exchange.block(mesh, axis, array, np.int32(number))) for number in range(mesh.size)]
    return np.concatenate(blocks, axis=axis)


def _placed(layout: Layout, leaf: Any) -> Any:
    if isinstance(leaf, Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _placed(layout, jax.random.key_data(leaf))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    sharding = layout.sharding(np.shape(leaf))
    if isinstance(leaf, Array) and leaf.sharding.device_set == sharding.device_set:
        return leaf if leaf.sharding == sharding else jax.device_put(leaf, sharding)
    array = np.asarray(leaf)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
