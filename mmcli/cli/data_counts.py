"""`mmcli data counts`."""

from pathlib import Path

import click

from mmcli.cli.data import FILE, FILES, LABEL_BY, OUTPUT, STRICT, log
from mmcli.cli.example import example
from mmcli.ingest.texts import make_counts


@click.command(epilog=example("mmcli data counts texts -o words.npz"))
@FILES
@OUTPUT
@click.option("--vocabulary", metavar="EARLIER.npz", type=FILE, help="Count the words of this file, in its columns.")
@LABEL_BY
@click.option("--min-texts", type=click.IntRange(1), help="Leave out words that fewer texts hold [2].")
@click.option(
    "--max-share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Leave out words that a larger share of the texts holds [0.5].",
)
@click.option("--max-words", type=click.IntRange(1), help="Keep no more than this many, the most frequent [all].")
@click.option("--stop-words", type=click.Choice(["english"]), help="Leave out scikit-learn's list of frequent words.")
@STRICT
def counts(
    files: tuple[str, ...],
    output: Path,
    vocabulary: Path | None,
    label_by: str,
    strict: bool,
    **choice: int | float | str | None,
) -> None:
    """Count the words of each text.

    FILES are texts of UTF-8, folders of them, patterns, or lists: .csv files of lines path,label. Below a folder, a
    sub-folder is a label. OUT.npz is a sparse matrix, as of scipy.sparse.save_npz, with vocabulary, text_paths, labels
    and label_names beside it; give it by --vocabulary to make the same columns of other texts.
    """
    asked = {name: value for name, value in choice.items() if value is not None}
    log(*make_counts(files, output, asked, vocabulary=vocabulary, label_by=label_by, strict=strict))
    click.echo(output)
