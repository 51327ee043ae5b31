"""`mmcli generate`."""

from pathlib import Path

import click

from mmcli.cli.data_root import data_root_option
from mmcli.cli.device import device_option
from mmcli.cli.example import example
from mmcli.cli.options import data_options
from mmcli.cli.session import Session
from mmcli.cli.trust_code import trust_code_option
from mmcli.data.selection import Request
from mmcli.errors import UsageError
from mmcli.util.progress import following
from mmcli.workflows import generate as workflow


@click.command(
    epilog=example(
        "mmcli generate runs/tiny-s0-001 --to images --from speech --test -o made.npz",
        "mmcli generate runs/tiny-s0-001 --to images --class 3 -n 20 --sample -o threes.npz",
    )
)
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--to", metavar="SENSE", required=True, help="The sense to make, by its name in the config's data.")
@data_options
@click.option("--from", "senses", metavar="SENSE", multiple=True, help="Use this sense [all there are].")
@click.option(
    "--class", "of_class", metavar="K", help="Make it of class K, a number or a name, instead of from other senses."
)
@click.option(
    "-n",
    "num_items",
    metavar="N",
    type=click.IntRange(1, 2**31 - 1),
    help="How many items [all of the data, one of a class].",
)
@click.option("--sample", is_flag=True, help="Draw class and latent variable, instead of taking their expectation.")
@click.option("--seed", metavar="SEED", type=click.IntRange(0, 2**32 - 1), help="Seed of --sample [0].")
@click.option(
    "-o", "--output", metavar="OUT.npz", required=True, type=click.Path(path_type=Path), help="Where the arrays go."
)
@device_option
@data_root_option
@trust_code_option
@click.pass_obj
def generate(
    session: Session,
    run_dir: Path,
    to: str,
    request: Request,
    senses: tuple[str, ...],
    of_class: str | None,
    num_items: int | None,
    sample: bool,
    seed: int | None,
    output: Path,
    data_root: Path | None,
    trust_code: bool,
) -> None:
    """Make one sense from others, or of a class.

    With --data, --test or --from (alone: of the data that the run learned from), SENSE of every item is made from its
    other senses: images from speech. With --class K, N items of class K; with none of these, N of each class.
    OUT.npz holds the array SENSE (N, width), and where classes were asked for class (and class_name, if they have
    names); counts come as shares of an item's words. Images go to OUT.png too.
    """
    if seed is not None and not sample:
        raise UsageError("--seed changes nothing without --sample; add it, or leave --seed out")
    session.report_ignored()
    source = workflow.Source(request, senses, of_class, num_items, (seed or 0) if sample else None)
    with following(f"making {to}") as watch:
        written = workflow.generate(
            run_dir,
            to,
            source,
            output,
            data_root=data_root,
            trust_code=trust_code,
            notify=session.note,
            watch=watch,
        )
    click.echo(written)
