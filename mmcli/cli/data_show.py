"""`mmcli data show`."""

import json
from pathlib import Path
from typing import Any

import click

from mmcli.cli.data import FILE, HEADER
from mmcli.cli.example import example
from mmcli.cli.tables import aligned
from mmcli.ingest import contents as ingest
from mmcli.ingest.contents import Contents, Holding
from mmcli.ingest.sound_panels import SPEAKERS
from mmcli.util.text import counted, listed, shown


@click.command(epilog=example("mmcli data show pairs.npz --plot pairs.png"))
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--plot", metavar="OUT.png", type=FILE, help="Draw images of each label, or the mean row of each.")
@HEADER
def show(file: Path, as_json: bool, plot: Path | None, header: bool | None) -> None:
    """List the arrays of FILE: shapes, ranges, zeros, labels, and the role that each can have in a graph."""
    held = ingest.show(file, plot, header)
    if as_json:
        click.echo(json.dumps(held.record()))
        return
    click.echo(contents(held))
    for note in held.notes:
        click.echo(note, err=True)


def contents(contents: Contents) -> str:
    """The arrays of a data file, one a line, and the items of each label."""
    rows: list[tuple[str, ...]] = [("array", "shape", "type", "range", "zeros", "")]
    rows += [(shown(name, 60) or "(one)", *_held(holding)) for name, holding in contents.holdings.items()]
    lines = [aligned(rows)]
    for name, counts in contents.labels.items():
        noun = "speaker" if name.endswith(SPEAKERS) else "label"
        every = listed(f"{label} ({number})" for label, number in counts.items())
        lines.append(f"{shown(name, 60) or 'labels'}: {counted(len(counts), noun)} (and their items): {every}")
    return "\n\n".join(lines)


def _held(holding: Holding) -> tuple[str, ...]:
    shape = "" if holding.shape is None else " x ".join(map(str, holding.shape)) or "one"
    ends = [] if holding.low is None else dict.fromkeys(map(_end, (holding.low, holding.high)))
    span = " to ".join(ends)
    zeros = "" if holding.zeros is None else f"{holding.zeros:.1%}"
    return shape, holding.dtype, span, zeros, holding.meaning


def _end(value: Any) -> str:
    """An end of a range: a whole number with all its digits."""
    return str(int(value)) if isinstance(value, int) else f"{value:.6g}"
