"""What can be known to be right before anything is computed. A bad config is told before even numpy is imported."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mmcli.config.graph import Graph, build_graph
from mmcli.config.model import Config
from mmcli.config.reader import load_config

if TYPE_CHECKING:
    from mmcli.data.dataset import Datasets


class Experiment(NamedTuple):
    """A config whose graph and data have passed every check."""

    config: Config
    graph: Graph
    datasets: "Datasets"


def check(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
    rounds: int | None = None,
    resumed: Path | None = None,
    data_root: Path | None = None,
    trust_code: bool = False,
) -> Experiment:
    """The config at `path`, with some values replaced, its graph and its data.

    Args:
        path: of the config.
        overrides: as for `load_config`, and `seed` and `rounds`.
        seed: of the run.
        rounds: of the run.
        resumed: directory of the run that is to go on by this config; there need not be one.
        data_root: where the data files of that run are if they were moved.
        trust_code: whether module types that the config names by import path are imported.

    Raises:
        ConfigError, DataError: whatever is wrong, and what cannot fit in memory.
    """
    is_resolved = resumed is not None and os.path.realpath(path.parent) == os.path.realpath(resumed)  # the run's own
    config = load_config(path, overrides, seed=seed, rounds=rounds, is_resolved=is_resolved, trust_code=trust_code)
    graph = build_graph(config)
    from mmcli.data.dataset import load_datasets
    from mmcli.workflows import relocation
    from mmcli.workflows.memory import refuse_what_cannot_fit

    if resumed is not None:
        config = relocation.relocated_for_resuming(config, graph, resumed, data_root)
    datasets = load_datasets(config, graph)
    graph.refuse_misfits(datasets.widths, config.places)
    refuse_what_cannot_fit(config, graph, datasets)
    return Experiment(config, graph, datasets)
