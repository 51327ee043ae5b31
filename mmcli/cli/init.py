"""`mmcli init`."""

import shlex
from pathlib import Path

import click

from mmcli.cli.example import example
from mmcli.cli.tables import aligned
from mmcli.errors import UsageError
from mmcli.ingest.proposal import propose
from mmcli.util.text import listed
from mmcli.workflows import examples

PROPOSED = "model.yaml"


@click.command(epilog=example("mmcli init tiny -o first", "mmcli init --from images.npz speech.npz"))
@click.argument("names", nargs=-1, metavar="[EXAMPLE | FILES...]")
@click.option("--list", "as_list", is_flag=True, help="List the examples.")
@click.option("--from", "from_files", is_flag=True, help="Propose a config for the arrays of FILES.")
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), default=Path(), help="Folder to write to [.]."
)
def init(names: tuple[str, ...], as_list: bool, from_files: bool, output: Path) -> None:
    """Write a config to begin from, and print its path.

    EXAMPLE is a config of mmcli's own, written with its data; --list lists them [mnist_arabic_tuned]. --from FILES
    proposes a config for arrays of your own, by their kinds, and prints the reason for each module on stderr. A JSON
    Schema for editors goes beside the config. No file is overwritten.
    """
    if as_list:
        if names or from_files:
            raise UsageError("--list takes nothing else")
        click.echo(aligned([("example", ""), *examples.summaries().items()]))
        return
    config = _proposed(names, output) if from_files else _example(names, output)
    click.echo(config)


def _example(names: tuple[str, ...], output: Path) -> Path:
    if len(names) > 1:
        raise UsageError("give one EXAMPLE, or --from before FILES")
    written = examples.write_example(names[0] if names else examples.DEFAULT, output)
    if written.absent:
        files = listed(map(str, written.absent))
        click.echo(f"mmcli: not bundled: {files}; the comment at the top names the command that makes them", err=True)
    else:
        _log_next(written.config)
    return written.config


def _log_next(config: Path) -> None:
    click.echo(f"mmcli: next: {shlex.join(['mmcli', 'train', str(config)])}", err=True)


def _proposed(names: tuple[str, ...], output: Path) -> Path:
    if not names:
        raise UsageError("--from needs FILES")
    proposal = propose([Path(name) for name in names], output)
    config = output / PROPOSED
    files = {config: examples.with_schema(proposal.config), output / examples.SCHEMA: examples.schema()}
    examples.write_new(files)
    for reason in proposal.reasons:
        click.echo(reason, err=True)
    _log_next(config)
    return config
