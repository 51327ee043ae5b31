"""`mmcli check`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmcli.cli.example import example
from mmcli.cli.settings import settings_options
from mmcli.cli.tables import aligned
from mmcli.cli.trust_code import trust_code_option
from mmcli.config.reader import dump_config
from mmcli.errors import UsageError
from mmcli.util.text import counted
from mmcli.workflows import check as workflow
from mmcli.workflows.check import Experiment

if TYPE_CHECKING:
    from mmcli.workflows.plan import Plan


@click.command(epilog=example("mmcli check configs/tiny.yaml", "mmcli check configs/tiny.yaml --plan"))
@click.argument("config", type=click.Path(path_type=Path))
@settings_options
@click.option("--resolved", is_flag=True, help="Print the config with every default filled in.")
@click.option("--plan", "as_plan", is_flag=True, help="Print widths, messages, parameters, memory and disk of the run.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as one JSON object, sizes in bytes.")
@trust_code_option
def check(
    config: Path,
    seed: int | None,
    rounds: int | None,
    overrides: tuple[str, ...],
    resolved: bool,
    as_plan: bool,
    as_json: bool,
    trust_code: bool,
) -> None:
    """Check CONFIG and its data without computing anything."""
    if resolved and as_plan:
        raise UsageError("--resolved and --plan: ask for one of them")
    if as_json and not as_plan:
        raise UsageError("--json needs --plan")
    checked = workflow.check(config, overrides, seed=seed, rounds=rounds, trust_code=trust_code)
    if as_plan:
        from mmcli.workflows.plan import plan  # imports jax

        planned = plan(checked)
        click.echo(json.dumps(planned.record()) if as_json else plan_table(planned))
    else:
        click.echo(dump_config(checked.config) if resolved else graph(checked), nl=not resolved)
    for note in checked.datasets.notes:
        click.echo(note, err=True)


def graph(experiment: Experiment) -> str:
    """Table of the modules of a config that passed every check, with the inputs of each."""
    _, graph, datasets = experiment
    widths, shares = datasets.widths, datasets.shares
    ports = graph.ports(widths)
    rows = [("module", "type", "receives")]
    for name, node in graph.nodes.items():
        received = [
            f"{parent} ({port.kind}, {port.width} columns)"
            for parent, port in zip(node.parents, ports.get(name, ()), strict=True)
        ]
        received += [f"target {name} ({node.kind_from(name)}, {widths[name]} columns)" for name in node.targets]
        if not received:
            sparsity = f", sparse, {100 * shares[name]:.2g} % not zero" if name in shares else ""
            received = [f"data {node.config.data}, {widths[name]} columns{sparsity}"]
        rows.append((name, node.type, ", ".join(received)))
    return f"{_summary(experiment)}\n\n{aligned(rows)}"


def plan_table(plan: "Plan") -> str:
    """Tables of the modules and the messages of a run to be, and what it takes as a whole."""
    modules = [("module", "type", "columns", "parameters", "memory", "disk")]
    for name, module in plan.modules.items():
        sizes = (_size(module.memory), _size(module.disk))
        modules.append((name, module.type, str(module.width), _number(module.num_params), *sizes))
    edges = [("messages", "kind", "columns", "directions")]
    for edge in plan.edges:
        directions = "both" if edge.is_mutual else "forward"
        edges.append((f"{edge.parent} -> {edge.child}", edge.kind, str(edge.width), directions))
    disk = f"disk {_size(plan.disk)}, {_size(plan.checkpoints)} of it checkpoints"
    total = f"About: memory {_size(plan.memory)} at the peak, {disk}. How long it takes, the first round shows."
    return "\n\n".join([_summary(plan.experiment), aligned(modules), aligned(edges), total])


def _summary(experiment: Experiment) -> str:
    """Lines on the config as a whole, and on items without a label."""
    config, _, datasets = experiment
    rounds = "1 round" if config.rounds == 1 else f"{config.rounds} rounds"
    without = [
        f"\nlabels {name}: {counted(labels.num_unlabelled, 'item')} without a label, left out of measures"
        for name, labels in {
            config.modules[module].labels: labels for module, labels in datasets.labels.items()
        }.items()
        if labels.num_unlabelled
    ]
    return f"{config.path}: sound; {datasets.num_items} items, {rounds}, seed {config.seed}{''.join(without)}"


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _size(num_bytes: float | None) -> str:
    """Bytes in the largest unit of which there is one; empty where they are not known."""
    if num_bytes is None:
        return ""
    unit, name = next((pair for pair in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")) if num_bytes >= pair[0]), (1, "B"))
    return f"{num_bytes / unit:.3g} {name}"
