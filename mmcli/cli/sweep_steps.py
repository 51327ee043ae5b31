"""Steps of `mmcli sweep`: its directory, its jobs, its results."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from mmcli.cli.signals import stop_requests
from mmcli.cli.sweep_display import sweep_display
from mmcli.cli.sweep_tables import sweep_csv, sweep_table
from mmcli.errors import FailedPointsError, StoppedError
from mmcli.launch.dask import run_on_cluster
from mmcli.launch.grid import parse_axes, parse_seeds, resolve
from mmcli.launch.local import run_here
from mmcli.launch.slurm import write_script
from mmcli.launch.sweep import LOGS, Sweep, is_sweep
from mmcli.util.text import counted, listed
from mmcli.workflows import memory, process
from mmcli.workflows.check import check_data
from mmcli.workflows.sweep import summarise

__all__ = ["find_or_create", "open_sweep", "print_results", "train_points", "write_script"]

RUNS = Path("runs")  # folder of sweeps without an output of their own


def open_sweep(path: Path) -> Sweep:
    """Open the sweep in a directory.

    Raises:
        UsageError: there is none.
        DamagedRunError: it is damaged.
    """
    return Sweep.open(path)


def find_or_create(
    config: Path,
    seeds: str | None,
    grid: Sequence[str],
    overrides: Sequence[str],
    output: Path | None,
    *,
    trust_code: bool,
) -> Sweep:
    """Open the sweep that a command line asks for, or make it once config and data have passed every check.

    Raises:
        ConfigError, DataError: of config, grid or data.
        UsageError: the directory is something else, or a sweep of other points.
        DamagedRunError: it is damaged.
    """
    axes = parse_axes(grid)
    points = resolve(str(config), axes, None if seeds is None else parse_seeds(seeds), overrides, trust_code=trust_code)
    path = output or RUNS / f"{config.stem}-sweep"
    if is_sweep(path):
        sweep = Sweep.open(path)
        sweep.refuse_other(points)
        return sweep
    # The data of the first point: those of others are checked by their own processes.
    checked = check_data(points[0].config, points[0].graph)
    _, num_bytes = memory.needed(checked.graph, checked.datasets)
    asked = {"config": str(config.absolute()), "seeds": seeds, "grid": {axis.key: axis.values for axis in axes}}
    return Sweep.create(path, points, checked.datasets.digests, num_bytes, asked, trust_code=trust_code)


def train_points(sweep: Sweep, slots: int | None, threads: int, scheduler: str | None, *, fail_fast: bool) -> None:
    """Train the points that are not finished, in processes of this machine or of a cluster's workers.

    Raises:
        UsageError: another process works on the sweep; the scheduler does not answer.
        StoppedError: a signal; the runs are saved.
    """
    here = slots or int(min(max(1, process.num_cores() // threads), memory.num_that_fit(sweep.memory)))
    if scheduler is None:
        memory.refuse_too_many(f"-j {here}", here, sweep.memory)
    with sweep.lock() as is_locked, stop_requests() as stop:
        click.echo(f"sweep {sweep.path}", err=True)
        if not is_locked:
            click.echo("this file system has no locks: see that no other process works on this sweep", err=True)
        waiting = [point for point in sweep.points if sweep.state(point).status != "finished"]
        num_done = len(sweep.points) - len(waiting)
        jobs = [sweep.job(point, threads) for point in waiting]
        with sweep_display(sweep, num_done) as watcher:
            if scheduler is None:
                outcomes = run_here(jobs, here, watcher, stop, fail_fast=fail_fast)
            else:
                outcomes = run_on_cluster(scheduler, sweep.path, jobs, slots, watcher, stop, fail_fast=fail_fast)
        number = stop()
        num_done += sum(outcome.code == 0 for outcome in outcomes)
        if number is not None and num_done < len(sweep.points):
            raise StoppedError(
                f"stopped by {signal.Signals(number).name}; {num_done} of {counted(len(sweep.points), 'point')} "
                f"finished, runs under way are saved; continue with: mmcli sweep {sweep.path}",
                number,
            )


def print_results(sweep: Sweep, *, as_json: bool, as_csv: bool, plot: Path | None) -> None:
    """Print the results of a sweep so far.

    Raises:
        FailedPointsError: points failed; the results are printed all the same.
        UsageError: the plot cannot be drawn.
    """
    summary = summarise(sweep)
    if as_json:
        click.echo(json.dumps({"sweep": str(sweep.path), **summary.record()}))
    else:
        click.echo(sweep_csv(summary) if as_csv else sweep_table(summary))
    if plot is not None and (summary.finished or not summary.failed):  # failures are the error, not an empty plot
        from mmcli.workflows.sweep_plot import draw_sweep  # imports matplotlib

        draw_sweep(summary, plot)
    if summary.failed:
        names = listed(result.point.name for result in summary.failed)
        raise FailedPointsError(
            f"{len(summary.failed)} of {counted(len(sweep.points), 'point')} failed: {names}; "
            f"logs are in {sweep.path / LOGS}, and `mmcli sweep {sweep.path}` tries them again"
        )
