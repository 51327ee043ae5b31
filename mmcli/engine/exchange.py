"""Small exchanges between the processes of a run, over the devices that share its items.

Every process takes part in every exchange, and in the same order. All go over the one mesh of all devices: the
connections of another group of devices would be made anew, for which all processes have to come within half a minute.

P processes, G devices.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mmcli.modules.blocks import AXIS

_DIVIDED, _WHOLE = PartitionSpec(AXIS), PartitionSpec()


def mesh_of_all() -> Mesh:
    """The devices of all processes, those of the first process first."""
    return Mesh(np.array(jax.devices()), (AXIS,))


@partial(jax.jit, static_argnums=(0, 1))
def block(mesh: Mesh, axis: int, array: Array, number: Array) -> Array:
    """One block of an array that is divided along an axis, on every device: a sum in which all others are zeros."""

    def of_device(own: Array) -> Array:
        # As whole numbers: -0.0 + 0.0 would be 0.0.
        bits = own.astype(jnp.uint32) if own.dtype == bool else jax.lax.bitcast_convert_type(own, jnp.uint32)
        bits = jax.lax.psum(jnp.where(jax.lax.axis_index(AXIS) == number, bits, 0), AXIS)
        return bits.astype(bool) if own.dtype == bool else jax.lax.bitcast_convert_type(bits, own.dtype)

    divided = PartitionSpec(*(None,) * axis, AXIS)
    found: Array = jax.shard_map(of_device, mesh=mesh, in_specs=divided, out_specs=_WHOLE)(array)
    return found


@partial(jax.jit, static_argnums=0)
def everywhere(mesh: Mesh, array: Array) -> Array:
    """An array whole on every device."""
    whole: Array = jax.lax.with_sharding_constraint(array, NamedSharding(mesh, _WHOLE))
    return whole


def every(words: np.ndarray) -> np.ndarray:
    """Words (L,) uint32 of each process, (P, L), of as many from all."""
    mesh = mesh_of_all()
    rows = _rows(mesh, words)
    firsts = {device.process_index: number for number, device in reversed(list(enumerate(mesh.devices.flat)))}
    return np.asarray(everywhere(mesh, rows))[[firsts[index] for index in range(jax.process_count())]]


def from_first(content: bytes) -> bytes:
    """Content of the first process, whatever the others give."""
    size = int(every(np.array([len(content)], np.uint32))[0, 0])
    own = content if jax.process_index() == 0 else bytes(size)
    words = np.frombuffer(own + bytes(-size % 4), np.uint32)
    mesh = mesh_of_all()
    return np.asarray(block(mesh, 0, _rows(mesh, words), np.int32(0))).tobytes()[:size]


def number_of_first(number: float) -> float:
    """A number of the first process, as float32."""
    if jax.process_count() == 1:
        return number
    mesh = mesh_of_all()
    words = np.array([number], np.float32).view(np.uint32)
    return float(np.asarray(block(mesh, 0, _rows(mesh, words), np.int32(0))).view(np.float32)[0, 0])


def largest(number: int) -> int:
    """Largest of the numbers of all processes, none of them negative."""
    return number if jax.process_count() == 1 else int(every(np.array([number], np.uint32)).max())


def _rows(mesh: Mesh, words: np.ndarray) -> Array:
    """Words of each process on each of its devices, (G, L)."""
    shape, sharding = (mesh.size, len(words)), NamedSharding(mesh, _DIVIDED)
    return jax.make_array_from_callback(shape, sharding, lambda _: words[None])
