"""Course of a run: its graph, its measures round by round, its time."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mmcli.config.graph import Graph, Node
from mmcli.modules.spec import Kind, ModuleSpec, Trace
from mmcli.plotting.panels import Bars, Box, Curves, GraphPanel, Line
from mmcli.report.findings import Findings
from mmcli.report.sections import Section, Table
from mmcli.runs.history import MEASURES, OWN_MEASURES, HistoryLine
from mmcli.util.text import counted

_MEASURES: Mapping[str, tuple[str, str]] = {
    "acc": ("ACC", "The share of items whose class, matched to the labels, is their label."),
    "ari": ("ARI", "The adjusted Rand index: 1 is the same partition, 0 is what chance gives."),
    "nmi": ("NMI", "Normalised mutual information of classes and labels, 0 to 1."),
}


def graph_section(graph: Graph, widths: Mapping[str, int] | None) -> Section:
    """Section on the modules and their messages; `widths` as in `Graph.ports`, None where unknown."""
    ports = {} if widths is None else graph.ports(widths)
    boxes = []
    for node in graph.nodes.values():
        messages = tuple(f"{port.width} {port.kind}" for port in ports.get(node.name, ())) or tuple(node.kinds)
        backward = tuple(bool(graph.nodes[parent].parents) for parent in node.parents)
        messages += tuple(_target_label(node.kind_from(name), name, widths) for name in node.targets)
        boxes.append(Box(node.name, node.type, node.parents, messages, backward, node.targets))
    arrows = [
        f"{source} {'to and from' if backward else 'to'} {box.name} ({message})"
        for box in boxes
        for source, message, backward in box.arrows
    ]
    has_targets = any(box.targets for box in boxes)
    panel = GraphPanel(
        name="graph",
        title="Modules and messages",
        alt=f"Graph of {len(boxes)} modules. Messages go from {', '.join(arrows)}.",
        note="Solid arrows are forward messages, dashed ones backward messages: a prediction of the same kind and "
        f"width. Observations receive none.{' A dashed arrow from a target has no other beside it.' * has_targets}",
        boxes=tuple(boxes),
    )
    return Section("graph", "The graph", panels=(panel,))


def _target_label(kind: Kind, target: str, widths: Mapping[str, int] | None) -> str:
    """Label of the arrow from a target."""
    return f"target, {kind if widths is None else f'{widths[target]} {kind}'}"


def rounds_section(findings: Findings, graph: Graph) -> Section:
    """Section on each measure over the rounds, the trace of the last update, and all numbers as a table."""
    measures = [panel for name in _MEASURES if (panel := _measure(name, findings, graph)) is not None]
    bounds = [panel for name in findings.history for panel in _objectives(name, graph.nodes[name].spec, findings)]
    specs = {name: graph.nodes[name].spec.trace for name in findings.traces}
    traces = [_trace(name, spec, findings.traces[name]) for name, spec in specs.items() if spec is not None]
    every = sorted((line for lines in findings.history.values() for line in lines), key=lambda line: line.round)
    rows = [(str(line.round), line.module, *_cells(line, graph.nodes[line.module])) for line in every]
    table = Table("Every update", ("round", "module", *_HEADER), rows, folded=True)
    return Section("rounds", "Round by round", panels=(*measures, *bounds, *traces), tables=(table,) if rows else ())


def results(history: Mapping[str, Sequence[HistoryLine]], graph: Graph) -> Table:
    """Table of the latest figures of each module."""
    rows = [
        (name, graph.nodes[name].type, str(lines[-1].round), *_cells(lines[-1], graph.nodes[name]))
        for name, lines in history.items()
    ]
    return Table("Where each module stands", ("module", "type", "round", *_HEADER), rows)


def time_section(findings: Findings) -> Section:
    """Section on the time of each module, summed over rounds."""
    names = tuple(findings.history)
    if not names:
        return Section("time", "Time")
    learning = np.array([sum(line.seconds for line in findings.history[name]) for name in names])
    compiling = np.array([sum(line.compile_seconds for line in findings.history[name]) for name in names])
    times = [
        f"{name} {learn:.1f} s and {wait:.1f} s" for name, learn, wait in zip(names, learning, compiling, strict=True)
    ]
    total = f"{learning.sum() + compiling.sum():.1f}"
    bars = Bars(
        name="time",
        title="Seconds of each module",
        alt=f"Time for learning and for waiting until compiled: {', '.join(times)}.",
        note=f"All rounds together, {total} s in all. Compiling counts only while a module had to wait for it.",
        labels=names,
        learning=learning,
        compiling=compiling,
    )
    return Section("time", "Time", panels=(bars,))


def _measure(name: str, findings: Findings, graph: Graph) -> Curves | None:
    """Panel of a measure of every module that has it, of one with children also without their messages."""
    title, note = _MEASURES[name]
    lines = []
    for module, history in findings.history.items():
        fields = {name: module}
        if graph.nodes[module].children:
            fields[f"own_{name}"] = f"{module}, own inputs"
        for field, label in fields.items():
            points = [(line.round, value) for line in history if (value := getattr(line, field)) is not None]
            if points:
                rounds, values = zip(*points, strict=True)
                lines.append(Line(label, np.array(rounds), np.array(values)))
    if not lines:
        return None
    if any(line.label not in findings.history for line in lines):
        note += " Own inputs: of the classes without what the module's children sent."
    courses = ", ".join(f"{line.label} {_course(line.y, '.3f')}" for line in lines)
    lowest = min(0.0, *(float(line.y.min()) for line in lines))
    return Curves(name, title, f"{title} over rounds: {courses}.", note, tuple(lines), "round", title, (lowest, 1.0))


def _objectives(name: str, spec: ModuleSpec, findings: Findings) -> Iterator[Curves]:
    """Panels of the objective of a module by round, and of the loss per item where its type has one."""
    points = [(line.round, line.bound) for line in findings.history[name] if line.bound is not None]
    if spec.objective is None or not points:
        return
    rounds, values = map(np.array, zip(*points, strict=True))
    title, unit = spec.objective.name, spec.objective.unit
    yield Curves(
        name=f"bound-{name}",
        title=f"{name}: {title}",
        alt=f"{_headed(title)} of {name} over rounds, in {unit}: {_course(values, ',.0f')}.",
        note=f"The objective after each update, in {unit}; higher is better.",
        lines=(Line("", rounds, values),),
        x_label="round",
        y_label=unit,
    )
    if spec.objective.loss and findings.num_items:
        loss = -values / findings.num_items
        yield Curves(
            name=f"loss-{name}",
            title=f"{name}: {spec.objective.loss}",
            alt=f"{_headed(spec.objective.loss)} of {name} over rounds, in {unit} an item: {_course(loss, '.4g')}.",
            note=f"After each update, in {unit} an item: minus the {title}, divided by the number of items. "
            "Lower is better.",
            lines=(Line("", rounds, loss),),
            x_label="round",
            y_label=unit,
        )


def _trace(name: str, spec: Trace, values: np.ndarray) -> Curves:
    """Panel of the values that a module recorded in its last update, (I,)."""
    title, better = spec.title or spec.name, {"up": "higher", "down": "lower"}[spec.direction]
    return Curves(
        name=f"trace-{name}",
        title=f"{name}: {title} in the last update",
        alt=f"{_headed(title)} of {name} over {counted(len(values), 'iteration')} of its last update: "
        f"{_course(values, ',.6g')}.",
        note=f"In {spec.unit}, as the module records it while it iterates; {better} is better.",
        lines=(Line("", np.arange(1, len(values) + 1), values),),
        x_label="iteration",
        y_label=spec.unit,
    )


def _headed(title: str) -> str:
    """Title with a capital, for the beginning of a sentence."""
    return title[:1].upper() + title[1:]


_HEADER = ("ACC", "ARI", "NMI", "own ACC", "own ARI", "own NMI", "classes", "objective", "seconds", "compiling")


def _cells(line: HistoryLine, node: Node) -> tuple[str, ...]:
    """Cells of a row of the table of rounds; those by its own inputs alone only for a module with children."""
    unit = node.spec.objective.unit if node.spec.objective is not None else ""
    objective = "" if line.bound is None else f"{line.bound:,.0f} {unit}".rstrip()
    values = [getattr(line, field) for field in MEASURES]
    values += [getattr(line, field) if node.children else None for field in OWN_MEASURES]
    measures = ("" if value is None else f"{value:.3f}" for value in values)
    used = "" if line.num_classes_used is None else str(line.num_classes_used)
    return (*measures, used, objective, f"{line.seconds:.1f}", f"{line.compile_seconds:.1f}")


def _course(values: np.ndarray, form: str) -> str:
    """First and last value, in words."""
    return f"{values[0]:{form}}" if len(values) == 1 else f"from {values[0]:{form}} to {values[-1]:{form}}"
