"""`mmcli data images`."""

from pathlib import Path

import click

from mmcli.cli.data import FILE, FILES, LABEL_BY, OUTPUT, STRICT, log
from mmcli.cli.example import example
from mmcli.ingest.images import make_images


class Size(click.ParamType[tuple[int, int]]):
    """One number for a square, or WIDTHxHEIGHT."""

    name = "size"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Convert text such as 28 or 32x24 to (width, height) in pixels; anything else is a usage error."""
        if isinstance(value, tuple):
            return value
        numbers = [int(text) for text in value.lower().split("x") if text.isdecimal()]
        if (
            len(numbers) != value.lower().count("x") + 1
            or len(numbers) > 2
            or not all(1 <= n <= 10_000 for n in numbers)
        ):
            self.fail(f"{value!r} is not a size in pixels, as 28 or 32x24 is", param, ctx)
        return numbers[0], numbers[-1]


@click.command(epilog=example("mmcli data images photos -o images.npz --size 28"))
@FILES
@OUTPUT
@click.option("--size", type=Size(), help="Pixels, as 28 or 32x24, that images are resized to [as they are].")
@click.option("--color", is_flag=True, help="Keep colors, three columns a pixel, instead of gray.")
@click.option(
    "--white",
    metavar="VALUE",
    type=click.FloatRange(0, min_open=True, max=2**32),
    help="The value of the files that becomes 1 [255 of bytes; of deeper images what fits all].",
)
@click.option("--labels", metavar="FILE", type=FILE, help="The labels of an IDX file, IDX too.")
@LABEL_BY
@STRICT
def images(
    files: tuple[str, ...],
    output: Path,
    size: tuple[int, int] | None,
    color: bool,
    white: float | None,
    labels: Path | None,
    label_by: str,
    strict: bool,
) -> None:
    """Make a row of pixels from 0 to 1 of each image.

    FILES are images, folders of them, patterns, or lists: .csv files of lines path,label. Below a folder, a sub-folder
    is a label. Or FILES is one IDX file, plain or .gz. Images are rotated by their EXIF orientation, of several the
    first is taken, and transparent pixels become white. OUT.npz holds images, image_shape, image_paths, labels,
    label_names, and image_white where images are deeper than 8 bits.
    """
    lines = make_images(
        files, output, size=size, color=color, white=white, labels=labels, label_by=label_by, strict=strict
    )
    log(*lines)
    click.echo(output)
