"""Places of arrays where a run divides its items among devices, of one process or of many.

N items are filled up with missing ones to G equal blocks, a device each. The compiler adds up sums over items from a
sum of each block, in the order of the blocks, so that results depend on their number and not on how many processes
hold them. An array is divided along its first axis of as many entries as there are items, and is whole on every
device otherwise. Where it lies changes no value: an axis that has this length by chance does no harm.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental.multihost_utils import broadcast_one_to_all
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mmcli.data.rows.protocol import as_rows
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
        mesh = Mesh(np.array(jax.devices()), (AXIS,))
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
            return jax.tree.map(
                lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding(leaf.shape)), results
            )

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
        """Rows (N, ...) of the host on the devices, zeros in the rows that fill up; each process reads its own alone."""
        if self.mesh is None:
            return rows
        size = self.num_rows // self.mesh.size
        bounds = [min(size * number, self.num_items) for number in range(self.mesh.size + 1)]
        devices = enumerate(self.mesh.devices.flat)
        own = {number for number, device in devices if device.process_index == jax.process_index()}
        read = {number: np.array(part) for number, part in enumerate(as_rows(rows).parts(bounds)) if number in own}

        def block(index: tuple[slice, ...]) -> np.ndarray:
            part = read[(index[0].start or 0) // size]
            return np.pad(part, ((0, size - len(part)), *((0, 0) for _ in part.shape[1:])))

        shape = (self.num_rows, *rows.shape[1:])
        return jax.make_array_from_callback(shape, self.sharding(shape), block, dtype=np.dtype(rows.dtype))

    def on_host(self, array: Any) -> np.ndarray:
        """An array whole on the host, in every process; where it is divided, block by block, in all of them at once."""
        if self.mesh is None or jax.process_count() == 1:
            return np.asarray(array)
        there = _placed(self, array)
        if there.is_fully_replicated:
            return np.asarray(there)
        axis = there.sharding.spec.index(AXIS)
        blocks = [np.asarray(_block(self.mesh, axis, there, np.int32(number))) for number in range(self.mesh.size)]
        return np.concatenate(blocks, axis=axis)

    def agreed(self, number: float) -> float:
        """A number of the first process, in all of them."""
        return number if jax.process_count() == 1 else float(broadcast_one_to_all(np.float32(number)))

    def without_filling(self, array: np.ndarray) -> np.ndarray:
        """Rows of the items alone, of an array with a row an item."""
        return array if self.mesh is None else array[: self.num_items]


LOCAL = Layout()


def _placed(layout: Layout, leaf: Any) -> Any:
    if isinstance(leaf, Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _placed(layout, jax.random.key_data(leaf))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    sharding = layout.sharding(np.shape(leaf))
    if isinstance(leaf, Array) and leaf.sharding.device_set == sharding.device_set:
        return leaf if leaf.sharding == sharding else jax.device_put(leaf, sharding)
    array = np.asarray(leaf)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


@partial(jax.jit, static_argnums=(0, 1))
def _block(mesh: Mesh, axis: int, array: Array, number: Array) -> Array:
    """One block of a divided array on every device: a sum over the devices in which all others are zeros."""

    def of_device(own: Array) -> Array:
        # As whole numbers: -0.0 + 0.0 would be 0.0.
        bits = own.astype(jnp.uint32) if own.dtype == bool else jax.lax.bitcast_convert_type(own, jnp.uint32)
        bits = jax.lax.psum(jnp.where(jax.lax.axis_index(AXIS) == number, bits, 0), AXIS)
        return bits.astype(bool) if own.dtype == bool else jax.lax.bitcast_convert_type(bits, own.dtype)

    divided = PartitionSpec(*(None,) * axis, AXIS)
    block: Array = jax.shard_map(of_device, mesh=mesh, in_specs=divided, out_specs=PartitionSpec())(array)
    return block
