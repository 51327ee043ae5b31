"""`mmcli sweep`."""

from pathlib import Path

import click

from mmcli.cli.session import Session
from mmcli.cli.trust_code import trust_code_option
from mmcli.errors import UsageError


@click.command()
@click.argument("source", metavar="CONFIG|DIR", type=click.Path(path_type=Path))
@click.option("--seeds", metavar="RANGE", help="Seeds of every combination, 0-19 or 3,5,8 [the config's].")
@click.option(
    "--grid",
    metavar="KEY=V1,V2,...",
    multiple=True,
    help="Values of a key of the config: modules.gmm.num_classes=8,10; every combination is trained.",
)
@click.option(
    "--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Any value of the config, in every run of the sweep."
)
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Directory of the sweep [runs/CONFIG-sweep]."
)
@click.option("-j", "--jobs", type=click.IntRange(1, 4096), help="Runs at a time [cores / threads].")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, help="CPU threads of each run [1].")
@click.option("--fail-fast", is_flag=True, help="Stop all runs at the first that fails.")
@trust_code_option
@click.option("--status", is_flag=True, help="Print the results of the sweep in DIR so far; train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the results as CSV, a figure a line.")
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw the results over the first key of the grid, or over the rounds, to a .png or .svg.",
)
@click.pass_obj
def sweep(
    session: Session,
    source: Path,
    seeds: str | None,
    grid: tuple[str, ...],
    overrides: tuple[str, ...],
    output: Path | None,
    jobs: int | None,
    threads: int,
    fail_fast: bool,
    trust_code: bool,
    status: bool,
    as_json: bool,
    as_csv: bool,
    plot: Path | None,
) -> None:
    """Train CONFIG under many seeds and settings, and compare the runs.

    Configs are resolved and frozen first. The same command, or `mmcli sweep DIR`, trains what is not finished yet.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv: ask for one of them")
    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {plot}: draws .png and .svg; name a file that ends so")
    is_directory = source.is_dir()
    asked = {"--seeds": seeds, "--grid": grid, "--set": overrides, "-o": output, "--trust-code": trust_code}
    given = [option for option, value in asked.items() if value]
    if is_directory and given:
        raise UsageError(f"{given[0]}: {source} is a sweep with points of its own; leave it out, or name a config")
    if not is_directory and status:
        raise UsageError(f"--status: names the directory of a sweep, and {source} is none")
    if not is_directory and seeds is None and not grid:
        raise UsageError("a sweep needs --seeds or --grid; `mmcli train` trains one run")
    from mmcli.cli import sweep_steps as steps  # `sweep --help` does not wait for the config's libraries

    if is_directory:
        found = steps.open_sweep(source)
    else:
        found = steps.find_or_create(source, seeds, grid, overrides, output, trust_code=trust_code)
    if not status:
        session.report_ignored()
        steps.train_points(found, jobs, threads, fail_fast=fail_fast)
    steps.print_results(found, as_json=as_json, as_csv=as_csv, plot=plot)
