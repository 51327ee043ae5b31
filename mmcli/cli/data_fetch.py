"""`mmcli data fetch`."""

from pathlib import Path

import click

from mmcli.cli.data import FILE, SEED, log
from mmcli.cli.example import example


@click.command(epilog=example("mmcli data fetch mnist-arabic"))
@click.argument("name", metavar="NAME", type=click.Choice(["mnist-arabic"]))
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=FILE,
    default=Path("data/mnist_arabic_uci"),
    show_default=True,
    help="Where the files go.",
)
@click.option(
    "--recipe",
    type=click.Choice(["tutorial", "full"]),
    default="tutorial",
    show_default=True,
    help="The tutorial's 3,000 utterances and 1,000 held-out ones, or all 6,600 and 2,200.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the pairing.")
@click.option("--mnist-dir", metavar="DIR", type=FILE, help="MNIST's four IDX files, on disk.")
@click.option("--arabic-dir", metavar="DIR", type=FILE, help="The two UCI text files or their zip, on disk.")
@click.option("--force", is_flag=True, help="Set aside files that are at DIR already.")
def fetch(
    name: str, output: Path, recipe: str, seed: int, mnist_dir: Path | None, arabic_dir: Path | None, force: bool
) -> None:
    """Download recordings and images, pair them, write training and held-out data; print where they are.

    mnist-arabic: MNIST's images and Spoken Arabic Digit of UCI, as configs/mnist_arabic_uci.yaml trains on. Downloads
    are kept in $XDG_CACHE_HOME/mmcli (~/.cache/mmcli), and an interrupted one resumes where it was.
    """
    from mmcli.ingest.fetch import mnist_arabic  # imports scipy

    makers = {"mnist-arabic": mnist_arabic.make}
    makers[name](output, recipe, seed, log, mnist_dir=mnist_dir, arabic_dir=arabic_dir, force=force)
    click.echo(output)
