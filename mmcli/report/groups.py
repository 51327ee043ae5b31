"""Agreement of classes with labels and with each other, and their places in the latent space."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from mmcli.config.graph import Graph
from mmcli.data.labels import LabelSet
from mmcli.plotting.panels import Counts, Scatter
from mmcli.report.confusion import confusion_panel
from mmcli.report.findings import Classes, Findings
from mmcli.report.sections import Section, Table
from mmcli.runs import metrics
from mmcli.runs.metrics import Metrics

MAX_POINTS = 3000  # in a scatter; beyond, every n-th is drawn
MAX_PAIRS = 6  # of modules whose table of classes is shown


def confusion_section(findings: Findings) -> Section:
    """Section on classes by labels, of each module that has labels."""
    panels = [
        confusion_panel(name, metrics.evaluate(classes.found, classes.labels))
        for name, classes in findings.classes.items()
        if classes.labels is not None
    ]
    return Section("confusion", "Classes and labels", panels=tuple(panels))


def agreement_section(findings: Findings, graph: Graph) -> Section:
    """Section on the classes of each pair of modules, and on figures of the inputs of a module."""
    rows: list[tuple[str, ...]] = []
    panels: list[Counts] = []
    for first, second in itertools.combinations(findings.classes, 2):
        found, other = findings.classes[first].found, findings.classes[second].found
        agreement = metrics.agreement(found, other)
        rows.append((first, second, f"{agreement.acc:.3f}", f"{agreement.ari:.3f}", f"{agreement.nmi:.3f}"))
        if len(panels) < MAX_PAIRS:
            rows_of = map(findings.classes[first].text, _own_numbers(found, other))
            columns = map(findings.classes[second].text, agreement.labels.tolist())
            panels.append(_agreement(first, second, (tuple(rows_of), tuple(columns)), agreement))
    header = ("module", "other", "matching classes", "ARI", "NMI")
    tables = [Table("Agreement of the modules with each other", header, rows)] if rows else []
    tables += [_pairs(name, graph.nodes[name].parents, figures) for name, figures in findings.pairs.items()]
    return Section("agreement", "Agreement of the modules", panels=tuple(panels), tables=tuple(tables))


def _pairs(name: str, inputs: Sequence[str], figures: Mapping[str, np.ndarray]) -> Table:
    """Table of the figures (M, M) of a module's inputs, a row for each two of them."""
    rows = [
        (inputs[one], inputs[other], *(f"{array[one, other]:.3f}" for array in figures.values()))
        for one, other in itertools.permutations(range(len(inputs)), 2)
    ]
    return Table(f"{name}: its inputs and each other", ("input", "other", *figures), rows)


def latent_section(findings: Findings) -> Section:
    """Section on items in the two directions of most variance, by class and label, after the first and last round."""
    notes, panels, places = [], [], _places(findings)
    for name, latent in findings.latents.items():
        last = findings.history[name][-1].round
        if latent.first is None and last > 1:
            notes.append(f"Round 1 of {name} is not shown: this run did not keep it.")
        rounds = [(1, latent.first)] if latent.first is not None and last > 1 else []
        for number, z in (*rounds, (last, latent.last)):
            points, x_label, y_label = project(z)
            for by, groups in _colourings(findings, places, is_first=number < last).items():
                panels.append(_scatter(name, number, by, points, groups, (x_label, y_label)))
    panels.sort(key=lambda panel: panel.title.partition(", by ")[2])  # rounds of one colouring side by side
    return Section("latent", "Latent space", tuple(notes), tuple(panels))


def project(z: np.ndarray) -> tuple[np.ndarray, str, str]:
    """Project points (N, D) to (N, 2) by principal components; return the names of the axes too."""
    if min(z.shape) < 2 or not np.ptp(z, axis=0).any():
        return np.column_stack([z[:, 0], np.arange(len(z))]), "latent", "item"
    pca = PCA(2).fit(z)
    x_label, y_label = (
        f"component {place} ({share:.0%} of variance)" for place, share in enumerate(pca.explained_variance_ratio_, 1)
    )
    return pca.transform(z), x_label, y_label


def _places(findings: Findings) -> np.ndarray:
    """Numbers of all classes and labels, (G,) ascending; the rank of one selects its colour in every scatter."""
    numbers = np.zeros(0, np.int64)
    for classes in findings.classes.values():
        labels = None if classes.labels is None else classes.labels.numbers[classes.labels.given]
        for found in (classes.found, classes.first, labels):
            numbers = numbers if found is None else np.union1d(numbers, found)
    return numbers


class _Groups(NamedTuple):
    """Groups by which items are coloured."""

    numbers: np.ndarray  # (N,) int64
    places: np.ndarray  # (N,) rank of the numbers among all
    given: np.ndarray  # (N,) bool, True where an item is in a group
    text: Callable[[int], str]  # name of a group


def _colourings(findings: Findings, places: np.ndarray, *, is_first: bool) -> dict[str, _Groups]:
    """Groups to colour items by: every module's classes, and the labels that measure them."""
    groups = {}
    for name, classes in findings.classes.items():
        found = classes.first if is_first else classes.found
        if found is not None:
            groups[f"class of {name}"] = _Groups(
                found, np.searchsorted(places, found), np.ones(len(found), bool), classes.text
            )
    for classes in findings.classes.values():
        if classes.labels is not None:
            text = LabelSet.of(classes.labels).text
            numbers, given = classes.labels.numbers, classes.labels.given
            groups[f"label {classes.labels_name}"] = _Groups(numbers, np.searchsorted(places, numbers), given, text)
    return groups


def _scatter(name: str, number: int, by: str, points: np.ndarray, groups: _Groups, axes: tuple[str, str]) -> Scatter:
    """Panel of items in the latent space, in one colouring."""
    kept = np.flatnonzero(groups.given)
    step = -(-len(kept) // MAX_POINTS)
    rows = kept[::step]
    drawn = f"{len(kept):,} items" if step == 1 else f"{len(rows):,} of {len(kept):,} items"
    left = "" if len(kept) == len(points) else f"; {len(points) - len(kept):,} without a label are left out"
    numbers, firsts = np.unique(groups.numbers[kept], return_index=True)
    names = map(groups.text, numbers.tolist())
    return Scatter(
        name=f"latent-{name}-round{number}-{by.replace(' ', '-')}",
        title=f"{name}, round {number}, by {by}",
        alt=f"Scatter of {drawn} in the latent space of {name} after round {number}, coloured by {by}: "
        f"{len(numbers)} groups. Axes: {axes[0]}, {axes[1]}.",
        note=f"{drawn}{left}; a group's name stands at its median. Each round has axes of its own.",
        points=points[rows],
        groups=groups.places[rows],
        names=dict(zip(groups.places[kept[firsts]].tolist(), names, strict=True)),
        x_label=axes[0],
        y_label=axes[1],
    )


def confusions(classes: Classes) -> list[tuple[str, str, np.ndarray]]:
    """Class, label and items (n,) of each kind of mistake, the most frequent first."""
    if classes.labels is None:
        return []
    labels = classes.labels
    wrong = np.flatnonzero(labels.given & (classes.found != labels.numbers))
    pairs, kinds, counts = np.unique(
        np.column_stack([classes.found[wrong], labels.numbers[wrong]]), axis=0, return_inverse=True, return_counts=True
    )
    order, text = np.argsort(-counts, kind="stable"), LabelSet.of(labels).text
    return [
        (classes.text(int(pairs[kind, 0])), text(int(pairs[kind, 1])), wrong[kinds.ravel() == kind]) for kind in order
    ]


def _own_numbers(found: np.ndarray, other: np.ndarray) -> list[int]:
    """Classes of `found`, ordered by the classes of `other` that they match."""
    matched = metrics.match_classes(found, other)
    return [int(found[matched == row][0]) for row in np.unique(matched)]


def _agreement(first: str, second: str, names: tuple[tuple[str, ...], tuple[str, ...]], agreement: Metrics) -> Counts:
    """Panel of the classes of one module by those of another."""
    figures = f"{agreement.acc:.1%} of the items in matching classes, ARI {agreement.ari:.3f}"
    return Counts(
        name=f"agreement-{first}-{second}",
        title=f"{first} and {second}",
        alt=f"Classes of {first} by classes of {second}: {figures}.",
        note=f"{figures}. Rows are in the order of the classes of {second} that match them.",
        counts=agreement.confusion,
        rows=names[0],
        columns=names[1],
        row_label=f"class of {first}",
        column_label=f"class of {second}",
    )
