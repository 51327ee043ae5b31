"""Named data -> checked arrays: every row and value fit for the modules that observe it."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmcli import sparse, streamed
from mmcli.errors import DataError
from mmcli.formats import line_of, stream_array
from mmcli.formats.opening import digest
from mmcli.graph import Graph, Node
from mmcli.modules import MODULES, Kind
from mmcli.sparse import HostRows
from mmcli.spec import Config, DataSource, Place, Places
from mmcli.streamed import RowSource, StreamedRows
from mmcli.values import BLOCK_VALUES, Rule, WrongValueError, checked, converted, refuse
from mmcli.wording import located, shown

_Checked = TypeVar("_Checked")


class Datasets(NamedTuple):
    """What the modules observe. N items; rows are items.

    Attributes:
        observations: (N, D) float32, by name of the observation module; zeros where not known. In C order, or a
            scipy csr_array where it was read from one, only counts are heard of it, and `sparse.pays`. Streamed where
            they were not to be held.
        known: (N,) which rows are there, by name of the observation module.
        labels: (N,) int64, by name of the data.
        num_items: N.
        digests: SHA-256 in hex of each file, by its path.
    """

    observations: Mapping[str, RowSource]
    known: Mapping[str, NDArray[np.bool_]]
    labels: Mapping[str, NDArray[np.int64]]
    num_items: int
    digests: Mapping[str, str]

    def first(self, num_items: int | None) -> "Datasets":
        """The same of the first items, without digests; all where `num_items` is None."""
        if num_items is None:
            return self
        return Datasets(
            {name: streamed.first(rows, num_items) for name, rows in self.observations.items()},
            {name: rows[:num_items] for name, rows in self.known.items()},
            {name: rows[:num_items] for name, rows in self.labels.items()},
            min(num_items, self.num_items),
            {},
        )

    @property
    def widths(self) -> dict[str, int]:
        """Columns of the data of each observation."""
        return {module: rows.shape[1] for module, rows in self.observations.items()}

    @property
    def shares(self) -> dict[str, float]:
        """How much of each sparse observation is not zero."""
        rows_of = {module: rows for module, rows in self.observations.items() if sparse.is_sparse(rows)}
        return {module: rows.nnz / (rows.shape[0] * rows.shape[1]) for module, rows in rows_of.items()}


def load_datasets(config: Config, graph: Graph, *, hold: bool = True) -> Datasets:
    """Read and check the data that a config trains on; `hold` as for `load_sources`.

    Raises:
        DataError: every problem, one line each: where the config names the data, the file, what to do.
    """
    return load_sources(config.data, config.places, "data", graph, {}, hold=hold)


def load_sources(
    sources: Mapping[str, DataSource],
    places: Places,
    section: str,
    graph: Graph,
    widths: Mapping[str, int],
    *,
    hold: bool = False,
) -> Datasets:
    """Read and check the data that the graph uses. What is not among the sources is not known.

    Args:
        sources: by the name that the config's `data` gives them.
        places: where each was named.
        section: of the config, for errors: data or test.
        graph: who observes what.
        widths: columns by observation module, as learned; empty before anything is learned.
        hold: observations in memory; otherwise those of .npz and .npy stay in their files, and are read anew whenever
            they are asked for.

    Raises:
        DataError: every problem, one line each.
    """
    read = functools.cache(lambda source: stream_array(source.file, source.key, source.header))
    reader = _Reader(sources, places, section, read, lambda source, row: line_of(source.file, row, source.header))
    datasets = _assemble(reader, graph, widths, hold=hold)
    files = sorted({sources[name].file for name in reader.taken})
    return datasets._replace(digests={str(file): digest(file) for file in files})


def load_arrays(arrays: Mapping[str, HostRows], graph: Graph, widths: Mapping[str, int]) -> Datasets:
    """As `load_sources`, of arrays in memory by the names of the config's `data`; a row of NaN is a missing one."""
    places = Places({}, {})
    places.put((), Place(True, 0, 0, "arrays"))
    sources = {name: DataSource(name, Path(name), None, missing="nan") for name in arrays}
    return _assemble(
        _Reader(sources, places, "data", lambda source: arrays[source.name], lambda *_: None), graph, widths, hold=True
    )


def _assemble(reader: "_Reader", graph: Graph, widths: Mapping[str, int], *, hold: bool) -> Datasets:
    """All that a graph observes, without digests."""
    sources = reader.sources
    shows = {name: str(node.config.data) for name, node in graph.nodes.items() if node.config.data is not None}
    given = {module: name for module, name in shows.items() if name in sources}
    mask_names = {mask for name in given.values() if (mask := sources[name].known) is not None}
    masks = reader.take_all({name: (name, _as_mask) for name in sorted(mask_names)})
    checks = {}
    for module, name in given.items():
        hearers = [graph.nodes[child] for child in graph.nodes[module].children]
        check = functools.partial(_as_observation, module, hearers, sources[name], masks, widths.get(module), hold=hold)
        checks[module] = (name, check)
    observed = reader.take_all(checks)
    label_names = {node.config.labels for node in graph.nodes.values() if node.config.labels is not None}
    labels = reader.take_all({name: (name, _as_labels) for name in sorted(label_names & sources.keys())})
    num_items = reader.count_items({given[module]: known for module, (_, known) in observed.items()}, labels)
    if reader.problems:
        raise DataError("\n".join(reader.problems))
    for module in shows.keys() - given.keys():
        observed[module] = absent(graph, module, (num_items, widths[module])), np.zeros(num_items, bool)
    observations = {module: observed[module][0] for module in shows}
    return Datasets(observations, {module: observed[module][1] for module in shows}, labels, num_items, {})


def absent(graph: Graph, module: str, shape: tuple[int, int]) -> HostRows:
    """What stands for an observation of which no row is known."""
    hearers = [graph.nodes[child] for child in graph.nodes[module].children]
    return sparse.nothing(shape, may_be_sparse=_hearer_of_points(module, hearers) is None)


class _Reader:
    """Takes arrays from sources, each read once, and collects what is wrong with them."""

    def __init__(
        self,
        sources: Mapping[str, DataSource],
        places: Places,
        section: str,
        read: Callable[[DataSource], RowSource],
        line_of: Callable[[DataSource, int], int | None],
    ) -> None:
        self.sources = sources
        self.problems: list[str] = []
        self.taken: set[str] = set()
        self._places, self._section, self._read, self._line_of = places, section, read, line_of

    def complain(self, name: str, error: DataError) -> None:
        keys = (self._section, name)
        line = located(self._places.of(keys), keys, error.of(shown(str(self.sources[name].file))))
        if line not in self.problems:  # two modules can show the same data
            self.problems.append(line)

    def take_all(self, wanted: Mapping[str, tuple[str, Callable[[RowSource], _Checked]]]) -> dict[str, _Checked]:
        """What each check makes of the data of a name, without those that have a problem."""
        taken = {}
        for what, (name, check) in wanted.items():
            try:
                taken[what] = check(self._read(self.sources[name]))
                self.taken.add(name)
            except WrongValueError as error:
                self.complain(name, DataError(error.text, self._line_of(self.sources[name], error.row)))
            except DataError as error:
                self.complain(name, error)
        return taken

    def count_items(self, known: Mapping[str, NDArray[np.bool_]], labels: Mapping[str, NDArray[np.int64]]) -> int:
        """The number of rows that all arrays share; of each item there is some sense."""
        first, num_items = next(((name, len(rows)) for name, rows in known.items()), ("", 0))
        for name, rows in (*known.items(), *labels.items()):
            if known and len(rows) != num_items:
                text = f"{len(rows)} rows, but {self._section}.{first} has {num_items}"
                hint = self._header_hint({name: len(rows), first: num_items})
                self.complain(name, DataError(f"{text}; row t of every array must be item t{hint}"))
        if known and not self.problems and not (some := np.logical_or.reduce(list(known.values()))).all():
            text = f"item {some.argmin()} (from 0) has none of its senses; leave it out of every array"
            self.complain(first, DataError(text))
        return num_items

    def _header_hint(self, sizes: Mapping[str, int]) -> str:
        """The remedy where a text has one row more than other data: its first line may name its columns."""
        name = max(sizes, key=lambda name: sizes[name])
        may_be = max(sizes.values()) - min(sizes.values()) == 1 and self.sources[name].header is None
        is_text = may_be and self._line_of(self.sources[name], 0) is not None
        return f"; if the first line of {name} names its columns, say header: true" if is_text else ""


def _as_observation(
    module: str,
    hearers: Iterable[Node],
    source: DataSource,
    masks: Mapping[str, NDArray[np.bool_]],
    width: int | None,
    array: RowSource,
    *,
    hold: bool,
) -> tuple[RowSource, NDArray[np.bool_]]:
    """(N, D) float32, fit for every node that hears the module, and which rows are there (N,)."""
    if array.ndim != 2:
        remedy = "array.reshape(-1, 1)" if array.ndim < 2 else "array.reshape(len(array), -1)"
        raise DataError(f"{_dimensions(array)}; an observation has 2, items by columns: {remedy}")
    num_items, num_columns = array.shape
    if not num_items or not num_columns:
        raise DataError(f"empty: {num_items} rows of {num_columns} columns")
    if width is not None and num_columns != width:
        raise DataError(f"{num_columns} columns, but the run learned from {width}; make both in the same way")
    known = masks.get(source.known or "", np.ones(num_items, bool)).copy()
    if len(known) != num_items:
        raise DataError(f"{num_items} rows, but {source.known} says of {len(known)} which are there")
    blocks = checked(array, known, source.missing, _rules(module, hearers, source.missing))
    if not isinstance(array, StreamedRows):
        (rows,) = blocks
        return _in_form(rows, _hearer_of_points(module, hearers)), known
    if hold:
        return streamed.joined(blocks, array.shape, np.float32), known
    for _ in blocks:
        pass
    again = functools.partial(converted, array, known, source.file)
    return StreamedRows(array.shape, np.dtype(np.float32), again), known


def _rules(module: str, hearers: Iterable[Node], missing: str | None) -> Iterator[Rule]:
    """What every value of an observation is held to, the first reason first."""
    remedy = "fill it, drop the item, or say missing: nan (whole rows)"
    if missing == "nan":
        remedy = "fill it, or drop the item; missing: nan takes whole rows"
    yield np.isnan, remedy
    yield (lambda values: ~np.isfinite(values)), "too large for float32; scale the array"
    for node in hearers:
        if node.kinds[node.parents.index(module)] is Kind.COUNTS:
            yield (lambda values: values < 0), f"modules.{node.name} takes counts, which are 0 or more"
        bounds = MODULES[node.type].input_range(node.config.options)
        if bounds is not None:  # no type's bounds leave out the zeros of sparse rows
            remedy = "scale the array, or change the module's options"
            text = f"modules.{node.name} takes {bounds[0]:g} to {bounds[1]:g}: {remedy}"
            yield functools.partial(_is_outside, bounds), text


def _is_outside(bounds: tuple[float, float], values: NDArray[np.float32]) -> NDArray[np.bool_]:
    return (values < bounds[0]) | (values > bounds[1])


def _in_form(rows: HostRows, hearer_of_points: Node | None) -> HostRows:
    """Sparse rows as they are or dense, whichever suits those who hear them."""
    if isinstance(rows, np.ndarray):
        return rows
    if hearer_of_points is None:
        return rows if sparse.pays(rows.shape, rows.nnz) else rows.toarray()
    if (size := sparse.dense_bytes(rows.shape)) > sparse.MAX_DENSE:
        what = f"{rows.shape[0]} rows of {rows.shape[1]} columns would fill {size / 1e9:.1f} GB"
        raise DataError(f"modules.{hearer_of_points.name} takes points, which are dense: {what}; give it fewer columns")
    return rows.toarray()


def _hearer_of_points(module: str, hearers: Iterable[Node]) -> Node | None:
    """The first node that hears points from an observation; sparse rows are counts to all."""
    return next((node for node in hearers if node.kinds[node.parents.index(module)] is Kind.POINTS), None)


def _as_mask(array: RowSource) -> NDArray[np.bool_]:
    """(N,) bool."""
    column = _column(array, "what says which rows are there has 1")
    refuse(column, (column != 0) & (column != 1), "what says which rows are there holds 1 for yes and 0 for no")
    return column.astype(bool)


def _as_labels(array: RowSource) -> NDArray[np.int64]:
    """(N,) int64."""
    column = _column(array, "labels have 1")
    with np.errstate(invalid="ignore"):  # NaN, infinity and what is too large change when cast
        labels = column.astype(np.int64)
    wrong = (labels != column) | ((labels < 0) != (column < 0))
    refuse(column, wrong, "labels are whole numbers; number the classes")
    return labels


def _column(array: RowSource, wanted: str) -> NDArray[Any]:
    """(N,) what stands in an array of one dimension, or in a table of one column."""
    if isinstance(array, StreamedRows) and array.shape[1] == 1:
        array = streamed.joined(array.blocks(BLOCK_VALUES), array.shape, array.dtype)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if not isinstance(array, np.ndarray) or array.ndim != 1:
        raise DataError(f"{_dimensions(array)}; {wanted}: array.ravel()")
    return array


def _dimensions(array: RowSource) -> str:
    return f"{array.ndim} dimension{'s' * (array.ndim != 1)} {array.shape}"
