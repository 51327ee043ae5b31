"""Graph of a config: order of updates, kinds and widths of messages. No arrays."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pydantic import ValidationError

from mmcli.config.class_counts import count_problems, is_open
from mmcli.config.model import Config, Keys, ModuleConfig, Places
from mmcli.config.problems import located
from mmcli.errors import ConfigError
from mmcli.modules.class_count import ClassOptions
from mmcli.modules.spec import Kind, ModuleSpec, Options, Port, Rule
from mmcli.util.text import counted, listed, shown, suggestion


class Node(NamedTuple):
    """A module and its place in the graph."""

    name: str
    place: int  # position in `modules`, from 0, observations counted
    type: str
    config: ModuleConfig
    parents: tuple[str, ...]
    children: tuple[str, ...]  # those that it is a target of among them
    kinds: tuple[Kind, ...]  # of each input
    targets: tuple[str, ...] = ()  # observations

    @property
    def spec(self) -> ModuleSpec:
        """Spec of the module's type."""
        return self.config.spec

    @property
    def is_sequential(self) -> bool:
        """Whether its rows are steps of sequences."""
        return self.spec.items == "sequence"

    def has_own_width(self, ports: Sequence[Port]) -> bool:
        """Whether the width of its messages follows from its options alone, not from its input ports."""
        return self.spec.has_own_width(self.config.options, ports)

    def kind_from(self, parent: str) -> Kind:
        """Kind of the messages from a parent or a target."""
        if parent in self.targets:
            return self.spec.targets[self.targets.index(parent)]
        return self.kinds[self.parents.index(parent)]

    def is_standard(self, parent: str) -> bool:
        """Whether it receives an observation in standard units: an input of points without a bounded range."""
        if parent in self.targets:
            return False
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

    @property
    def senses(self) -> list[str]:
        """Names of the observations that are inputs; the others are targets alone, and no prediction reads them."""
        inputs = {parent for node in self.nodes.values() for parent in node.parents}
        return [node.name for node in self.nodes.values() if not node.parents and node.name in inputs]

    @property
    def sequences(self) -> dict[str, str | None]:
        """The data that number the sequence of each row, of each sequential module; None where all rows are one."""
        return {node.name: node.config.sequence for node in self.nodes.values() if node.is_sequential}

    @property
    def left_open(self) -> tuple[str, ...]:
        """Names of the modules whose number of classes is to be found."""
        return tuple(name for name, node in self.nodes.items() if is_open(node.config))

    def most_classes(self, most: int) -> dict[str, int]:
        """Number of classes, by module, where it is left open: the most that the config allows, at most `most`."""
        options = {name: self.nodes[name].config.options for name in self.left_open}
        return {name: min(most, each.width) for name, each in options.items() if isinstance(each, ClassOptions)}

    def with_numbers(self, numbers: Mapping[str, int]) -> "Graph":
        """The graph with these numbers of classes, by module, where they were left open."""
        nodes = dict(self.nodes)
        for name in self.left_open:
            node = nodes[name]
            options = node.config.options.model_copy(update={"num_classes": numbers[name]})
            nodes[name] = node._replace(config=replace(node.config, options=options))
        return Graph(nodes)

    def folder(self, name: str) -> str:
        """Folder of a module in a run directory: module002_vae."""
        return f"module{self.nodes[name].place:03d}_{name}"

    def output_port(self, name: str, widths: Mapping[str, int]) -> Port:
        """Kind and width of a module's forward messages.

        Args:
            name: of the module.
            widths: columns of the data of each observation, by module name.
        """
        return self._outputs(widths)[name]

    def picture(self, name: str, width: int) -> tuple[int, ...] | None:
        """Height and width, and 3 where in color, of the pictures that the rows of an observation are.

        Args:
            name: of the observation.
            width: its columns.

        Returns:
            The shape that a child gives, or else that of a square; None where rows are no pictures that can be drawn.
        """
        children = [self.nodes[child] for child in self.nodes[name].children]
        shapes = [child.spec.picture(child.config.options) for child in children if child.parents[:1] == (name,)]
        side = math.isqrt(width)
        square = (side, side) if side > 1 and side**2 == width else None
        shape = next((shape for shape in shapes if shape is not None), square)
        if shape is None or shape[2:] in ((), (3,)):
            return shape
        return shape[:2] if shape[2:] == (1,) else None

    def ports(self, widths: Mapping[str, int]) -> Mapping[str, tuple[Port, ...]]:
        """Input ports of every module but the observations; `widths` as in `output_port`."""
        outputs = self._outputs(widths)
        return {node.name: _ports(node, outputs) for node in self.nodes.values() if node.parents}

    def refuse_misfits(self, widths: Mapping[str, int], places: Places) -> None:
        """Check every module again, now that all widths are known; `widths` as in `output_port`.

        Raises:
            ConfigError: the options of a module are impossible with such inputs.
        """
        problems: list[tuple[Keys, str]] = []
        for name, ports in self.ports(widths).items():
            problems += _option_problems(self.nodes[name].config, ports)
        _refuse(problems, places)

    def _outputs(self, widths: Mapping[str, int]) -> dict[str, Port]:
        """Output port of every module, by name."""
        outputs: dict[str, Port] = {}
        for node in self.nodes.values():
            if node.parents:
                outputs[node.name] = node.spec.output(node.config.options, _ports(node, outputs))
            else:
                children = (self.nodes[child] for child in node.children)
                kinds = [child.kind_from(node.name) for child in children]
                outputs[node.name] = Port((*kinds, *node.spec.sends)[0], widths[node.name])
        return outputs


def build_graph(config: Config) -> Graph:
    """Build the graph of a config from `load_config`, which has checked that the modules fit together."""
    plan = _make_plan(config.modules)
    return Graph(
        {
            name: Node(
                name=name,
                place=place,
                type=module.type,
                config=module,
                parents=module.inputs,
                children=tuple(
                    child.name for child in config.modules.values() if name in (*child.inputs, *child.targets)
                ),
                kinds=tuple(port.kind for port in plan.ports[name]),
                targets=module.targets,
            )
            for place, (name, module) in enumerate(config.modules.items())
        }
    )


def find_problems(modules: Mapping[str, ModuleConfig | None], rule: Rule) -> list[tuple[Keys, str]]:
    """Find where and why modules do not fit together; None stands for a module that could not be read."""
    ports, problems = _make_plan(modules)
    read = {name: module for name, module in modules.items() if module is not None}
    is_whole = not problems and len(ports) == len(modules)
    return [*count_problems(read, ports, rule)] if is_whole else problems


class _Plan(NamedTuple):
    """Part of a graph that is known from the config alone.

    Attributes:
        ports: input ports of each module that fits; the width is None where it depends on the data.
        problems: of the modules that do not fit.
    """

    ports: dict[str, tuple[Port, ...]]
    problems: list[tuple[Keys, str]]


def _make_plan(modules: Mapping[str, ModuleConfig | None]) -> _Plan:
    """Derive ports and problems from the modules; None stands for a module that could not be read."""
    read = [module for module in modules.values() if module is not None]
    ports: dict[str, tuple[Port, ...]] = {}
    outputs: dict[str, Port] = {}
    problems: list[tuple[Keys, str]] = []
    for module in read:
        spec = module.spec
        offers = [_offers(modules.get(parent), outputs) for parent in module.inputs]
        misfits = list(_input_problems(module, modules, offers))
        problems += misfits
        problems += _given_problems(module, modules)
        if misfits or not all(offers) or not _are_whole(module.options):
            continue
        ports[module.name] = tuple(
            Port(_agreed(offered, spec)[0], outputs[parent].width if parent in outputs else None)
            for parent, offered in zip(module.inputs, offers, strict=True)
        )
        problems += _option_problems(module, ports[module.name])
        if not spec.is_source:
            outputs[module.name] = spec.output(module.options, ports[module.name])
    if not problems and len(read) == len(modules):  # otherwise the child may be a module that could not be read
        taken = {parent for module in read for parent in (*module.inputs, *module.targets)}
        for module in read:
            if module.spec.is_source and module.name not in taken:
                text = "no module has it among its inputs; add it to one, or remove it"
                problems.append((("modules", module.name), text))
    return _Plan(ports, problems)


def _input_problems(
    module: ModuleConfig, modules: Mapping[str, ModuleConfig | None], offers: Sequence[tuple[Kind, ...]]
) -> Iterator[tuple[Keys, str]]:
    """Problems of the inputs of a module; `offers` are the kinds that each of them can send."""
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
            yield (*keys, index), f"{shown(parent, 60)} is listed twice; remove one"
        elif parent not in modules:
            others = [name for name in names if name != module.name]
            hint = suggestion(parent, others) or f"; there are {listed(others)}"
            yield (*keys, index), f"no module {shown(parent, 60)}{hint}"
        elif names.index(parent) >= names.index(module.name):
            yield (*keys, index), _order_problem(module.name, parent, modules)
        elif (source := modules[parent]) is not None and not _agreed(offered, spec):
            text = f"{shown(parent, 60)} ({source.type}) sends {listed(offered)}, but {module.type} takes"
            yield (*keys, index), f"{text} {listed(spec.inputs.kinds)}"
        elif spec.inputs.asks_kind and len(agreed := _agreed(offered, spec)) > 1:
            text = f"{shown(parent, 60)} may be {' or '.join(agreed)}, and {module.type} takes both"
            yield (*keys, index), f"{text}; give modules.{shown(parent, 60)} one: kind: {agreed[-1]}"
    if module.labels is not None and spec.classes is None:
        yield ("modules", module.name, "labels"), f"{module.type} finds no classes that labels could measure; remove it"


def _given_problems(module: ModuleConfig, modules: Mapping[str, ModuleConfig | None]) -> Iterator[tuple[Keys, str]]:
    """Faults of the targets and the sequence of a module."""
    keys: Keys = ("modules", module.name)
    spec = module.spec
    if module.sequence is not None and spec.items != "sequence":
        yield (*keys, "sequence"), f"{module.type} takes rows that are independent of each other; remove it"
    if module.targets and not spec.targets:
        yield (*keys, "targets"), f"{module.type} is not supervised; remove it"
    elif len(module.targets) != len(spec.targets):
        text = f"{module.type} takes {counted(len(spec.targets), 'target')}: observations of {listed(spec.targets)}"
        yield (*keys, "targets"), f"{text} (got {listed(module.targets) or 'none'})"
    else:
        sources = [name for name, other in modules.items() if other is None or other.spec.is_source]
        for index, (name, kind) in enumerate(zip(module.targets, spec.targets, strict=True)):
            place = (*keys, "targets", index)
            if name not in sources:
                hint = suggestion(name, sources) or f"; there are {listed(sources)}"
                yield place, f"no observation {shown(name, 60)}{hint}"
            elif name in module.inputs or name in module.targets[:index]:
                yield place, f"{shown(name, 60)} is given already; remove one"
            elif (source := modules[name]) is not None and kind not in source.spec.sends:
                yield place, f"{shown(name, 60)} ({source.type}) sends no {kind}, which {module.type} takes"


def _option_problems(module: ModuleConfig, ports: Sequence[Port]) -> Iterator[tuple[Keys, str]]:
    """Problems that a type finds with its options, given the input ports."""
    for option, text in module.spec.check(module.options, ports):
        path = (option,) if isinstance(option, str) else option or ()
        yield ("modules", module.name, *path), text


def _refuse(problems: Iterable[tuple[Keys, str]], places: Places) -> None:
    """Report problems, each at its place.

    Raises:
        ConfigError: there are any.
    """
    lines = [located(places.of(keys), keys, text) for keys, text in problems]
    if lines:
        raise ConfigError(lines)


def _order_problem(name: str, parent: str, modules: Mapping[str, ModuleConfig | None]) -> str:
    """Problem of an input that is not written before its module: a cycle, or only the order."""
    path = _path(parent, name, modules)
    if path:
        cycle = " -> ".join(shown(step, 60) for step in (*reversed(path), name))
        return f"a cycle: {cycle}; leave one out: messages flow back by themselves"
    late, early = shown(parent, 60), shown(name, 60)
    return f"{late} is written after {early}; move it up: modules update in the order written"


def _path(start: str, goal: str, modules: Mapping[str, ModuleConfig | None]) -> tuple[str, ...]:
    """Names on a path along inputs from one module to another, both included; empty if there is none."""
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
    """Kinds that a module can send forward; none where it could not be read."""
    if parent is None:
        return ()
    return (outputs[parent.name].kind,) if parent.name in outputs else parent.spec.offered(parent.options)


def _agreed(offered: Iterable[Kind], child: ModuleSpec) -> list[Kind]:
    """Offered kinds that a child accepts, its preferred one first."""
    return [kind for kind in child.inputs.kinds if kind in offered]


def _ports(node: Node, outputs: Mapping[str, Port]) -> tuple[Port, ...]:
    """Input ports of a node, from the output ports of the nodes before it."""
    return tuple(Port(kind, outputs[parent].width) for parent, kind in zip(node.parents, node.kinds, strict=True))


def _are_whole(options: Options) -> bool:
    """Whether all options were read without a problem, so that the type can check them."""
    try:
        type(options).model_validate(dict(options))
    except ValidationError:
        return False
    return True
