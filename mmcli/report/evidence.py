"""Evidence on the classes of a run that is no class itself: observations and latent positions, a sense each.

N items, M of them looked at, D columns.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mmcli.config.graph import Graph
from mmcli.data.dataset import Datasets
from mmcli.modules.spec import Kind, Role
from mmcli.report.splits import narrowed

MOST_ITEMS = 6000  # that are looked at; of more, every n-th


class Evidence(NamedTuple):
    """Senses whose observations are independent given the class, each of the same M items."""

    step: int  # every so many-th item is one of the M
    senses: dict[str, np.ndarray]  # (M, D), by the module that sends it
    known: dict[str, np.ndarray]  # (M,) bool, where it is observed


def read_evidence(graph: Graph, latents: Mapping[str, np.ndarray], datasets: Datasets | None) -> Evidence:
    """Collect the points and counts that modules with classes receive; of one observation, those of the first.

    Args:
        graph: of the run.
        latents: (N, D) latent positions by module.
        datasets: training data; none of it is evidence where None.
    """
    if datasets is None:
        return Evidence(1, {}, {})
    step = -(-datasets.num_items // MOST_ITEMS)
    senses: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    taken: set[str] = set()
    for node in graph.nodes.values():
        for parent in node.parents if node.spec.classes is not None else ():
            sources = _sources(graph, parent)
            is_latent = graph.nodes[parent].spec.name_of(Role.LATENT) is not None
            if parent in senses or sources & taken or not (parent in latents if is_latent else parent in sources):
                continue
            rows = latents[parent][::step] if is_latent else _observed(graph, parent, node.name, datasets, step)
            senses[parent], taken = narrowed(rows), taken | sources
            known[parent] = np.logical_and.reduce([datasets.known[source][::step] for source in sorted(sources)])
    return Evidence(step, senses, known)


def _sources(graph: Graph, name: str) -> set[str]:
    """Observations that a module's forward messages come from; an observation itself."""
    parents = graph.nodes[name].parents
    return set().union(*(_sources(graph, parent) for parent in parents)) if parents else {name}


def _observed(graph: Graph, name: str, child: str, datasets: Datasets, step: int) -> Any:
    """Rows (M, D) of an observation as a child receives them; counts as the roots of their shares of the item."""
    node = graph.nodes[child]
    rows = datasets.every(step, name, standard=node.is_standard(name))
    if node.kind_from(name) is not Kind.COUNTS:
        return rows
    sums = np.maximum(np.asarray(rows.sum(axis=1)).reshape(-1, 1), 1e-12)  # (M, 1)
    return np.sqrt(rows / sums) if isinstance(rows, np.ndarray) else rows.multiply(1 / sums).tocsr().sqrt()
