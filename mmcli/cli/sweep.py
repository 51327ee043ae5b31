"""`mmcli sweep`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mmcli.cli.example import example
from mmcli.cli.session import Session
from mmcli.cli.trust_code import trust_code_option
from mmcli.errors import UsageError


@click.command(
    epilog=example(
        "mmcli sweep configs/tiny.yaml --seeds 0-4 --grid modules.gmm.num_classes=8,10",
        "mmcli sweep runs/tiny-sweep --status",
    )
)
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
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 4096),
    help="Runs at a time [as many as there are cores and memory for; on a cluster, its threads].",
)
@click.option("--threads", type=click.IntRange(1, 1024), default=1, help="CPU threads of each run [1].")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run on the workers of this Dask scheduler, tcp://host:8786, which share the folder.",
)
@click.option("--emit", type=click.Choice(["slurm"]), help="Write a script for this batch system; train nothing.")
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
    scheduler: str | None,
    emit: str | None,
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
    modes = {"--status": status, "--emit": emit, "--scheduler": scheduler}
    outputs = {"--json": as_json, "--csv": as_csv, "--plot": plot}
    points = {"--seeds": seeds, "--grid": grid, "--set": overrides, "-o": output, "--trust-code": trust_code}
    _refuse_together(modes, {option: outputs[option] for option in ("--json", "--csv")})
    if emit and (given := _given(outputs | {"--fail-fast": fail_fast})):
        raise UsageError(f"{given[0]}: --emit trains nothing; leave it out")
    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {plot}: draws .png and .svg; name a file that ends so")
    _refuse_source(source, _given(points), status=status, has_points=bool(seeds is not None or grid))
    from mmcli.cli import sweep_steps as steps  # `sweep --help` does not wait for the config's libraries

    if source.is_dir():
        found = steps.open_sweep(source)
    else:
        found = steps.find_or_create(source, seeds, grid, overrides, output, trust_code=trust_code)
    if emit:
        click.echo(steps.write_script(found, jobs, threads))
        return
    if not status:
        session.report_ignored()
        steps.train_points(found, jobs, threads, scheduler, fail_fast=fail_fast)
    steps.print_results(found, as_json=as_json, as_csv=as_csv, plot=plot)


def _given(options: Mapping[str, object]) -> list[str]:
    """Names of the options that were given."""
    return [option for option, value in options.items() if value]


def _refuse_together(*exclusive: Mapping[str, object]) -> None:
    """Raise UsageError where two options of a group were given."""
    for options in exclusive:
        if len(given := _given(options)) > 1:
            raise UsageError(f"{given[0]} and {given[1]} are mutually exclusive; choose one")


def _refuse_source(source: Path, given: Sequence[str], *, status: bool, has_points: bool) -> None:
    """Raise UsageError where the options do not go with a directory, or with a config."""
    if source.is_dir():
        if given:
            raise UsageError(f"{given[0]}: {source} is a sweep with points of its own; leave it out, or name a config")
    elif status:
        raise UsageError(f"--status: names the directory of a sweep, and {source} is none")
    elif not has_points:
        raise UsageError("a sweep needs --seeds or --grid; `mmcli train` trains one run")
