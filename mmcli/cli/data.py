"""`mmcli data`: the group, and functions that its commands share."""

import os
from pathlib import Path

import click

from mmcli.cli.example import example
from mmcli.cli.lazy import LazyGroup
from mmcli.errors import UsageError
from mmcli.ingest.places import place


class Place(click.Path):
    """A path; ~ and $HOME are expanded where no shell did it, as after NAME=."""

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Convert an argument to a path; a place that cannot be expanded is a usage error."""
        try:
            return place(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


FILE = Place()
SEED = click.IntRange(0, 2**32 - 1)
FILES = click.argument("files", nargs=-1, required=True, metavar="FILES...")
LABEL_BY = click.option(
    "--label-by",
    type=click.Choice(["folder", "name", "none"]),
    default="folder",
    show_default=True,
    help="Label by the sub-folder, or by what stands before the first - or _ of the file's name.",
)
STRICT = click.option("--strict", is_flag=True, help="Write nothing where a file cannot be used.")
HEADER = click.option(
    "--header/--no-header",
    default=None,
    help="Whether the first line of a text names its columns, where it may be an item as well.",
)
OUTPUT = click.option("-o", "--output", metavar="OUT.npz", required=True, type=FILE, help="Where the arrays go.")


@click.group(
    cls=LazyGroup,
    epilog=example("mmcli data images photos -o images.npz", "mmcli data show images.npz"),
    modules="mmcli.cli.data_",
    summaries={
        "counts": "Count the words of each text.",
        "fetch": "Download recordings and images, pair them, write training and held-out data; print where they are.",
        "hac": "Make HAC features, a row of counts, of each sound.",
        "images": "Make a row of pixels from 0 to 1 of each image.",
        "pair": "Pair the items of two FILES or more; each is in one pair at most.",
        "table": "Standardise the real columns of a table, and make its categories one-hot.",
        "show": "List the arrays of FILE: shapes, ranges, zeros, labels, and the role that each can have in a graph.",
    },
)
def data() -> None:
    """Make data files from sources on disk or on the web."""


def log(*lines: str) -> None:
    """Print lines on stderr."""
    for line in lines:
        click.echo(line, err=True)
