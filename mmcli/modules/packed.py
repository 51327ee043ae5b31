"""Dense rows whose values are whole numbers, or shares of 255, in one or two bytes each.

They take a quarter of the memory of float32, and are converted block by block where they are used. Every leaf has a
row for each item, so that rows are taken and divided as those of any message.

N items, V columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.modules.blocks import in_turn, taken


@partial(jax.tree_util.register_dataclass, data_fields=["codes", "sums", "factors"], meta_fields=["divisor"])
@dataclass(frozen=True)
class PackedRows:
    """(N, V) values, codes / divisor times a factor of the row."""

    codes: Array  # (N, V) uint8 or uint16; uint8 where the divisor is not 1
    sums: Array  # (N,) of the codes of each row
    factors: Array  # (N,)
    divisor: int

    @property
    def shape(self) -> tuple[int, int]:
        """N and V."""
        rows, columns = self.codes.shape
        return rows, columns


def packed(codes: np.ndarray, divisor: int) -> PackedRows:
    """Rows (N, V) of codes on the host; a CPU computes on their own memory where that is aligned."""
    sums = jnp.asarray(codes.sum(axis=1, dtype=np.uint64), float)
    return PackedRows(jax.device_put(codes), sums, jnp.ones(len(codes)), divisor)


def unpacked(rows: Array | PackedRows) -> Array:
    """Dense rows as float32, (N, V)."""
    if not isinstance(rows, PackedRows):
        return rows
    if rows.divisor == 1:
        values = rows.codes.astype(float)
    else:  # from a table, as XLA's division on a CPU is not exact to the last bit
        values = jnp.asarray(np.arange(256, dtype=np.float32) / np.float32(rows.divisor))[rows.codes]
    return values * rows.factors[:, None]


def values_at(rows: Array | PackedRows, places: Array) -> Array:
    """Rows (M, V) float32 at places (M,) in their block, as `blocks.taken`."""
    if not isinstance(rows, PackedRows):
        return taken(rows, places)
    return unpacked(jax.tree.map(lambda leaf: leaf[places], rows))


def by_rows(function: Callable[[Array], Any], rows: Array | PackedRows) -> Any:
    """Results (N, ...) of a function of rows (M, V) float32 in which no row reads another; of many rows, in turn."""

    def of_rows(rows: Array | PackedRows) -> tuple[Any, tuple[()]]:
        return function(unpacked(rows)), ()

    return in_turn(of_rows, (rows,))[0]
