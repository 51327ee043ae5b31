"""`mmcli data hac`."""

from pathlib import Path

import click

from mmcli.cli.data import FILE, FILES, LABEL_BY, OUTPUT, SEED, STRICT, log
from mmcli.cli.example import example
from mmcli.ingest.hac_settings import NORMALIZATIONS
from mmcli.ingest.sounds import make_hac


class Lags(click.ParamType[tuple[int, ...]]):
    """Frames, each once, with commas between."""

    name = "lags"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Convert text such as 5,2 to lags in frames; anything else is a usage error."""
        if isinstance(value, tuple):
            return value
        lags = tuple(int(text) for text in value.split(",") if text.strip().isdecimal())
        if len(lags) != value.count(",") + 1 or len(set(lags)) < len(lags) or not all(1 <= lag <= 1000 for lag in lags):
            self.fail(f"{value!r} is not a list of different whole numbers from 1 to 1000, as 5,2 is", param, ctx)
        return lags


@click.command(epilog=example("mmcli data hac recordings -o speech.npz"))
@FILES
@OUTPUT
@click.option(
    "--codebooks", metavar="EARLIER.npz", type=FILE, help="Make the columns, and use the settings, of this file."
)
@LABEL_BY
@click.option(
    "--speaker-by",
    type=click.Choice(["folder", "name", "none"]),
    default="none",
    show_default=True,
    help="Speaker by the folder that holds the file, or by what stands after the first - or _ of its name.",
)
@click.option("--codes", type=click.IntRange(2, 1000), help="Codes a stream [20].")
@click.option("--lags", type=Lags(), help="Frames between the codes of a pair [5,2].")
@click.option(
    "--rate", metavar="HZ", type=click.IntRange(1000, 192_000), help="Rate that sounds are resampled to [11025]."
)
@click.option("--frame-length", type=click.IntRange(16, 16_384), help="Samples a frame [256].")
@click.option("--hop-length", type=click.IntRange(1, 16_384), help="Samples from a frame to the next [128].")
@click.option("--mel-bands", type=click.IntRange(2, 512), help="Mel bands [26].")
@click.option("--coefficients", type=click.IntRange(1, 512), help="MFCCs a frame [13].")
@click.option(
    "--normalize",
    type=click.Choice(NORMALIZATIONS),
    help="Centre and scale each MFCC over the frames of its recording, of all recordings of its speaker, or not "
    "[recording].",
)
@click.option(
    "--trim",
    metavar="DB",
    type=click.IntRange(0, 120),
    help="Cut the ends of a recording that are this far below its loudest frame; 30 is usual [0: nothing].",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the codebooks.")
@STRICT
def hac(
    files: tuple[str, ...],
    output: Path,
    codebooks: Path | None,
    label_by: str,
    speaker_by: str,
    seed: int,
    strict: bool,
    **settings: int | str | tuple[int, ...] | None,
) -> None:
    """Make HAC features, a row of counts, of each sound.

    FILES are sounds of any rate and number of channels, folders of them, patterns, or lists: .csv files of lines
    path,label or path,label,speaker. Below a folder, a sub-folder is a label. OUT.npz holds speech, speech_paths,
    lengths and loudness, speakers, labels, label_names, and the codebooks that were fitted on these sounds; give it by
    --codebooks to make the same columns of others.
    """
    asked = {name: value for name, value in settings.items() if value is not None}
    lines = make_hac(
        files,
        output,
        asked,
        codebooks=codebooks,
        label_by=label_by,
        speaker_by=speaker_by,
        seed=seed,
        strict=strict,
    )
    log(*lines)
    click.echo(output)
