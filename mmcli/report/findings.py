"""Results of a run, read and checked: the arrays that the sections of a report are made of."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mmcli.config.graph import Graph, Node
from mmcli.config.model import DataSource
from mmcli.data.dataset import Datasets
from mmcli.data.labels import Labels, LabelSet
from mmcli.data.vocabulary import read_vocabulary
from mmcli.modules.spec import ClassReports, Role
from mmcli.report.evidence import Evidence, read_evidence
from mmcli.runs.history import HistoryLine
from mmcli.runs.layout import HISTORY, Stage
from mmcli.runs.reader import RunFiles
from mmcli.runs.search_record import SearchRecord


class Classes(NamedTuple):
    """Classes found by a module, N items."""

    found: np.ndarray  # (N,) int64
    first: np.ndarray | None  # (N,) after the first round
    entropy: np.ndarray | None  # (N,) of the distribution over classes, nats
    confidence: np.ndarray | None  # (N,) probability of the likeliest class
    num_classes: int  # number of classes of the module
    labels_name: str | None
    labels: Labels | None  # that measure it; None where there are none, or they are unavailable
    learned: LabelSet | None  # that its classes were matched to; None where there are none, or they are unknown

    def text(self, number: int) -> str:
        """Name of a class."""
        return str(number) if self.learned is None else self.learned.class_text(number)

    def of_item(self, item: int) -> str:
        """Name of the label of an item."""
        if self.labels is None or not self.labels.given[item]:
            return "no label"
        return LabelSet((), self.labels.names).text(int(self.labels.numbers[item]))


class Latent(NamedTuple):
    """Latent positions of items, by a module."""

    last: np.ndarray  # (N, D)
    first: np.ndarray | None  # (N, D) after the first round


class Shown(NamedTuple):
    """Observations that are pictures, and their reconstructions."""

    observed: np.ndarray  # (N, height, width), or (N, height, width, 3) in color
    known: np.ndarray  # (N,) bool, True where observed
    rebuilt: dict[str, np.ndarray]  # as observed, by module


class Words(NamedTuple):
    """Counts of words that have names, of N texts."""

    counts: csr_array  # (N, V)
    known: np.ndarray  # (N,) bool, True where observed
    names: Sequence[str]  # (V,)
    paths: Sequence[str] | None  # (N,) of the texts

    def item(self, number: int) -> str:
        """Name of a text: its file and the folder of that."""
        return f"item {number}" if self.paths is None else "/".join(Path(self.paths[number]).parts[-2:])


class Findings(NamedTuple):
    """Arrays of a report, by module; those that a run has not reached are left out."""

    history: dict[str, list[HistoryLine]]
    traces: dict[str, np.ndarray]  # (I,) each
    classes: dict[str, Classes]
    latents: dict[str, Latent]
    pictures: dict[str, Shown]  # by observation
    words: dict[str, Words]  # by observation
    num_items: int | None  # N; None before the first update of a run whose data are unavailable
    evidence: Evidence  # of what the classes are, besides the classes of other modules
    search: SearchRecord | None = None  # None where nothing was searched
    pairs: Mapping[str, Mapping[str, np.ndarray]] = MappingProxyType({})  # (M, M) figures of a module's inputs, by name


def read_findings(
    run: RunFiles,
    graph: Graph,
    datasets: Datasets | None,
    sources: Mapping[str, DataSource] = MappingProxyType({}),
    *,
    with_pictures: bool = True,
) -> Findings:
    """Read the arrays of every module that has had an update.

    Args:
        run: finished or not.
        graph: its modules.
        datasets: its training data; None where unavailable, and then there are no labels, pictures and words.
        sources: of these data, by their names in the config.
        with_pictures: whether observations that are pictures, and their reconstructions, are wanted.

    Raises:
        DamagedRunError: a file is not as mmcli writes it, or not of the same items.
    """
    lines = run.history()
    for line in lines:
        if line.module not in graph.nodes:
            raise run.damaged(HISTORY, f"no module {line.module} in this run")
    history = {name: [line for line in lines if line.module == name] for name in graph.nodes}
    nodes = [node for node in graph.nodes.values() if history[node.name]]
    reader = _Reader(run, graph, None if datasets is None else datasets.num_items)
    classes, latents = {}, {}
    for node in nodes:
        if node.spec.classes is not None:
            classes[node.name] = _classes(reader, node, node.spec.classes, datasets)
        latent = node.spec.name_of(Role.LATENT)
        if latent is not None and (z := reader.items(node, latent, 2)) is not None:
            latents[node.name] = Latent(z, reader.items(node, latent, 2, "first"))
    return Findings(
        {node.name: history[node.name] for node in nodes},
        {node.name: trace for node in nodes if (trace := reader.trace(node)) is not None},
        classes,
        latents,
        {} if datasets is None or not with_pictures else _pictures(reader, graph, nodes, datasets),
        {} if datasets is None else _words(graph, datasets, sources),
        reader.num_items,
        read_evidence(graph, {name: latent.last for name, latent in latents.items()}, datasets),
        run.search(),
        {node.name: figures for node in nodes if (figures := reader.pairs(node))},
    )


class _Reader:
    """Reads arrays whose rows are the same N items."""

    def __init__(self, run: RunFiles, graph: Graph, num_items: int | None) -> None:
        self._run, self._graph, self.num_items = run, graph, num_items

    def trace(self, node: Node) -> np.ndarray | None:
        """Values that the last update recorded, (I,)."""
        return self._run.learned(self._graph.folder(node.name), node.spec.trace.name, 1) if node.spec.trace else None

    def pairs(self, node: Node) -> dict[str, np.ndarray]:
        """Figures of the pairs of a module's inputs, (M, M) each, by name.

        Raises:
            DamagedRunError: one has another shape.
        """
        found: dict[str, np.ndarray] = {}
        shape = (len(node.parents), len(node.parents))
        for name in (name for name, role in node.spec.reports.items() if role is Role.PAIRS):
            array = self._run.learned(self._graph.folder(node.name), name, 2)
            if array is not None and array.shape != shape:
                raise self.damaged(node, f"{name} has shape {array.shape} where {shape} is expected")
            found |= {} if array is None else {name: array}
        return found

    def items(self, node: Node, name: str, ndim: int, kind: Stage = "learn") -> np.ndarray | None:
        """Array of a module with a row for each item.

        Raises:
            DamagedRunError: it has another number of rows.
        """
        folder = self._graph.folder(node.name)
        return self._of_items(folder, f"{name}_{kind}", self._run.learned(folder, name, ndim, kind))

    def classes(self, node: Node, stem: str, kind: Stage = "learn") -> np.ndarray | None:
        """Class (N,) int64 of each item, from the array `stem`.

        Raises:
            DamagedRunError: it has another number of rows.
        """
        folder = self._graph.folder(node.name)
        return self._of_items(folder, f"{stem}_{kind}", self._run.classes_of(folder, stem, kind))

    def _of_items(self, folder: str, name: str, array: np.ndarray | None) -> np.ndarray | None:
        """Array itself, checked to have as many rows as all others.

        Raises:
            DamagedRunError: it has not.
        """
        if array is None:
            return None
        if self.num_items is None:
            self.num_items = len(array)
        if len(array) != self.num_items:
            raise self._run.damaged(folder, f"{len(array)} rows of {name} where there are {self.num_items} items")
        return array

    def learned_labels(self, name: str | None) -> LabelSet | None:
        """Distinct labels of the training data of a name; None without a name."""
        return None if name is None else self._run.labels(name)

    def damaged(self, node: Node, reason: str) -> Exception:
        """Error for a damaged file of a module."""
        return self._run.damaged(self._graph.folder(node.name), reason)


def _classes(reader: _Reader, node: Node, names: ClassReports, datasets: Datasets | None) -> Classes:
    """Classes of a module.

    Raises:
        DamagedRunError: its classes are missing.
    """
    found = reader.classes(node, names.classes)
    if found is None:  # the module has had an update, so it was written
        raise reader.damaged(node, f"no {names.classes}_learn.txt")
    probs = reader.items(node, names.probabilities, 2)
    entropy = None
    if probs is not None:
        clipped = np.clip(probs, np.finfo(np.float64).tiny, 1)
        entropy = -(clipped * np.log(clipped)).sum(axis=1)
    name = node.config.labels
    labels = None if datasets is None or name is None else datasets.labels[node.name]
    num_classes = len(np.unique(found)) if probs is None else probs.shape[1]
    learned = reader.learned_labels(name) if labels is None else LabelSet.of(labels)
    confidence = None if probs is None else probs.max(axis=1)
    first = reader.classes(node, names.classes, "first")
    return Classes(found, first, entropy, confidence, num_classes, name, labels, learned)


def _pictures(reader: _Reader, graph: Graph, nodes: Iterable[Node], datasets: Datasets) -> dict[str, Shown]:
    """Observations that are pictures."""
    shown = {}
    for name in datasets.observations:
        values = datasets.as_observed(name)
        shape = graph.picture(name, values.shape[1])
        if shape is None or not isinstance(values, np.ndarray):  # sparse counts are not pictures
            continue
        rebuilt = {}
        for node in nodes:
            stem = node.spec.name_of(Role.RECONSTRUCTION) if node.parents[:1] == (name,) else None
            pictures = None if stem is None else reader.items(node, stem, 2)
            if pictures is not None and pictures.shape[1] == values.shape[1]:
                rebuilt[node.name] = pictures.reshape(-1, *shape)
        shown[name] = Shown(values.reshape(-1, *shape), datasets.known[name], rebuilt)
    return shown


def _words(graph: Graph, datasets: Datasets, sources: Mapping[str, DataSource]) -> dict[str, Words]:
    """Observations whose columns have names in their file."""
    words = {}
    for name in datasets.observations:
        source = sources.get(str(graph.nodes[name].config.data))
        shape = datasets.num_items, datasets.widths[name]
        vocabulary = None if source is None else read_vocabulary(source, shape)
        if vocabulary is not None:
            values = datasets.as_observed(name)
            words[name] = Words(csr_array(values), datasets.known[name], vocabulary.words, vocabulary.paths)
    return words
