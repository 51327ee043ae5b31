"""Optimal assignment of rows to columns, on the device.

K rows and columns.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class _Matching(NamedTuple):
    """Matching of the rows so far, and the potentials that prove it optimal."""

    rows: Array  # (K + 1,) int32, row of each column; K where it is free; the last column is that of the row to match
    of_rows: Array  # (K + 1,) potentials
    of_columns: Array  # (K + 1,)


class _Path(NamedTuple):
    """Search for the shortest augmenting path of a row."""

    matching: _Matching
    column: Array  # () int32, where the path ends
    slack: Array  # (K + 1,) least reduced cost at which a column was reached
    before: Array  # (K + 1,) int32, column before it on the path
    visited: Array  # (K + 1,) bool


def best_assignment(gains: Array) -> Array:
    """Column (K,) int32 of each row, one to one, by which the sum of gains (K, K) is largest.

    By shortest augmenting paths, O(K^3); exact up to the rounding of sums of gains.

    Source: Jonker and Volgenant (1987), doi:10.1007/BF02278710; Kuhn (1955), doi:10.1002/nav.3800020109.
    """
    size = len(gains)
    costs = jnp.pad(gains.max() - gains, ((0, 1), (0, 1)))  # the last row and column are of no item

    def step(path: _Path) -> _Path:
        visited = path.visited.at[path.column].set(True)
        rows, of_rows, of_columns = path.matching
        row = rows[path.column]
        reduced = costs[row] - of_rows[row] - of_columns
        is_open = ~visited & (jnp.arange(size + 1) < size)
        is_nearer = is_open & (reduced < path.slack)
        slack = jnp.where(is_nearer, reduced, path.slack)
        before = jnp.where(is_nearer, path.column, path.before)
        reached = jnp.where(is_open, slack, jnp.inf)
        nearest, least = reached.argmin().astype(jnp.int32), reached.min()
        of_rows = of_rows.at[rows].add(jnp.where(visited, least, 0))
        of_columns = of_columns - jnp.where(visited, least, 0)
        slack = slack - jnp.where(is_open, least, 0)
        return _Path(_Matching(rows, of_rows, of_columns), nearest, slack, before, visited)

    def augment(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        rows, column, before = carry
        return rows.at[column].set(rows[before[column]]), before[column], before

    def match(row: Array, matching: _Matching) -> _Matching:
        matching = matching._replace(rows=matching.rows.at[size].set(row.astype(jnp.int32)))
        path = _Path(
            matching,
            jnp.int32(size),
            jnp.full(size + 1, jnp.inf, costs.dtype),
            jnp.full(size + 1, size, jnp.int32),
            jnp.zeros(size + 1, bool),
        )
        path = step(path)
        path = jax.lax.while_loop(lambda path: path.matching.rows[path.column] < size, step, path)
        found = (path.matching.rows, path.column, path.before)
        rows, _, _ = jax.lax.while_loop(lambda carry: carry[1] < size, augment, found)
        return path.matching._replace(rows=rows)

    nothing = jnp.zeros(size + 1, costs.dtype)
    matching = _Matching(jnp.full(size + 1, size, jnp.int32), nothing, nothing)
    rows = jax.lax.fori_loop(0, size, match, matching).rows[:size]
    return jnp.zeros(size, jnp.int32).at[rows].set(jnp.arange(size, dtype=jnp.int32))
