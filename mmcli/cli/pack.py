"""`mmcli pack`."""

from pathlib import Path

import click

from mmcli.cli.example import example
from mmcli.cli.trust_code import trust_code_option
from mmcli.workflows import pack as workflow


@click.command(
    epilog=example(
        "mmcli pack runs/tiny-s0-001 --licence MIT -o digits.zip",
        "mmcli evaluate digits.zip --data new.npz -o results",
    )
)
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="The file [NAME.zip].")
@click.option("--licence", "--license", metavar="NAME", help="Licence of the model, for its card: MIT, CC-BY-4.0, ...")
@click.option("--description", metavar="TEXT", help="A paragraph on the model, for its card.")
@trust_code_option
def pack(run_dir: Path, output: Path | None, licence: str | None, description: str | None, trust_code: bool) -> None:
    """Write a finished run to one file that can be handed on, and print its path.

    The file is a zip of RUN_DIR without its checkpoints, and a model card, README.md: how to use the model, its
    modules, data, figures, versions and licence. `evaluate`, `generate`, `report` and `load_run` read it as it is. It
    contains the config and meta.json, and with them paths, host name and command line.
    """
    click.echo(workflow.pack(run_dir, output, licence=licence, description=description, trust_code=trust_code))
