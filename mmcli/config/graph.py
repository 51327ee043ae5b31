"""Which module hears which: order, kinds and sizes of messages. No arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mmcli.config.model import Config, Keys, ModuleConfig
from mmcli.modules.registry import MODULES, Kind, Port
from mmcli.util.text import listed, shown, suggestion


class Node(NamedTuple):
    """A module in its place."""

    name: str
    place: int  # position in `modules`, from 0, observations counted
    type: str
    config: ModuleConfig
    parents: tuple[str, ...]
    children: tuple[str, ...]
    kinds: tuple[Kind, ...]  # of each input

    def kind_from(self, parent: str) -> Kind:
        """Kind of what a parent sends."""
        return self.kinds[self.parents.index(parent)]

    def is_standard(self, parent: str) -> bool:
        """Whether it takes what an observation sends in standard units: points that are not held to a range."""
        is_bounded = MODULES[self.type].input_range(self.config.options) is not None
        return self.kind_from(parent) is Kind.POINTS and not is_bounded


@dataclass(frozen=True)
class Graph:
    """Nodes by name, in the order of updates."""

    nodes: Mapping[str, Node]

    @property
    def learners(self) -> list[str]:
        """Names of the modules that learn, in the order of updates."""
        return [node.name for node in self.nodes.values() if node.parents]

    def folder(self, name: str) -> str:
        """What the module is called in a run directory: module002_vae."""
        return f"module{self.nodes[name].place:03d}_{name}"

    def output_port(self, name: str, widths: Mapping[str, int]) -> Port:
        """Kind and width of what a module sends forward.

        Args:
            name: of the module.
            widths: columns of the data of each observation, by module name.
        """
        node = self.nodes[name]
        module_type = MODULES[node.type]
        heard_as = [_kind_to(self.nodes[child], name) for child in node.children]
        width = widths[name] if module_type.width is None else module_type.width(node.config.options)
        return Port(heard_as[0] if heard_as else module_type.sends[0], width)

    def ports(self, widths: Mapping[str, int]) -> Mapping[str, tuple[Port, ...]]:
        """The input ports of every module but the observations; `widths` as in `output_port`."""
        return {
            node.name: tuple(
                Port(kind, self.output_port(parent, widths).width)
                for parent, kind in zip(node.parents, node.kinds, strict=True)
            )
            for node in self.nodes.values()
            if node.parents
        }


def build_graph(config: Config) -> Graph:
    """Graph of a config from `load_config`, which has checked that the modules fit together."""
    return Graph(
        {
            name: Node(
                name=name,
                place=place,
                type=module.type,
                config=module,
                parents=module.inputs,
                children=tuple(child.name for child in config.modules.values() if name in child.inputs),
                kinds=tuple(_edge_kinds(config.modules[parent], module)[0] for parent in module.inputs),
            )
            for place, (name, module) in enumerate(config.modules.items())
        }
    )


def find_problems(modules: Mapping[str, ModuleConfig | None]) -> Iterator[tuple[Keys, str]]:
    """Where and why modules do not fit together; None stands for one that could not be read."""
    read = [module for module in modules.values() if module is not None]
    problems = [problem for module in read for problem in _input_problems(module, modules)]
    yield from problems
    if problems or len(read) < len(modules):
        return  # what looks unheard may be an input that could not be read or is misspelled
    heard = {parent for module in read for parent in module.inputs}
    for module in read:
        if not MODULES[module.type].accepts and module.name not in heard:
            yield ("modules", module.name), "no module has it among its inputs; add it to one, or remove it"


def _input_problems(module: ModuleConfig, modules: Mapping[str, ModuleConfig | None]) -> Iterator[tuple[Keys, str]]:
    keys: Keys = ("modules", module.name, "inputs")
    most = MODULES[module.type].max_inputs
    if most is not None and len(module.inputs) > most:
        yield keys, f"{module.type} takes {most} input{'s' * (most != 1)} (got {listed(module.inputs)})"
    names = list(modules)
    for index, parent in enumerate(module.inputs):
        if parent in module.inputs[:index]:
            yield (*keys, index), f"{shown(parent, 60)} is there twice; remove one"
        elif parent not in modules:
            others = [name for name in names if name != module.name]
            hint = suggestion(parent, others) or f"; there are {listed(others)}"
            yield (*keys, index), f"no module {shown(parent, 60)}{hint}"
        elif names.index(parent) >= names.index(module.name):
            yield (*keys, index), _order_problem(module.name, parent, modules)
        elif (source := modules[parent]) is not None and not _edge_kinds(source, module):
            yield (
                (*keys, index),
                (
                    f"{shown(parent, 60)} ({source.type}) sends {listed(MODULES[source.type].sends)}, "
                    f"but {module.type} takes {listed(MODULES[module.type].accepts)}"
                ),
            )
    if module.labels is not None and Kind.CATEGORICAL not in MODULES[module.type].sends:
        yield ("modules", module.name, "labels"), f"{module.type} finds no classes that labels could measure; remove it"
    weights = getattr(module.options, "weights", None)
    if weights is not None and len(weights) != len(module.inputs):
        yield ("modules", module.name, "weights"), f"one per input: {len(module.inputs)}, not {len(weights)}"


def _order_problem(name: str, parent: str, modules: Mapping[str, ModuleConfig | None]) -> str:
    """Why an input that is not written before its module is wrong: a cycle, or only the order."""
    path = _path(parent, name, modules)
    if path:
        cycle = " -> ".join(shown(step, 60) for step in (*reversed(path), name))
        return f"a cycle: {cycle}; leave one out: messages flow back by themselves"
    late, early = shown(parent, 60), shown(name, 60)
    return f"{late} is written after {early}; move it up: modules update in the order written"


def _path(start: str, goal: str, modules: Mapping[str, ModuleConfig | None]) -> tuple[str, ...]:
    """Names from a module by way of its inputs to another, both included; empty if there is no way."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    while ways:
        way = ways.pop(0)
        if way[-1] == goal:
            return way
        module = modules.get(way[-1])
        for parent in module.inputs if module is not None else ():
            if parent not in seen:
                seen.add(parent)
                ways.append((*way, parent))
    return ()


def _edge_kinds(parent: ModuleConfig, child: ModuleConfig) -> list[Kind]:
    """The kinds that a parent sends and its child accepts, the child's preferred one first."""
    return [kind for kind in MODULES[child.type].accepts if kind in MODULES[parent.type].sends]


def _kind_to(child: Node, parent: str) -> Kind:
    return child.kinds[child.parents.index(parent)]
