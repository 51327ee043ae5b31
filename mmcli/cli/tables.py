"""The text that commands print on stdout."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mmcli.modules.registry import MODULES, ModuleType
from mmcli.util.text import counted, described, listed, shown

if TYPE_CHECKING:
    from mmcli.ingest.contents import Contents, Holding
    from mmcli.runs.metrics import Metrics
    from mmcli.workflows.check import Experiment
    from mmcli.workflows.compare import Comparison, Run
    from mmcli.workflows.evaluate import Evaluation


MAX_NAME = 24  # characters of a label in a table


def module_types() -> str:
    """The table of modules, a type a line."""
    rows = [("type", "hears", "sends", "summary")]
    for name, module in MODULES.items():
        rows.append((name, listed(module.accepts), listed(module.sends), module.summary))
    return _aligned(rows)


def module_type(name: str) -> str:
    """All there is to know to write a module of a type into a config."""
    module = MODULES[name]
    schema = module.options.model_json_schema()
    rows = [("option", "default", "value", "")]
    for option, values in schema["properties"].items():
        default = "required" if option in schema.get("required", ()) else _plain(values["default"])
        rows.append((option, default, described(values), values.get("description", "")))
    options = _aligned(rows) if len(rows) > 1 else "no options"
    return f"{name}: {module.summary}\n{_neighbours(module)}\n\n{options}"


def graph(experiment: "Experiment") -> str:
    """The modules of a config that passed every check, and what each hears from whom."""
    config, graph, datasets = experiment
    widths, shares = datasets.widths, datasets.shares
    ports = graph.ports(widths)
    rows = [("module", "type", "hears")]
    for name, node in graph.nodes.items():
        heard = [
            f"{parent} ({port.kind}, {port.width} columns)"
            for parent, port in zip(node.parents, ports.get(name, ()), strict=True)
        ]
        if not heard:
            sparsity = f", sparse, {100 * shares[name]:.2g} % not zero" if name in shares else ""
            heard = [f"data {node.config.data}, {widths[name]} columns{sparsity}"]
        rows.append((name, node.type, ", ".join(heard)))
    rounds = "1 round" if config.rounds == 1 else f"{config.rounds} rounds"
    without = [
        f"\nlabels {name}: {counted(labels.num_unlabelled, 'item')} without a label, left out of measures"
        for name, labels in datasets.labels.items()
        if labels.num_unlabelled
    ]
    summary = f"{config.path}: sound; {datasets.num_items} items, {rounds}, seed {config.seed}{''.join(without)}"
    return f"{summary}\n\n{_aligned(rows)}"


def evaluation(evaluation: "Evaluation") -> str:
    """Metrics and confusion table of each module."""
    if not evaluation.metrics:
        return f"{evaluation.num_items} items, no labels to compare with; what was found is in {evaluation.written}"
    return "\n\n".join(
        "\n".join(
            [
                _summary(name, metrics, evaluation.rematched.get(name)),
                *_remarks(evaluation, name),
                _confusion(metrics),
            ]
        )
        for name, metrics in evaluation.metrics.items()
    )


def _remarks(evaluation: "Evaluation", name: str) -> Iterator[str]:
    """What has to be known of the labels of a module before its measures are believed."""
    if missing := evaluation.metrics[name].num_unlabelled:
        yield f"{missing} of {evaluation.num_items} items without a label, left out"
    if unknown := evaluation.unknown.get(name):
        every = listed(f"{text} ({items})" for text, items in unknown.items())
        yield f"labels that the run did not learn with (and their items, none of them right): {every}"
    if absent := evaluation.absent.get(name):
        yield f"labels of the run that no item has: {listed(absent)}"


def contents(contents: "Contents") -> str:
    """The arrays of a data file, one a line, and the items of each label."""
    rows: list[tuple[str, ...]] = [("array", "shape", "type", "range", "zeros", "")]
    rows += [(shown(name, 60) or "(one)", *_held(holding)) for name, holding in contents.holdings.items()]
    lines = [_aligned(rows)]
    for name, counts in contents.labels.items():
        every = listed(f"{label} ({number})" for label, number in counts.items())
        lines.append(f"{shown(name, 60) or 'labels'}: {counted(len(counts), 'label')} (and their items): {every}")
    return "\n\n".join(lines)


def _held(holding: "Holding") -> tuple[str, ...]:
    shape = "" if holding.shape is None else " x ".join(map(str, holding.shape)) or "one"
    ends = [] if holding.low is None else dict.fromkeys(map(_end, (holding.low, holding.high)))
    span = " to ".join(ends)
    zeros = "" if holding.zeros is None else f"{holding.zeros:.1%}"
    return shape, holding.dtype, span, zeros, holding.meaning


def _end(value: Any) -> str:
    """An end of a range: a whole number with all its digits."""
    return str(int(value)) if isinstance(value, int) else f"{value:.6g}"


def comparison(comparison: "Comparison") -> str:
    """A run a line: the settings that differ, the latest measures, seconds, status; then the spread over seeds."""
    columns = comparison.columns()
    names = [("ACC",), ("ARI",), ("NMI",)]
    measures = [(shown(module) if name == names[0] else "", *name) for module in comparison.modules for name in names]
    rows = _stacked([("run",), *(tuple(map(shown, alike)) for alike in columns), *measures, ("seconds",), ("status",)])
    for run in comparison.runs:
        settings = [_setting(run.settings.get(alike[0])) for alike in columns]
        latest = [_figure(value) for module in comparison.modules for value in run.latest(module).values()]
        rows.append([shown(str(run.path)), *settings, *latest, f"{run.seconds:7.1f}", _status(run)])
    return _aligned(rows) + (f"\n\n{_spreads(comparison)}" if comparison.groups else "")


def comparison_csv(comparison: "Comparison") -> str:
    """The runs of a comparison as CSV, in full precision; what a run does not have is empty."""
    record = comparison.record()["runs"]
    measures = [f"{shown(module)}.{measure}" for module, latest in record[0]["modules"].items() for measure in latest]
    ends = ("seconds", "status", "last_round", "error")
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["run", *map(shown, comparison.settings), *measures, *ends])
    for run in record:
        settings = map(_setting, run["settings"].values())
        latest = [value for measures in run["modules"].values() for value in measures.values()]
        told = [shown(value) if isinstance(value, str) else value for value in map(run.get, ends)]
        writer.writerow([shown(run["run"]), *settings, *latest, *told])
    return lines.getvalue().rstrip("\n")


def _spreads(comparison: "Comparison") -> str:
    """How the figures of finished runs vary that differ in the seed only; a figure a line."""
    columns = [alike for alike in comparison.columns() if alike != ["seed"]]
    rows = _stacked(
        [
            *(tuple(map(shown, alike)) for alike in columns),
            *((name,) for name in ("runs", "seeds", "", "mean", "minimum", "maximum", "deviation")),
        ]
    )
    for group in comparison.groups:
        seeds = {run.seed for run in group.runs}
        settings = [_setting(group.runs[0].settings.get(alike[0])) for alike in columns]
        head = [*settings, str(len(group.runs)), str(len(seeds))]
        for module, spreads in group.modules.items():
            for measure, spread in spreads.items():
                rows.append([*head, f"{shown(module)} {measure.upper()}", *map(_figure, spread)])
                head = [""] * len(head)
        rows.append([*head, "seconds", *(f"{value:.1f}" for value in group.seconds)])
    return _aligned(rows)


def _stacked(headers: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """The lines of a heading whose cells have several, one above the other; short ones stand at the bottom."""
    height = max(map(len, headers))
    return [list(line) for line in zip(*(("",) * (height - len(header)) + header for header in headers), strict=True)]


def _setting(value: Any) -> str:
    """A value of a config as a cell; empty where a run has no such setting."""
    if value is None:
        return ""
    return shown(value if isinstance(value, str) else json.dumps(value))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _status(run: "Run") -> str:
    if run.status == "finished":
        return run.status
    course = f"{run.status} (round {run.last_round} of {run.settings['rounds']})"
    return course if run.error is None else f"{course}: {shown(run.error, 100)}"


def _summary(name: str, metrics: "Metrics", rematched: float | None) -> str:
    anew = "" if rematched is None else f" ({rematched:.3f} with classes matched anew)"
    return f"{name}  ACC {metrics.acc:.3f}{anew}  ARI {metrics.ari:.3f}  NMI {metrics.nmi:.3f}"


def _confusion(metrics: "Metrics") -> str:
    """Items of each class (row) and label (column); a dot is none."""
    cells = [[str(number) if number else "." for number in row] for row in metrics.confusion.tolist()]
    rows = [[shown(label, MAX_NAME) for label in metrics.label_names], *cells]
    names = ["class \\ label", *(shown(matched, MAX_NAME) for matched in metrics.class_names)]
    width, margin = max(len(cell) for row in rows for cell in row), max(map(len, names))
    return "\n".join(
        f"{name:>{margin}}  {' '.join(cell.rjust(width) for cell in row)}"
        for name, row in zip(names, rows, strict=True)
    )


def _neighbours(module: ModuleType) -> str:
    if not module.accepts:
        return f"a source: has no inputs; sends {listed(module.sends)}"
    inputs = "any number of inputs" if module.max_inputs is None else f"inputs: at most {module.max_inputs}"
    return f"hears {listed(module.accepts)} ({inputs}); sends {listed(module.sends)}"


def _plain(default: object) -> str:
    return "none" if default is None else str(default)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
