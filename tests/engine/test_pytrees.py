"""A pytree goes out as named arrays and comes back as it was, or not at all."""

import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from mmcli.engine import pytrees


class Kept(NamedTuple):
    weights: dict[str, Array]
    labels: tuple[Array, ...]
    key: Array


KEPT = Kept({"a": jnp.ones((2, 3)), "b": jnp.zeros(0)}, (jnp.int32(4), jnp.array(True)), jax.random.key(5, impl="rbg"))


@pytest.mark.parametrize("shapes", [KEPT, jax.eval_shape(lambda: KEPT)], ids=["arrays", "shapes"])
def test_a_tree_comes_back_from_its_named_leaves(shapes):
    named = pytrees.named_leaves(KEPT)

    restored = pytrees.restore(shapes, named)

    assert list(named) == ["weights.a", "weights.b", "labels.0", "labels.1", "key"]
    assert jax.tree.structure(restored) == jax.tree.structure(KEPT)
    assert [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(restored)] == [
        (leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(KEPT)
    ]
    for name, array in pytrees.named_leaves(restored).items():
        np.testing.assert_array_equal(array, named[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights.a": None}, "weights.a: missing"),
        ({"weights.c": np.ones(3)}, "weights.c: nothing of that name is known here"),
        (
            {"weights.a": np.ones((3, 2), np.float32)},
            "weights.a: float32 (3, 2) where float32 (2, 3) is expected",
        ),
        ({"labels.0": np.float32(4)}, "labels.0: float32 () where int32 () is expected"),
        ({"key": np.zeros(2, np.uint32)}, "key: uint32 (2,) where uint32 (4,) is expected"),
    ],
)
def test_what_is_not_the_tree_is_not_restored(change, message):
    arrays = {name: array for name, array in (pytrees.named_leaves(KEPT) | change).items() if array is not None}

    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pytrees.restore(KEPT, arrays)
