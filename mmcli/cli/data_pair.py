"""`mmcli data pair`."""

from pathlib import Path

import click

from mmcli.cli.data import HEADER, OUTPUT, SEED, log
from mmcli.cli.example import example
from mmcli.ingest.pairing import make_pairs, outputs_of


@click.command(epilog=example("mmcli data pair images.npz speech.npz --held-out 0.2 -o pairs.npz"))
@click.argument("files", nargs=-1, required=True, metavar="[NAME=]FILE...")
@OUTPUT
@click.option("--by", type=click.Choice(["label", "row"]), help="What is paired [label, where all files have labels].")
@click.option(
    "--held-out",
    metavar="SHARE",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the pairs of each label that goes to OUT_test.npz instead.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of pairing and of --held-out.")
@HEADER
def pair(
    files: tuple[str, ...], output: Path, by: str | None, held_out: float | None, seed: int, header: bool | None
) -> None:
    """Pair the items of two FILES or more; each is in one pair at most.

    OUT.npz holds the arrays of all, a row a pair, and pair_rows, the rows that they come from. By label, items are
    drawn from those of one label; labels count as the same by their names or, without names, by their numbers. NAME=
    distinguishes arrays of one name: it becomes NAME_ and the array's name.
    """
    log(*make_pairs(files, output, by=by, held_out=held_out, seed=seed, header=header))
    for place in outputs_of(output, held_out):
        click.echo(place)
