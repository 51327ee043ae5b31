"""The text that commands print on stdout."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmcli.modules import MODULES, ModuleType
from mmcli.wording import described, listed

if TYPE_CHECKING:
    from mmcli.evaluation import Evaluation
    from mmcli.experiment import Experiment
    from mmcli.metrics import Metrics


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
    widths = datasets.widths
    ports = graph.ports(widths)
    rows = [("module", "type", "hears")]
    for name, node in graph.nodes.items():
        heard = [
            f"{parent} ({port.kind}, {port.width} columns)"
            for parent, port in zip(node.parents, ports.get(name, ()), strict=True)
        ]
        rows.append((name, node.type, ", ".join(heard) or f"data {node.config.data}, {widths[name]} columns"))
    rounds = "1 round" if config.rounds == 1 else f"{config.rounds} rounds"
    return f"{config.path}: sound; {datasets.num_items} items, {rounds}, seed {config.seed}\n\n{_aligned(rows)}"


def evaluation(evaluation: "Evaluation") -> str:
    """Metrics and confusion table of each module."""
    if not evaluation.metrics:
        return f"{evaluation.num_items} items, no labels to compare with; their classes are in {evaluation.written}"
    return "\n\n".join(
        f"{_summary(name, metrics, evaluation.rematched.get(name))}\n{_confusion(metrics)}"
        for name, metrics in evaluation.metrics.items()
    )


def _summary(name: str, metrics: "Metrics", rematched: float | None) -> str:
    anew = "" if rematched is None else f" ({rematched:.3f} with classes matched anew)"
    return f"{name}  ACC {metrics.acc:.3f}{anew}  ARI {metrics.ari:.3f}  NMI {metrics.nmi:.3f}"


def _confusion(metrics: "Metrics") -> str:
    """Items of each class (row) and label (column); a dot is none."""
    cells = [[str(number) if number else "." for number in row] for row in metrics.confusion.tolist()]
    rows = [[str(label) for label in metrics.labels], *cells]
    names = ["class \\ label", *(str(matched) for matched in metrics.classes)]
    width = max(len(cell) for row in rows for cell in row)
    return "\n".join(
        f"{name:>{len(names[0])}}  {' '.join(cell.rjust(width) for cell in row)}"
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
