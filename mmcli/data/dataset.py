"""Named data -> checked arrays: every row and value valid for the modules that observe it."""

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.config.graph import Graph
from mmcli.config.model import Config, DataSource, Place, Places
from mmcli.data.access import Access
from mmcli.data.labels import Labels
from mmcli.data.masks import as_mask
from mmcli.data.memory import ArrayData
from mmcli.data.observations import Hold, Learned, Observed, Observer, read_observation
from mmcli.data.rows.given import Given
from mmcli.data.rows.packed import PackedRows
from mmcli.data.rows.protocol import SentRows, as_rows, form_of
from mmcli.data.rows.sparse import HostRows, zeros
from mmcli.data.rows.streamed import RowSource
from mmcli.data.sequences import one_sequence
from mmcli.data.source_reader import SourceReader
from mmcli.data.units import Units
from mmcli.errors import DataError

BLOCK = 500  # rows of a file read at a time


class Datasets(NamedTuple):
    """Data observed by the modules: N items, one a row.

    Attributes:
        observations: (N, D) float32, by name of the observation module; zeros where masked. In C order; a scipy
            csr_array if read from one, used as counts only, and `sparse.pays`; streamed if not to be held, packed if
            to be and exact. In standard
            units if all modules that observe them accept those, and in both forms if some do.
        known: masks (N,), True where a row is observed, by name of the observation module.
        labels: of the N items, by name of the module whose classes they measure.
        num_items: N.
        digests: SHA-256 in hex of each file by its path, of an array in memory by its name.
        units: of each observation in standard units, by its name.
        notes: one line for each valid but surprising property.
        starts: (N,) first rows of sequences, by name of each module whose rows are steps of sequences.
    """

    observations: Mapping[str, SentRows]
    known: Mapping[str, NDArray[np.bool_]]
    labels: Mapping[str, Labels]
    num_items: int
    digests: Mapping[str, str]
    units: Mapping[str, Units]
    notes: tuple[str, ...] = ()
    starts: Mapping[str, NDArray[np.bool_]] = MappingProxyType({})

    def first(self, num_items: int | None) -> "Datasets":
        """First `num_items` items, without digests; all where `num_items` is None."""
        if num_items is None:
            return self
        return Datasets(
            {name: as_rows(rows).first(num_items) for name, rows in self.observations.items()},
            {name: rows[:num_items] for name, rows in self.known.items()},
            {name: labels.of_rows(slice(num_items)) for name, labels in self.labels.items()},
            min(num_items, self.num_items),
            {},
            self.units,
            starts={name: rows[:num_items] for name, rows in self.starts.items()},
        )

    def as_observed(self, module: str) -> RowSource:
        """Rows (N, D) of an observation in the units of the data; streamed ones in the form that is sent."""
        rows = self.observations[module]
        plain: Any = form_of(rows, standard=False)
        if isinstance(plain, PackedRows):
            return plain[:]
        is_standard = plain is rows and module in self.units
        return self.units[module].restored(plain) if is_standard and not as_rows(plain).is_streamed else plain

    def every(self, step: int, module: str, *, standard: bool) -> HostRows:
        """Rows 0, step, 2 step, ... of an observation, in memory; in standard units where it is there in both forms."""
        rows = form_of(self.observations[module], standard=standard)
        if not as_rows(rows).is_streamed:
            held: HostRows = rows[::step]
            return held
        blocks = enumerate(as_rows(rows).blocks(BLOCK))  # row numbers go on from block to block
        return np.concatenate([block[-number * BLOCK % step :: step] for number, block in blocks])

    @property
    def given(self) -> Given:
        """All that a graph learns from, or is asked about."""
        return Given(self.observations, self.known, self.starts)

    @property
    def num_bytes(self) -> int:
        """Bytes of the observations in memory, packed ones as float32."""
        return sum(
            4 * rows.num_stored if isinstance(rows, PackedRows) else as_rows(rows).num_bytes
            for rows in self.observations.values()
        )

    @property
    def widths(self) -> dict[str, int]:
        """Columns of the data of each observation."""
        return {module: rows.shape[1] for module, rows in self.observations.items()}

    @property
    def shares(self) -> dict[str, float]:
        """Share of nonzero values of each sparse observation."""
        rows_of = {module: as_rows(rows) for module, rows in self.observations.items()}
        sizes = {module: self.num_items * width for module, width in self.widths.items()}
        return {module: rows.num_stored / sizes[module] for module, rows in rows_of.items() if rows.is_sparse}


def load_datasets(
    config: Config, graph: Graph, arrays: Mapping[str, ArrayData] | None = None, *, hold: Hold = True
) -> Datasets:
    """Read and check the data that a config trains on; `arrays` and `hold` as for `load_sources`.

    Raises:
        DataError: every problem, one line each: where the config names the data, the file, what to do.
    """
    return load_sources(config.data, config.places, "data", graph, {}, arrays=arrays, hold=hold)


def load_sources(
    sources: Mapping[str, DataSource],
    places: Places,
    section: str,
    graph: Graph,
    widths: Mapping[str, int],
    units: Mapping[str, Units] | None = None,
    *,
    arrays: Mapping[str, ArrayData] | None = None,
    hold: Hold = False,
) -> Datasets:
    """Read and check the data that the graph uses. Observations that are not among the sources are missing.

    Args:
        sources: by their names in the config's `data`.
        places: where each was named.
        section: of the config, for errors: data or test.
        graph: which modules observe which data.
        widths: columns by observation module, of the training data; empty before training.
        units: by observation module, of the training data; None derives them from these data.
        arrays: in memory, by name of the source; a source that is one and is not among them is a problem.
        hold: whether to hold observations in memory; otherwise those of .npz and .npy are read from their files
            whenever they are needed. "packed" holds those in one or two bytes a value that are exact so, where all
            nodes that observe them take that.

    Raises:
        DataError: every problem, one line each.
    """
    access = Access(arrays or {})
    reader = SourceReader(sources, places, section, access)
    datasets = _assemble(reader, graph, widths, units, hold=hold)
    return datasets._replace(digests=access.digests(sources[name] for name in sorted(reader.taken)))


def load_arrays(
    arrays: Mapping[str, HostRows], graph: Graph, widths: Mapping[str, int], units: Mapping[str, Units]
) -> Datasets:
    """Check arrays in memory as `load_sources` does files, by their names in the config's `data`.

    A row of NaN is missing.

    Raises:
        DataError: every problem, one line each.
    """
    places = Places({}, {})
    places.put((), Place(True, 0, 0, "arrays"))
    given = {name: ArrayData(rows, "") for name, rows in arrays.items()}  # their identity is not asked for
    sources = {name: DataSource(name, Path(name), None, missing="nan", array="") for name in arrays}
    reader = SourceReader(sources, places, "data", Access(given))
    return _assemble(reader, graph, widths, units, hold=True)


def _assemble(
    reader: SourceReader,
    graph: Graph,
    widths: Mapping[str, int],
    units: Mapping[str, Units] | None,
    *,
    hold: Hold,
) -> Datasets:
    """Read all that a graph observes, without digests.

    Raises:
        DataError: every problem, one line each.
    """
    sources = reader.sources
    shows = {name: str(node.config.data) for name, node in graph.nodes.items() if node.config.data is not None}
    # Targets are read to learn from them; a prediction does without.
    read = shows if not widths else {module: shows[module] for module in graph.senses}
    given = {module: name for module, name in read.items() if name in sources}
    named = {module: node.config.labels for module, node in graph.nodes.items() if node.config.labels is not None}
    label_names = {name for name in named.values() if name in sources}
    masked = {*given.values(), *label_names}
    mask_names = {mask for name in masked if (mask := sources[name].known) is not None}
    masks = reader.take_all({name: (name, as_mask) for name in sorted(mask_names)})
    checks = {}
    for module, name in given.items():
        learned = Learned(widths.get(module), (units or {}).get(module))
        observer = Observer(module, graph, has_units=units is None or module in units)
        check = functools.partial(read_observation, observer, sources[name], masks, learned, hold=hold)
        checks[module] = (name, check)
    observed = reader.take_all(checks)
    labels = reader.take_labels(sorted(label_names), masks, some=not widths)
    sequences = reader.take_sequences(graph.sequences)
    lengths = {name: len(of_items.given) for name, of_items in labels.items()}
    lengths |= {given[module]: len(found.known) for module, found in observed.items() if module not in graph.senses}
    lengths |= {name: len(starts) for name, starts in sequences.items()}
    known = {given[module]: observed[module].known for module in graph.senses if module in observed}
    num_items = reader.count_items(known, lengths)
    if reader.problems:
        raise DataError("\n".join(reader.problems))
    for module in shows.keys() - given.keys():
        rows = absent(graph, module, (num_items, widths[module]))
        observed[module] = Observed(rows, np.zeros(num_items, bool))
    return Datasets(
        {module: observed[module].rows for module in shows},
        {module: observed[module].known for module in shows},
        {module: labels[name] for module, name in named.items() if name in labels},
        num_items,
        {},
        {module: found.units for module in shows if (found := observed[module]).units is not None},
        (
            *(reader.note(given[module], note) for module in given for note in observed[module].notes),
            *reader.heading_notes(),
        ),
        {
            module: one_sequence(num_items) if name is None else sequences[name]
            for module, name in graph.sequences.items()
        },
    )


def absent(graph: Graph, module: str, shape: tuple[int, int]) -> HostRows:
    """Rows of an observation that is missing altogether."""
    return zeros(shape, may_be_sparse=Observer(module, graph).of_points is None)
