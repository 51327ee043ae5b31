"""`mmcli compare`."""

import csv
import io
import json
from pathlib import Path

import click

from mmcli.cli.example import example
from mmcli.cli.long_csv import LongRow, long_csv
from mmcli.cli.tables import aligned, stacked
from mmcli.cli.trust_code import trust_code_option
from mmcli.errors import UsageError
from mmcli.util.text import listed, shown
from mmcli.workflows.compare import Comparison, compare_runs
from mmcli.workflows.run_choice import Choice, choose_runs
from mmcli.workflows.run_text import figure_text, latest_text, measure_text, setting_text, status_text


@click.command(
    epilog=example(
        "mmcli compare runs/* --plot acc.png",
        "mmcli compare --align runs/* --plot classes.png",
        "mmcli compare runs/* --plot score.png --score",
        "mmcli compare runs/* --where status=finished --group modules.gmm.num_classes --sort mlda.acc",
    )
)
@click.argument("run_dirs", metavar="RUN_DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a run a line.")
@click.option("--long", "as_long", is_flag=True, help="With --csv: a figure a line.")
@click.option(
    "--where",
    metavar="KEY=V1,V2,...",
    multiple=True,
    help="Only runs with one of these values: modules.gmm.num_classes=8,10, or status=finished.",
)
@click.option("--sort", metavar="KEY", help="Order by a key, seconds, status, run, or a figure: mlda.acc.")
@click.option("--reverse", is_flag=True, help="With --sort: the largest first.")
@click.option(
    "--group",
    metavar="KEY",
    multiple=True,
    help="Sum up finished runs that share the value of KEY, whatever else differs; several KEYs by several --group.",
)
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw ACC over the rounds, or the alignment, to a .png or .svg.",
)
@click.option(
    "--align", is_flag=True, help="Match the classes of runs of the same items to each other, without labels."
)
@click.option("--score", is_flag=True, help="With --plot: draw what modules share over the number of classes used.")
@trust_code_option
def compare(
    run_dirs: tuple[Path, ...],
    as_json: bool,
    as_csv: bool,
    as_long: bool,
    where: tuple[str, ...],
    sort: str | None,
    reverse: bool,
    group: tuple[str, ...],
    plot: Path | None,
    align: bool,
    score: bool,
    trust_code: bool,
) -> None:
    """Put runs side by side.

    A run a line: the settings that differ, ACC, ARI, NMI, the same by a module's own inputs alone where it has
    children ("own"), the classes with an item where runs differ in them or look for their number, seconds of
    learning, status. Finished runs that differ in
    nothing but the seed are summed up by mean, minimum, maximum and standard deviation.

    With --align: for each module the agreement (ARI) of each pair of finished runs, and of each class its stability,
    the share of its items that another run puts in the matching class (mean over the runs, lowest, and in all runs at
    once). Classes are matched to those of the run that agrees best with all; no label takes part.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv: ask for one of them")
    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {plot}: draws .png and .svg; name a file that ends so")
    if trust_code and not align:
        raise UsageError("--trust-code needs --align; without it no type of module is imported")
    for option, is_given, needed, is_there in (
        ("--long", as_long, "--csv", as_csv),
        ("--reverse", reverse, "--sort KEY", sort is not None),
        ("--score", score, "--plot FILE, without --align", plot is not None and not align),
    ):
        if is_given and not is_there:
            raise UsageError(f"{option} needs {needed}")
    compared = choose_runs(compare_runs(run_dirs), Choice(where, sort, reverse, group))
    if compared.left_out:
        click.echo(f"left out, no run directories: {listed(map(str, compared.left_out))}", err=True)
    if align:
        from mmcli.cli.alignment import alignment  # imports scipy, scikit-learn and matplotlib

        click.echo(alignment(compared.runs, plot, as_json=as_json, as_csv=as_csv, trust_code=trust_code))
        return
    if plot is not None:
        from mmcli.workflows import courses, score_plot  # imports matplotlib

        (score_plot.draw_scores if score else courses.draw_courses)(compared, plot)
    if as_json:
        click.echo(json.dumps(compared.record()))
    else:
        as_text = (comparison_long_csv if as_long else comparison_csv) if as_csv else comparison
        click.echo(as_text(compared))


def comparison(comparison: Comparison) -> str:
    """A run a line: the settings that differ, the latest measures, seconds, status; then the spread over seeds."""
    columns = comparison.columns()
    measures = [
        (shown(module) if place == 0 else "", measure_text(measure))
        for module, names in comparison.modules.items()
        for place, measure in enumerate(names)
    ]
    rows = stacked([("run",), *(tuple(map(shown, alike)) for alike in columns), *measures, ("seconds",), ("status",)])
    for run in comparison.runs:
        settings = [setting_text(run.settings.get(alike[0])) for alike in columns]
        latest = [
            latest_text(measure, value)
            for module, names in comparison.modules.items()
            for measure, value in run.latest(module, names).items()
        ]
        rows.append([shown(str(run.path)), *settings, *latest, f"{run.seconds:7.1f}", status_text(run)])
    return aligned(rows) + (f"\n\n{_spreads(comparison)}" if comparison.groups else "")


def comparison_csv(comparison: Comparison) -> str:
    """The runs of a comparison as CSV, in full precision; a cell is empty where a run has no value."""
    record = comparison.record()["runs"]
    measures = [f"{shown(module)}.{measure}" for module, latest in record[0]["modules"].items() for measure in latest]
    ends = ("seconds", "status", "last_round", "error")
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["run", *map(shown, comparison.settings), *measures, *ends])
    for run in record:
        settings = map(setting_text, run["settings"].values())
        latest = [value for measures in run["modules"].values() for value in measures.values()]
        outcome = [shown(value) if isinstance(value, str) else value for value in map(run.get, ends)]
        writer.writerow([shown(run["run"]), *settings, *latest, *outcome])
    return lines.getvalue().rstrip("\n")


def comparison_long_csv(comparison: Comparison) -> str:
    """The runs of a comparison as CSV, a figure a line."""
    rows = []
    for run in comparison.runs:
        head = [shown(str(run.path)), *(setting_text(run.settings.get(key)) for key in comparison.settings)]
        rows.append(LongRow(head, run.status, run.error, run.history, run.seconds))
    return long_csv(["run", *comparison.settings], rows)


def _spreads(comparison: Comparison) -> str:
    """Variation of each figure over finished runs that differ in the seed only; a figure a line."""
    columns = comparison.group_columns()
    rows = stacked(
        [
            *(tuple(map(shown, alike)) for alike in columns),
            *((name,) for name in ("runs", "seeds", "", "mean", "minimum", "maximum", "deviation")),
        ]
    )
    for group in comparison.groups:
        seeds = {run.seed for run in group.runs}
        settings = [setting_text(group.runs[0].settings.get(alike[0])) for alike in columns]
        head = [*settings, str(len(group.runs)), str(len(seeds))]
        for module, spreads in group.modules.items():
            for measure, spread in spreads.items():
                rows.append([*head, f"{shown(module)} {measure_text(measure)}", *map(figure_text, spread)])
                head = [""] * len(head)
        rows.append([*head, "seconds", *("" if value is None else f"{value:.1f}" for value in group.seconds)])
    return aligned(rows)
