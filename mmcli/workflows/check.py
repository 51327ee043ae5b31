"""Checks before any computation. A fault of a config is reported before even numpy is imported."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mmcli.config.graph import Graph, build_graph
from mmcli.config.model import Config
from mmcli.config.reader import ConfigSource, load_config
from mmcli.errors import UsageError
from mmcli.util.text import listed, shown, suggestion

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from mmcli.data.dataset import Datasets
    from mmcli.data.memory import ArrayData


class Experiment(NamedTuple):
    """A config whose graph and data have passed every check."""

    config: Config
    graph: Graph
    datasets: "Datasets"


def check(
    config: ConfigSource,
    overrides: Sequence[str] = (),
    *,
    data: "Mapping[str, ArrayLike] | None" = None,
    seed: int | None = None,
    rounds: int | None = None,
    resumed: Path | None = None,
    data_root: str | Path | None = None,
    trust_code: bool = False,
    hold: bool = True,
) -> Experiment:
    """Check a config, its graph and its data, as `mmcli check` does.

    Args:
        config: path of a YAML file, or a mapping of its content, whose relative paths start at the working
            directory.
        overrides: "modules.vae.epochs=20": values in YAML that replace those of the config.
        data: arrays in memory by name, numpy or scipy.sparse, that take the place of files under the config's `data`;
            names that it lacks are added.
        seed: replaces the config's.
        rounds: replaces the config's.
        resumed: directory of the run to be resumed by this config, which need not exist.
        data_root: folder to search for data files of that run that were moved.
        trust_code: whether module types that the config names by import path are imported.
        hold: whether data are held in memory, where this process is to train the model alone.

    Raises:
        ConfigError, DataError: every problem, one line each; also a run that cannot fit in memory.
        UsageError: no module uses an array in memory.
    """
    given = {}
    if data:
        from mmcli.data.memory import given_arrays

        given = given_arrays(data)
    loaded = load_config(
        config,
        overrides,
        seed=seed,
        rounds=rounds,
        arrays={name: array.sha256 for name, array in given.items()},
        is_resolved=resumed is not None and _is_in(config, resumed),
        trust_code=trust_code,
    )
    _refuse_unused(given, loaded)
    graph = build_graph(loaded)
    if resumed is not None:
        from mmcli.workflows import relocation

        root = None if data_root is None else Path(data_root)
        loaded = relocation.relocated_for_resuming(loaded, graph, resumed, root)
    return check_data(loaded, graph, given, hold=hold)


def check_data(
    config: Config, graph: Graph, given: "Mapping[str, ArrayData] | None" = None, *, hold: bool = True
) -> Experiment:
    """Load and check the data of a config that has passed all other checks.

    Args:
        config: with the paths of its data files.
        graph: of the config.
        given: arrays in memory by name, from `given_arrays`.
        hold: whether to hold observations in memory, packed where that is exact, and refuse a run that cannot fit.

    Raises:
        ConfigError, DataError: every problem, one line each; also a run that cannot fit in memory.
    """
    from mmcli.data.dataset import load_datasets
    from mmcli.workflows import memory

    datasets = load_datasets(config, graph, given or {}, hold="packed" if hold else False)
    graph.refuse_misfits(datasets.widths, config.places)
    if hold:
        memory.refuse_what_cannot_fit(config, graph, datasets)
    return Experiment(config, graph, datasets)


def _is_in(config: ConfigSource, run: Path) -> bool:
    """Whether a config is a run's own, which mmcli wrote."""
    return not isinstance(config, Mapping) and os.path.realpath(Path(config).parent) == os.path.realpath(run)


def _refuse_unused(names: Iterable[str], config: Config) -> None:
    """Raise UsageError where no module would read an array in memory."""
    used = {str(name) for module in config.modules.values() for name in (module.data, module.labels)} - {"None"}
    used |= {str(config.data[name].known) for name in used & config.data.keys()} - {"None"}
    for name in names:
        if name not in used:
            hint = suggestion(name, used) or f"; modules use {listed(sorted(used))}"
            raise UsageError(f'data["{shown(name, 60)}"]: no module uses data of this name{hint}')
