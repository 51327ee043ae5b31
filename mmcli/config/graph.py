"""The graph of a config: order of updates, kinds and widths of messages. No arrays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from mmcli.config.model import Config, Keys, ModuleConfig, Places
from mmcli.config.problems import located
from mmcli.errors import ConfigError
from mmcli.modules.spec import Kind, ModuleSpec, Options, Port
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

    @property
    def spec(self) -> ModuleSpec:
        """The description of its type."""
        return self.config.spec

    def kind_from(self, parent: str) -> Kind:
        """Kind of what a parent sends."""
        return self.kinds[self.parents.index(parent)]

    def is_standard(self, parent: str) -> bool:
        """Whether it takes what an observation sends in standard units: points that are not held to a range."""
        is_bounded = self.spec.inputs.bounds(self.config.options) is not None
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
        """Kind and width of a module's forward messages.

        Args:
            name: of the module.
            widths: columns of the data of each observation, by module name.
        """
        return self._outputs(widths)[name]

    def ports(self, widths: Mapping[str, int]) -> Mapping[str, tuple[Port, ...]]:
        """The input ports of every module but the observations; `widths` as in `output_port`."""
        outputs = self._outputs(widths)
        return {node.name: _ports(node, outputs) for node in self.nodes.values() if node.parents}

    def refuse_misfits(self, widths: Mapping[str, int], places: Places) -> None:
        """Let the types check their modules again, now that all widths are known; `widths` as in `output_port`.

        Raises:
            ConfigError: a module cannot do what its options ask of it with such inputs.
        """
        problems: list[tuple[Keys, str]] = []
        for name, ports in self.ports(widths).items():
            problems += _option_problems(self.nodes[name].config, ports)
        _refuse(problems, places)

    def _outputs(self, widths: Mapping[str, int]) -> dict[str, Port]:
        outputs: dict[str, Port] = {}
        for node in self.nodes.values():
            if node.parents:
                outputs[node.name] = node.spec.output(node.config.options, _ports(node, outputs))
            else:
                children = (self.nodes[child] for child in node.children)
                kinds = [child.kinds[child.parents.index(node.name)] for child in children]
                outputs[node.name] = Port((*kinds, *node.spec.sends)[0], widths[node.name])
        return outputs


def build_graph(config: Config) -> Graph:
    """Graph of a config from `load_config`, which has checked that the modules fit together."""
    plan = _make_plan(config.modules)
    return Graph(
        {
            name: Node(
                name=name,
                place=place,
                type=module.type,
                config=module,
                parents=module.inputs,
                children=tuple(child.name for child in config.modules.values() if name in child.inputs),
                kinds=tuple(port.kind for port in plan.ports[name]),
            )
            for place, (name, module) in enumerate(config.modules.items())
        }
    )


def find_problems(modules: Mapping[str, ModuleConfig | None]) -> list[tuple[Keys, str]]:
    """Where and why modules do not fit together; None stands for one that could not be read."""
    return _make_plan(modules).problems


class _Plan(NamedTuple):
    """A graph as far as its config alone makes it known.

    Attributes:
        ports: of the inputs of each module that fits; the width is None where it depends on the data.
        problems: of the modules that do not fit.
    """

    ports: dict[str, tuple[Port, ...]]
    problems: list[tuple[Keys, str]]


def _make_plan(modules: Mapping[str, ModuleConfig | None]) -> _Plan:
    read = [module for module in modules.values() if module is not None]
    ports: dict[str, tuple[Port, ...]] = {}
    outputs: dict[str, Port] = {}
    problems: list[tuple[Keys, str]] = []
    for module in read:
        spec = module.spec
        offers = [_offers(modules.get(parent), outputs) for parent in module.inputs]
        misfits = list(_input_problems(module, modules, offers))
        problems += misfits
        if misfits or not all(offers) or not _are_whole(module.options):
            continue
        ports[module.name] = tuple(
            Port(_agreed(offered, spec)[0], outputs[parent].width if parent in outputs else None)
            for parent, offered in zip(module.inputs, offers, strict=True)
        )
        problems += _option_problems(module, ports[module.name])
        if not spec.is_source:
            outputs[module.name] = spec.output(module.options, ports[module.name])
    if not problems and len(read) == len(modules):  # otherwise its child may be what could not be read
        taken = {parent for module in read for parent in module.inputs}
        for module in read:
            if module.spec.is_source and module.name not in taken:
                text = "no module has it among its inputs; add it to one, or remove it"
                problems.append((("modules", module.name), text))
    return _Plan(ports, problems)


def _input_problems(
    module: ModuleConfig, modules: Mapping[str, ModuleConfig | None], offers: Sequence[tuple[Kind, ...]]
) -> Iterator[tuple[Keys, str]]:
    """What is wrong with the inputs of a module; `offers` are the kinds that each of them can send."""
    keys: Keys = ("modules", module.name, "inputs")
    spec = module.spec
    fewest, most = spec.inputs.minimum, spec.inputs.maximum
    if most is not None and len(module.inputs) > most:
        yield keys, f"{module.type} takes {most} input{'s' * (most != 1)} (got {listed(module.inputs)})"
    if len(module.inputs) < fewest:
        yield keys, f"{module.type} takes at least {fewest} inputs (got {listed(module.inputs)})"
    names = list(modules)
    for index, (parent, offered) in enumerate(zip(module.inputs, offers, strict=True)):
        if parent in module.inputs[:index]:
            yield (*keys, index), f"{shown(parent, 60)} is there twice; remove one"
        elif parent not in modules:
            others = [name for name in names if name != module.name]
            hint = suggestion(parent, others) or f"; there are {listed(others)}"
            yield (*keys, index), f"no module {shown(parent, 60)}{hint}"
        elif names.index(parent) >= names.index(module.name):
            yield (*keys, index), _order_problem(module.name, parent, modules)
        elif (source := modules[parent]) is not None and not _agreed(offered, spec):
            text = f"{shown(parent, 60)} ({source.type}) sends {listed(offered)}, but {module.type} takes"
            yield (*keys, index), f"{text} {listed(spec.inputs.kinds)}"
    if module.labels is not None and spec.classes is None:
        yield ("modules", module.name, "labels"), f"{module.type} finds no classes that labels could measure; remove it"


def _option_problems(module: ModuleConfig, ports: Sequence[Port]) -> Iterator[tuple[Keys, str]]:
    """What a type cannot do with such options and inputs."""
    for option, text in module.spec.check(module.options, ports):
        yield ("modules", module.name, *([] if option is None else [option])), text


def _refuse(problems: Iterable[tuple[Keys, str]], places: Places) -> None:
    lines = [located(places.of(keys), keys, text) for keys, text in problems]
    if lines:
        raise ConfigError(lines)


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


def _offers(parent: ModuleConfig | None, outputs: Mapping[str, Port]) -> tuple[Kind, ...]:
    """The kinds that a module can send forward; none where it could not be read."""
    if parent is None:
        return ()
    return (outputs[parent.name].kind,) if parent.name in outputs else parent.spec.sends


def _agreed(offered: Iterable[Kind], child: ModuleSpec) -> list[Kind]:
    """The kinds offered that a child takes, the one it prefers first."""
    return [kind for kind in child.inputs.kinds if kind in offered]


def _ports(node: Node, outputs: Mapping[str, Port]) -> tuple[Port, ...]:
    """The input ports of a node, from the output ports of those before it."""
    return tuple(Port(kind, outputs[parent].width) for parent, kind in zip(node.parents, node.kinds, strict=True))


def _are_whole(options: Options) -> bool:
    """Whether options were read without a problem, so that a type can be asked about them."""
    try:
        type(options).model_validate(dict(options))
    except ValidationError:
        return False
    return True
