"""The number of classes, where it is left open: those that parent and child tell apart, each without the other.

The modules of the search explore with more classes than there may be, twice, on the messages of the others. Classes
of a parent that its child cannot tell apart are then merged: of the joint table of what both infer, the two whose
merging loses least, until the loss is more than a share of what a class contributes. A class of one sense that is
split is no loss, as the other sense does not know the parts; a class that both see is.

K classes, N items.

Source: agglomerative information bottleneck, Slonim and Tishby (1999); its bias, Miller (1955).
"""

import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmcli.config.graph import Graph
from mmcli.engine.layout import on_host
from mmcli.engine.plan import Plan
from mmcli.engine.program import Compiled
from mmcli.engine.routing import Edge, Program, RoundState
from mmcli.engine.search import Sign, after_update, joint_table, whole_update, without
from mmcli.errors import DivergedError
from mmcli.modules.messages import Message

EXPLORATIONS, STEPS = 2, 2  # the one goes on in which most is shared, after so many updates of each module
FEWEST = 2
ITEMS_A_CLASS = 30  # of fewer, the classes of one sense and those of the other fit each other by chance
LEAST_SHARE = 0.2  # of what is shared by one class, 1 / K of all, that merging two of them loses


class Count(NamedTuple):
    """Classes that are distinguished."""

    number: int
    information: float  # nats an item that parent and child share about them


def most_classes(graph: Graph, num_items: int) -> dict[str, int]:
    """Most classes, of each module whose number is left open, that so many items can tell apart."""
    return graph.most_classes(max(FEWEST, num_items // ITEMS_A_CLASS))


def explore(
    program: Program,
    compiled: Mapping[str, Compiled],
    plan: Plan,
    state: RoundState,
    root: Array,
    compute: Callable[..., Generator[Sign, None, Any]],
) -> Generator[Sign, None, dict[str, int]]:
    """Find the numbers of classes that were left open, by module.

    Args:
        program: of the most classes.
        compiled: modules of the search, by name.
        plan: of the run.
        state: after the first updates of all other modules.
        root: the key of all randomness.
        compute: calls a function in a thread, and yields signs of life while it waits.

    Raises:
        DivergedError: a number became NaN or infinite.
    """
    found: list[list[Count]] = []
    for number in range(1, EXPLORATIONS + 1):
        key = jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(b"count")), number)
        explored = without(program, state, plan.searched)
        for step in range(1, STEPS + 1):
            for name in plan.searched:
                ended = yield from whole_update(program, compiled[name], explored, name, key, step, compute)
                explored = after_update(program, explored, name, ended)
        tables = yield from compute(
            _joint_tables, [(explored.forward[edge], explored.backward[edge]) for edge in plan.counted]
        )
        found.append([count_classes(on_host(table).astype(np.float64)) for table in tables])
    counts = max(found, key=lambda each: sum(count.information for count in each))
    return numbers_of(plan.left_open, plan.counted, counts)


@jax.jit
def _joint_tables(messages: Sequence[tuple[Message, Message]]) -> list[Array]:
    return [joint_table(*pair) for pair in messages]


def numbers_of(left_open: Sequence[str], edges: Sequence[Edge], counts: Sequence[Count]) -> dict[str, int]:
    """Number of each module that is left open: the largest of the edges at which it is."""
    return {
        name: max(count.number for edge, count in zip(edges, counts, strict=True) if name in edge) for name in left_open
    }


def count_classes(table: NDArray[np.float64]) -> Count:
    """Merge classes of a joint table (K, K), of N items in all, until those that are left are distinguished.

    Raises:
        DivergedError: not finite numbers.
    """
    if not np.isfinite(table).all():
        raise DivergedError("the count of classes: a number became NaN or infinite; give every module a number")
    num_items = max(table.sum(), 1.0)
    shares = table / num_items
    while len(shares) > FEWEST:
        losses = merging_losses(shares)
        one, other = np.unravel_index(losses.argmin(), losses.shape)
        chance = (len(shares) - 1) / (2 * num_items)  # bias of the information of one class more
        if losses[one, other] - chance > LEAST_SHARE * information(shares) / len(shares):
            break
        shares[one] += shares[other]
        shares[:, one] += shares[:, other]
        shares = np.delete(np.delete(shares, other, axis=0), other, axis=1)
    return Count(len(shares), information(shares))


def merging_losses(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Information (K, K) that is lost where two rows of a joint distribution (K, V) are merged; inf for one row."""
    rows = shares.sum(axis=1)
    parts, sums = _plogp(shares).sum(axis=1), _plogp(rows)
    merged = _plogp(shares[:, None] + shares[None]).sum(axis=2)
    of_rows = sums[:, None] + sums[None] - _plogp(rows[:, None] + rows[None])
    losses: NDArray[np.float64] = parts[:, None] + parts[None] - merged - of_rows
    np.fill_diagonal(losses, np.inf)
    return losses


def information(shares: NDArray[np.float64]) -> float:
    """Mutual information, nats, of the rows and columns of a joint distribution."""
    return float(_plogp(shares).sum() - _plogp(shares.sum(axis=1)).sum() - _plogp(shares.sum(axis=0)).sum())


def _plogp(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return shares * np.log(np.where(shares > 0, shares, 1))
