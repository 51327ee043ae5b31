"""One observation: rows from a source, validated, in the form that the modules observing them accept.

N rows, D columns.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmcli.config.graph import Graph, Node
from mmcli.config.model import DataSource
from mmcli.data.census import Census
from mmcli.data.masks import dimensions
from mmcli.data.rows import packed, sparse, streamed
from mmcli.data.rows.packed import PackedRows
from mmcli.data.rows.protocol import Forms, SentRows, as_block, as_rows
from mmcli.data.rows.sparse import HostRows
from mmcli.data.rows.streamed import RowSource, StreamedRows
from mmcli.data.units import LARGEST, Survey, Units
from mmcli.data.validation import TOO_FAR, Rule, Watcher, block_size, checked, converted
from mmcli.errors import DataError
from mmcli.modules.spec import Kind

Hold: TypeAlias = bool | Literal["packed"]  # whether and how to hold rows in memory


class Learned(NamedTuple):
    """Training data's width and units of an observation; None before training."""

    width: int | None
    units: Units | None


class Observed(NamedTuple):
    """An observation after reading."""

    rows: SentRows
    known: NDArray[np.bool_]  # (N,)
    units: Units | None = None
    notes: tuple[str, ...] = ()


class Observer:
    """Nodes that observe an observation, and the form each accepts.

    Without units, as in runs of older versions, all receive it as stored.
    """

    def __init__(self, module: str, graph: Graph, *, has_units: bool = True) -> None:
        self.module = module
        self.nodes = [graph.nodes[child] for child in graph.nodes[module].children]
        self.in_units = [node for node in self.nodes if has_units and node.is_standard(module)]
        self.as_it_is = [node for node in self.nodes if node not in self.in_units]

    @property
    def of_counts(self) -> list[Node]:
        """Nodes that receive counts of it as an input."""
        takers = [node for node in self.nodes if self.module in node.parents]
        return [node for node in takers if node.kind_from(self.module) is Kind.COUNTS]

    @property
    def takes_packed(self) -> bool:
        """Whether every node that observes it takes packed rows, as stored."""
        return not self.in_units and all(node.spec.inputs.packed and self.module in node.parents for node in self.nodes)

    @property
    def of_points(self) -> Node | None:
        """First node that receives points; None where sparse rows are counts to all."""
        return next((node for node in self.nodes if node.kind_from(self.module) is Kind.POINTS), None)


class _Input(NamedTuple):
    """Rows to read."""

    array: RowSource
    known: NDArray[np.bool_]
    source: DataSource
    hold: bool  # whether to hold rows in memory that could be streamed
    pack: bool  # whether to hold them packed, where that is exact

    def converted(self, units: Units | None) -> RowSource:
        """Validated rows, as stored or in standard units."""
        again = functools.partial(converted, self.array, self.known, self.source.file, units)
        if self.hold or not as_rows(self.array).is_streamed:
            return streamed.joined(again(block_size(self.array)), self.array.shape, np.float32)
        return StreamedRows(self.array.shape, np.dtype(np.float32), again)


def read_observation(
    observer: Observer,
    source: DataSource,
    masks: Mapping[str, NDArray[np.bool_]],
    learned: Learned,
    array: RowSource,
    *,
    hold: Hold,
) -> Observed:
    """Read rows (N, D) float32, valid for every node that observes them, and their mask (N,).

    `hold` as for `load_sources`.

    Raises:
        DataError: the shape, the mask or a value is wrong; without the name of the file.
    """
    if array.ndim != 2:
        remedy = "array.reshape(-1, 1)" if array.ndim < 2 else "array.reshape(len(array), -1)"
        raise DataError(f"{dimensions(array)}; an observation has 2, items by columns: {remedy}")
    num_items, num_columns = array.shape
    if not num_items or not num_columns:
        raise DataError(f"empty: {num_items} rows of {num_columns} columns")
    if learned.width is not None and num_columns != learned.width:
        raise DataError(f"{num_columns} columns, but the run learned from {learned.width}; make both in the same way")
    known = masks.get(source.known or "", np.ones(num_items, bool)).copy()
    if len(known) != num_items:
        raise DataError(f"{num_items} rows, but {source.known} has {len(known)}")
    given = _Input(array, known, source, bool(hold), hold == "packed" and observer.takes_packed)
    rules = list(_rules(observer.module, observer.as_it_is, source.missing))
    census = Census()
    watchers: list[Watcher] = [census] if observer.of_counts else []
    if observer.in_units:
        observed = _in_units(observer, given, rules, learned.units, watchers)
    else:
        blocks = checked(array, known, source.missing, rules, watchers=watchers)
        observed = Observed(_as_it_is(blocks, given, observer), known)
    notes = tuple(census.check(observer.of_counts))
    return observed if learned.width is not None else observed._replace(notes=observed.notes + notes)


def _in_units(
    observer: Observer, given: _Input, rules: list[Rule], units: Units | None, watchers: Sequence[Watcher]
) -> Observed:
    """Rows in standard units, and as stored where a node needs that; units are derived from them where not given."""
    array, known, source, *_ = given
    _refuse_too_dense(array, observer.in_units[0])
    if units is not None and as_rows(array).is_streamed:
        rules.append((units.too_far, TOO_FAR))  # for other arrays, `converted` reports it at once
    survey = Survey(array.shape, array.dtype)
    precise = not observer.as_it_is
    if units is None:
        watchers = [*watchers, survey]
    blocks = checked(array, known, source.missing, rules, precise=precise, watchers=watchers)
    plain = None if precise else _as_it_is(blocks, given, observer)
    for _ in blocks:
        pass
    notes: tuple[str, ...] = ()
    if units is None:
        units = survey.units()
        notes = tuple(survey.notes(units))
    standard = given.converted(units)
    return Observed(standard if plain is None else Forms(plain, standard), known, units, notes)


def _as_it_is(blocks: Iterator[HostRows], given: _Input, observer: Observer) -> "RowSource | PackedRows":
    """Rows as stored, (N, D) float32, from validated blocks."""
    array = given.array
    if not as_rows(array).is_streamed:
        (rows,) = blocks
        formed = _in_form(rows, observer.of_points)
        if not given.pack or as_rows(formed).is_sparse:
            return formed
        blocks = as_rows(formed).blocks(block_size(array))
    if given.pack:
        return packed.joined(blocks, array.shape)
    if given.hold:
        return streamed.joined(blocks, array.shape, np.float32)
    for _ in blocks:
        pass
    return given.converted(None)


def _rules(module: str, plain_nodes: Sequence[Node], missing: str | None) -> Iterator[Rule]:
    """Rules for every value of an observation, the most basic first; `plain_nodes` receive values as stored."""
    remedy = "fill it, drop the item, or set missing: nan (whole rows)"
    if missing == "nan":
        remedy = "fill it, or drop the item; missing: nan takes whole rows"
    yield np.isnan, remedy
    if plain_nodes:
        yield (lambda values: ~np.isfinite(values)), "too large for float32; scale the array"
    else:
        yield (lambda values: ~(np.abs(values) <= LARGEST)), "too large for float64; scale the array"
    for node in plain_nodes:
        if node.kind_from(module) is Kind.COUNTS:
            yield (lambda values: values < 0), f"modules.{node.name} takes counts, which are 0 or more"
        bounds = None if module in node.targets else node.spec.inputs.bounds(node.config.options)
        if bounds is not None:  # the bounds of every type include the zeros of sparse rows
            remedy = "scale the array, or change the module's options"
            text = f"modules.{node.name} takes {bounds[0]:g} to {bounds[1]:g}: {remedy}"
            yield functools.partial(_is_outside, bounds), text


def _is_outside(bounds: tuple[float, float], values: NDArray[Any]) -> NDArray[np.bool_]:
    """True where values are out of bounds."""
    return (values < bounds[0]) | (values > bounds[1])


def _in_form(rows: HostRows, points_node: Node | None) -> HostRows:
    """Sparse rows as they are, or dense, whichever suits the nodes.

    Raises:
        DataError: they are too many to be dense.
    """
    found = as_rows(rows)
    if points_node is not None:
        _refuse_too_dense(rows, points_node)
    elif found.is_sparse and sparse.pays(rows.shape, found.num_stored):
        return rows
    return as_block(rows).dense


def _refuse_too_dense(rows: RowSource, points_node: Node) -> None:
    """Refuse sparse rows that would fill too much memory as points.

    Raises:
        DataError: they would.
    """
    if as_rows(rows).is_sparse and (size := sparse.dense_bytes(rows.shape)) > sparse.MAX_DENSE:
        what = f"{rows.shape[0]} rows of {rows.shape[1]} columns would fill {size / 1e9:.1f} GB"
        raise DataError(f"modules.{points_node.name} takes points, which are dense: {what}; give it fewer columns")
