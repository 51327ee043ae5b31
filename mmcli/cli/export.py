"""`mmcli export`."""

from pathlib import Path

import click

from mmcli.cli.example import example
from mmcli.cli.session import Session
from mmcli.cli.trust_code import trust_code_option
from mmcli.workflows import export as workflow


@click.command(
    epilog=example(
        "mmcli export runs/tiny-s0-001 --to stablehlo -o digits",
        "mmcli export runs/tiny-s0-001 --to onnx -o digits-onnx",
    )
)
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(["stablehlo", "onnx"]), required=True, help="Format of the program.")
@click.option("-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Folder [NAME-FORMAT].")
@click.option(
    "--items",
    type=click.IntRange(1, 1_000_000),
    default=500,
    show_default=True,
    help="Items of a batch: StableHLO takes so many; ONNX takes any number, so many at a time.",
)
@trust_code_option
@click.pass_obj
def export(
    session: Session, run_dir: Path, to: workflow.Format, output: Path | None, items: int, trust_code: bool
) -> None:
    """Write the predictor of a run for programs that have no mmcli, and print its folder.

    It takes rows of the senses, in the units of the data, and gives the class probabilities of every module that finds
    classes; a row of NaN is a missing one. DIR/model.stablehlo is read by `jax.export.deserialize`, with jax and numpy
    alone; DIR/model.onnx by onnxruntime and others. DIR/model.json names arguments and results, their shapes, and the
    classes of the columns. For scikit-learn: `mmcli.MultimodalClusterer.from_run`.
    """
    session.report_ignored()
    click.echo(workflow.export(run_dir, output, to=to, num_items=items, trust_code=trust_code))
