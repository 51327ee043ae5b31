"""Pytrees as arrays by name, and back: how states, messages and keys are stored."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.engine.layout import on_host

# Not threefry: with rbg, functions that draw numbers compile in less than half the time.
KEY_IMPL = "rbg"


def named_leaves(tree: Any) -> dict[str, np.ndarray]:
    """Arrays of a pytree by their path, such as "params.means"; of a random key its data."""
    return {
        name: on_host(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for name, leaf in _named(tree).items()
    }


def leaf_names(tree: Any) -> set[str]:
    """Names of the arrays of `named_leaves`."""
    return set(_named(tree))


def restore(shapes: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Build the pytree whose `named_leaves` are `arrays`; the inverse of `named_leaves`.

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
        copy = jnp.array(array)  # an update may write over its arguments
        return jax.random.wrap_key_data(copy, impl=KEY_IMPL) if is_key else copy

    return jax.tree.unflatten(jax.tree.structure(shapes), [read(name, leaf) for name, leaf in leaves.items()])


def _named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
