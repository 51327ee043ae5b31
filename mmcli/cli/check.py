"""`mmcli check`."""

from pathlib import Path

import click

from mmcli.cli.tables import aligned
from mmcli.cli.trust_code import trust_code_option
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
    return f"{config.path}: sound; {datasets.num_items} items, {rounds}, seed {config.seed}\n\n{aligned(rows)}"
