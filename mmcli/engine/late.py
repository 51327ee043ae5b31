"""Reconstructions of many items, computed block by block when they are written: whole they would fill the memory.

N items, D columns.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from mmcli.data.rows.streamed import StreamedRows
from mmcli.engine.routing import Program
from mmcli.modules.api import Inputs
from mmcli.modules.block_sizes import LATE_VALUES
from mmcli.modules.spec import Role


def may_be_late(program: Program, name: str) -> bool:
    """Whether a module may report an array that is computed late, if its items are many."""
    spec = program.graph.nodes[name].spec
    is_here = program.layout.mesh is None  # each process would compute its own rows
    return is_here and spec.items == "independent" and spec.name_of(Role.RECONSTRUCTION) is not None


def late_stem(program: Program, name: str, state: Any, inputs: Inputs, items: Mapping[str, Any]) -> str | None:
    """Name of the array of items that is computed late; None where all are computed with the update.

    Rows of it are inferred from the same rows of the inputs, so that these have to have a row for each item, and the
    state none.

    Args:
        program: of the run.
        name: of the module.
        state: of it, or its shapes.
        inputs: of it, or their shapes.
        items: reported arrays with a row an item, or their shapes.
    """
    stem = program.graph.nodes[name].spec.name_of(Role.RECONSTRUCTION)
    if stem is None or not may_be_late(program, name) or stem not in items:
        return None
    if math.prod(items[stem].shape) <= LATE_VALUES:
        return None
    rows = items[stem].shape[:1]
    is_divisible = all(leaf.shape[:1] == rows for leaf in jax.tree.leaves(inputs))
    is_shared = all(leaf.shape[:1] != rows for leaf in jax.tree.leaves(state))
    return stem if is_divisible and is_shared else None


def late_rows(program: Program, name: str, stem: str, state: Any, inputs: Inputs) -> StreamedRows:
    """An array of items (N, D) that a module infers, block by block."""
    module = program.modules[name]
    found = jax.eval_shape(module.infer, state, inputs).items[stem]
    num_items, num_columns = found.shape

    def blocks(size: int) -> Iterator[np.ndarray]:
        size = min(size, num_items)

        @jax.jit
        def infer(state: Any, inputs: Inputs, first: np.int32) -> jax.Array:
            rows = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, size), inputs)
            return module.infer(state, rows).items[stem]

        for first in range(0, num_items, size):
            begin = min(first, num_items - size)  # the last block is as long, so that one program does
            yield np.asarray(infer(state, inputs, np.int32(begin)))[first - begin :]

    return StreamedRows((num_items, num_columns), np.dtype(found.dtype), blocks)
