"""What can be known to be right before anything is computed. A bad config is told before even numpy is imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mmcli.config import load_config
from mmcli.graph import Graph, build_graph
from mmcli.spec import Config

if TYPE_CHECKING:
    from mmcli.datasets import Datasets


class Experiment(NamedTuple):
    """A config whose graph and data have passed every check."""

    config: Config
    graph: Graph
    datasets: "Datasets"


def check(
    path: Path, overrides: Sequence[str] = (), *, seed: int | None = None, rounds: int | None = None
) -> Experiment:
    """The config at `path`, with some values replaced, its graph and its data.

    Raises:
        ConfigError, DataError: whatever is wrong, and what cannot fit in memory.
    """
    config = load_config(path, overrides, seed=seed, rounds=rounds)
    graph = build_graph(config)
    from mmcli.datasets import load_datasets
    from mmcli.memory import refuse_what_cannot_fit

    datasets = load_datasets(config, graph)
    refuse_what_cannot_fit(config, graph, datasets)
    return Experiment(config, graph, datasets)
