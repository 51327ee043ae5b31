"""The commands of `mmcli data`: arguments in, what was written out."""

import json
import os
from pathlib import Path

import click


class Place(click.Path):
    """A path; ~ and $HOME are expanded where no shell did it, as after NAME=."""

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from mmcli.errors import UsageError
        from mmcli.ingest.places import place

        try:
            return place(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


FILE = Place()
SEED = click.IntRange(0, 2**32 - 1)


@click.group()
def data() -> None:
    """Make data files of what there is on disk or on the web."""


@data.command()
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
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the pairing.")
@click.option("--mnist-dir", metavar="DIR", type=FILE, help="MNIST's four IDX files, on disk.")
@click.option("--arabic-dir", metavar="DIR", type=FILE, help="The two UCI text files or their zip, on disk.")
@click.option("--force", is_flag=True, help="Set aside what is at DIR already.")
def fetch(
    name: str, output: Path, recipe: str, seed: int, mnist_dir: Path | None, arabic_dir: Path | None, force: bool
) -> None:
    """Download recordings and images, pair them, write training and held-out data; print where they are.

    mnist-arabic: MNIST's images and Spoken Arabic Digit of UCI, as configs/mnist_arabic_uci.yaml trains on. Downloads
    are kept in $XDG_CACHE_HOME/mmcli (~/.cache/mmcli), and a broken one goes on where it was.
    """
    from mmcli.ingest.fetch import mnist_arabic

    makers = {"mnist-arabic": mnist_arabic.make}
    makers[name](output, recipe, seed, _tell, mnist_dir=mnist_dir, arabic_dir=arabic_dir, force=force)
    click.echo(output)


class Lags(click.ParamType[tuple[int, ...]]):
    """Frames, each once, with commas between."""

    name = "lags"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        lags = tuple(int(text) for text in value.split(",") if text.strip().isdecimal())
        if len(lags) != value.count(",") + 1 or len(set(lags)) < len(lags) or not all(1 <= lag <= 1000 for lag in lags):
            self.fail(f"{value!r} is not a list of different whole numbers from 1 to 1000, as 5,2 is", param, ctx)
        return lags


class Size(click.ParamType[tuple[int, int]]):
    """One number for a square, or WIDTHxHEIGHT."""

    name = "size"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
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


@data.command()
@FILES
@OUTPUT
@click.option(
    "--codebooks", metavar="EARLIER.npz", type=FILE, help="Make the columns, and use the settings, of this file."
)
@LABEL_BY
@click.option("--codes", type=click.IntRange(2, 1000), help="Codes a stream [20].")
@click.option("--lags", type=Lags(), help="Frames between the codes of a pair [5,2].")
@click.option(
    "--rate", metavar="HZ", type=click.IntRange(1000, 192_000), help="Rate that sounds are resampled to [11025]."
)
@click.option("--frame-length", type=click.IntRange(16, 16_384), help="Samples a frame [256].")
@click.option("--hop-length", type=click.IntRange(1, 16_384), help="Samples from a frame to the next [128].")
@click.option("--mel-bands", type=click.IntRange(2, 512), help="Mel bands [26].")
@click.option("--coefficients", type=click.IntRange(1, 512), help="MFCCs a frame [13].")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the codebooks.")
@STRICT
def hac(
    files: tuple[str, ...],
    output: Path,
    codebooks: Path | None,
    label_by: str,
    seed: int,
    strict: bool,
    **settings: int | tuple[int, ...] | None,
) -> None:
    """Make HAC features, a row of counts, of each sound.

    FILES are sounds of any rate and number of channels, folders of them, patterns, or lists: .csv files of lines
    path,label. Below a folder, a sub-folder is a label. OUT.npz holds speech, speech_paths, labels, label_names, and
    the codebooks that were fitted on these sounds; give it by --codebooks to make the same columns of others.
    """
    from mmcli.ingest.sounds import make_hac

    asked = {name: value for name, value in settings.items() if value is not None}
    _tell(*make_hac(files, output, asked, codebooks=codebooks, label_by=label_by, seed=seed, strict=strict))
    click.echo(output)


@data.command()
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
    is a label. Or FILES is one IDX file, plain or .gz. Images are turned as their EXIF says, of several the first is
    taken, and what is transparent becomes white. OUT.npz holds images, image_shape, image_paths, labels, label_names,
    and image_white where images are deeper than 8 bits.
    """
    from mmcli.ingest.images import make_images

    told = make_images(
        files, output, size=size, color=color, white=white, labels=labels, label_by=label_by, strict=strict
    )
    _tell(*told)
    click.echo(output)


@data.command()
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
    tells arrays of one name apart: it becomes NAME_ and the array's name.
    """
    from mmcli.ingest.pairing import make_pairs, outputs_of

    _tell(*make_pairs(files, output, by=by, held_out=held_out, seed=seed, header=header))
    for place in outputs_of(output, held_out):
        click.echo(place)


@data.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--plot", metavar="OUT.png", type=FILE, help="Draw images of each label, or the mean row of each.")
@HEADER
def show(file: Path, as_json: bool, plot: Path | None, header: bool | None) -> None:
    """List the arrays of FILE: shapes, ranges, zeros, labels, and what each would be to a graph."""
    from mmcli.cli import tables
    from mmcli.ingest import contents as showing

    contents = showing.show(file, plot, header)
    click.echo(json.dumps(contents.record()) if as_json else tables.contents(contents))


def _tell(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)
