"""`mmcli watch`."""

import time
from functools import partial
from pathlib import Path

import click

from mmcli.cli.display import display
from mmcli.cli.example import example
from mmcli.workflows import watch as workflow

SECONDS = 1.0  # between two looks at the files


@click.command(epilog=example("mmcli watch runs/tiny-s0-001"))
@click.argument("run_dir", type=click.Path(path_type=Path))
def watch(run_dir: Path) -> None:
    """Show the progress of a run that another process trains, until it ends.

    On a terminal the display of `mmcli train`, in which the bar of the running module is estimated by its time in the
    round before; a line per update anywhere else. Prints the status at the end. The exit code is 0 where the run
    finished, 2 where it failed, was stopped, or was killed.
    """
    with display(workflow.elapsed_seconds(run_dir)) as watcher:
        workflow.watch(run_dir, watcher, partial(time.sleep, SECONDS))
    click.echo("finished")
