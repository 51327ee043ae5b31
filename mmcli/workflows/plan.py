"""Plan of a run: widths, messages, parameters, memory and disk. Nothing is computed.

Seconds are not among them: they depend on the machine, and the first round shows them.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmcli.engine.plan import make_plan
from mmcli.engine.sizes import ArraySize, ModuleSizes, module_sizes
from mmcli.modules.spec import Kind
from mmcli.runs.arrays import suffix_of
from mmcli.workflows import memory
from mmcli.workflows.check import Experiment
from mmcli.workflows.learning import FIRST

KEPT_CHECKPOINTS = 2
CLASS_BYTES, OBJECTIVE_BYTES = 4, 8  # in a checkpoint, of an item and of a module
# Bytes of a number in text, about: 0.123456789 or 1.23456789e-05 and a space; a class and a line feed.
FLOAT_TEXT, INTEGER_TEXT = 13, 2


class PlannedModule(NamedTuple):
    """A module of a run to be.

    Attributes:
        type: as the config names it.
        width: columns that it sends.
        num_params: parameters that it learns; None for an observation.
        memory: bytes that an update takes at its peak, about; None for an observation and where that is not known.
        disk: bytes of its folder, about; None for an observation.
    """

    type: str
    width: int
    num_params: int | None = None
    memory: int | None = None
    disk: int | None = None


class PlannedEdge(NamedTuple):
    """Messages between two modules.

    Attributes:
        parent, child: names of the modules.
        kind, width: of the messages, in both directions.
        is_mutual: whether the child sends messages back; it sends none to data.
    """

    parent: str
    child: str
    kind: Kind
    width: int
    is_mutual: bool


class Plan(NamedTuple):
    """A run to be.

    Attributes:
        experiment: the checked config and data.
        modules: by name, in the order of updates.
        edges: of the graph.
        memory: bytes at the peak of the run, about.
        checkpoints: bytes of those that are kept, about.
    """

    experiment: Experiment
    modules: Mapping[str, PlannedModule]
    edges: list[PlannedEdge]
    memory: float
    checkpoints: int

    @property
    def disk(self) -> int:
        """Bytes of the run directory, about."""
        return self.checkpoints + sum(module.disk or 0 for module in self.modules.values())

    def record(self) -> dict[str, Any]:
        """Plain values, for JSON; sizes in bytes."""
        config, _, datasets = self.experiment
        return {
            "config": str(config.path),
            "items": datasets.num_items,
            "rounds": config.rounds,
            "seed": config.seed,
            "modules": {name: module._asdict() for name, module in self.modules.items()},
            "messages": [edge._asdict() for edge in self.edges],
            "memory": round(self.memory),
            "disk": self.disk,
            "checkpoints": self.checkpoints,
        }


def plan(experiment: Experiment) -> Plan:
    """Plan the run of a checked experiment.

    Raises:
        UsageError: there is no device of the kind that the environment asks for.
        ModuleError: the mathematics of a type cannot be imported.
    """
    config, graph, datasets = experiment
    widths = datasets.widths
    sizes = module_sizes(graph, widths, datasets.num_items, config.messages)
    loads = memory.module_loads(graph, datasets)
    modules = {}
    for name, node in graph.nodes.items():
        if name in sizes:
            size, taken = sizes[name], node.spec.memory(node.config.options, loads[name])
            width = graph.output_port(name, widths).columns
            modules[name] = PlannedModule(
                node.type, width, size.num_params, taken or None, _folder_bytes(experiment, name, size)
            )
        else:
            modules[name] = PlannedModule(node.type, widths[name])
    edges = [
        PlannedEdge(parent, name, port.kind, port.columns, parent in sizes)
        for name, ports in graph.ports(widths).items()
        for parent, port in zip(graph.nodes[name].parents, ports, strict=True)
    ]
    edges += [
        PlannedEdge(target, node.name, node.kind_from(target), widths[target], False)
        for node in graph.nodes.values()
        for target in node.targets
    ]
    config = experiment.config
    copies = 2 if make_plan(graph, config.search, config.rounds).edges else 1  # the last state and the best
    learned = copies * sum(size.state + size.messages for size in sizes.values())
    num_finding = sum(graph.nodes[name].spec.classes is not None for name in sizes)
    found = num_finding * datasets.num_items * CLASS_BYTES + len(sizes) * OBJECTIVE_BYTES
    checkpoints = KEPT_CHECKPOINTS * (learned + found)
    return Plan(experiment, modules, edges, memory.needed(graph, datasets)[1], checkpoints)


def _folder_bytes(experiment: Experiment, name: str, sizes: ModuleSizes) -> int:
    """Bytes of the folder of a module: its state and its reports, some of them also as the first round left them."""
    node = experiment.graph.nodes[name]
    roles = node.spec.reported(len(node.parents))
    times = {stem: 2 if roles.get(stem) in FIRST and experiment.config.rounds > 1 else 1 for stem in sizes.reports}
    return sizes.state + sum(times[stem] * _file_bytes(array) for stem, array in sizes.reports.items())


def _file_bytes(array: ArraySize) -> int:
    """Bytes of the file of an array."""
    if suffix_of(array.shape) == ".npy":
        return array.num_bytes
    return math.prod(array.shape) * (FLOAT_TEXT if array.is_float else INTEGER_TEXT)
