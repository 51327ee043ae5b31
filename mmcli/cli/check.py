"""`mmcli check`."""

from pathlib import Path

import click

from mmcli.cli.tables import aligned
from mmcli.cli.trust_code import trust_code_option
from mmcli.util.text import counted
from mmcli.workflows import check as workflow
from mmcli.workflows.check import Experiment


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@trust_code_option
def check(config: Path, trust_code: bool) -> None:
    """Check CONFIG and its data without computing anything."""
    checked = workflow.check(config, trust_code=trust_code)
    click.echo(graph(checked))
    for note in checked.datasets.notes:
        click.echo(note, err=True)


def graph(experiment: Experiment) -> str:
    """Table of the modules of a config that passed every check, with the inputs of each."""
    config, graph, datasets = experiment
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
    rounds = "1 round" if config.rounds == 1 else f"{config.rounds} rounds"
    without = [
        f"\nlabels {name}: {counted(labels.num_unlabelled, 'item')} without a label, left out of measures"
        for name, labels in {
            config.modules[module].labels: labels for module, labels in datasets.labels.items()
        }.items()
        if labels.num_unlabelled
    ]
    summary = f"{config.path}: sound; {datasets.num_items} items, {rounds}, seed {config.seed}{''.join(without)}"
    return f"{summary}\n\n{aligned(rows)}"
