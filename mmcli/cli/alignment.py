"""`mmcli compare --align`: table, CSV and JSON of runs whose classes are matched to each other."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

import click

from mmcli.cli.tables import aligned as in_columns
from mmcli.runs.alignment import Alignment
from mmcli.util.text import listed, shown
from mmcli.workflows.align import Aligned, align_runs, draw_alignment
from mmcli.workflows.compare import Run

MAX_RUNS = 10  # whose pairs and matching classes have a column each

_LONG = ("module", "measure", "run", "other", "class", "other_class", "items", "value")


def alignment(runs: Iterable[Run], plot: Path | None, *, as_json: bool, as_csv: bool, trust_code: bool) -> str:
    """Text of the alignment of the finished ones of some runs, drawn to `plot` too; those left out go to stderr."""
    aligned = align_runs(runs, trust_code=trust_code)
    if aligned.unfinished:
        click.echo(f"left out, not finished: {listed(map(str, aligned.unfinished))}", err=True)
    if plot is not None:
        draw_alignment(aligned, plot)
    if as_json:
        return json.dumps(aligned.record())
    return alignment_csv(aligned) if as_csv else alignment_table(aligned)


def alignment_table(aligned: Aligned) -> str:
    """Agreement of the runs, then the stability of each class, a module after the other."""
    return "\n\n".join(_module_table(aligned, name, found) for name, found in aligned.modules.items())


def alignment_csv(aligned: Aligned) -> str:
    """The same in long form, a figure a line, in full precision.

    `ari` is of a pair of runs; `match` the share of the items of a class of the reference `run` that `other` puts in
    its matching class; `stability`, `lowest` and `unanimous` are of a class.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_LONG)
    names = [shown(str(path)) for path in aligned.runs]
    for module, found in aligned.modules.items():
        head, reference = shown(module), names[found.reference]
        for row, first in enumerate(names):
            pairs = enumerate(names[:row])
            writer.writerows((head, "ari", other, first, "", "", "", found.ari[row, place]) for place, other in pairs)
        of_classes = list(zip(found.classes.tolist(), found.items.tolist(), strict=True))
        for place, (number, items) in enumerate(of_classes):
            for run in found.others:
                matching = found.matches[run][place]
                share = found.shares[run, place]
                writer.writerow((head, "match", reference, names[run], number, matching, items, share))
            for measure in ("stability", "lowest", "unanimous"):
                value = getattr(found, measure)[place]
                writer.writerow((head, measure, reference, "", number, "", items, value))
    return lines.getvalue().rstrip("\n")


def _module_table(aligned: Aligned, name: str, found: Alignment) -> str:
    runs = range(len(aligned.runs))
    shown_runs = list(runs) if len(aligned.runs) <= MAX_RUNS else []
    numbers = [str(run + 1) for run in shown_runs]
    agreement = [["", "run", "mean ARI", "lowest", *numbers]]
    for run in runs:
        others = [found.ari[run, other] for other in runs if other != run]
        pairs = ["" if other == run else f"{found.ari[run, other]:.4f}" for other in shown_runs]
        mark = f"{run + 1}{'*' * (run == found.reference)}"
        agreement.append(
            [mark, shown(str(aligned.runs[run])), f"{found.agreement(run):.4f}", f"{min(others):.4f}", *pairs]
        )
    classes = [["class", "items", "stability", "lowest", "unanimous", *(f"in {number}" for number in numbers)]]
    for place, number in enumerate(found.classes.tolist()):
        shares = [f"{values[place]:.4f}" for values in (found.stability, found.lowest, found.unanimous)]
        matching = [found.matches[run][place] for run in shown_runs]
        cells = ["-" if other is None else str(other) for other in matching]
        classes.append([str(number), str(found.items[place]), *shares, *cells])
    heading = f"{shown(name)}: {len(aligned.runs)} runs of {aligned.num_items} items, * the reference of the classes"
    return "\n".join([heading, in_columns(agreement), "", in_columns(classes)])
