"""`mmcli track`."""

import time
from functools import partial
from pathlib import Path

import click

from mmcli.cli.example import example
from mmcli.workflows import track as workflow
from mmcli.workflows.trackers import Tool

SECONDS = 2.0  # between two looks at the files


@click.command(
    epilog=example(
        "mmcli track runs/* --to tensorboard        # then: tensorboard --logdir tensorboard",
        "mmcli track runs/tiny-s0-001 --to mlflow -o http://localhost:5000 --follow",
        "mmcli track runs/* --to wandb              # then: wandb sync wandb/offline-run-*",
    )
)
@click.argument("run_dirs", metavar="RUN_DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--to", "tool", type=click.Choice(["tensorboard", "mlflow", "wandb"]), required=True, help="The tracker.")
@click.option(
    "-o",
    "--output",
    metavar="PLACE",
    help="Folder of TensorBoard [tensorboard]; of MLflow a tracking URI, or the file of a database of SQLite "
    "[MLFLOW_TRACKING_URI, else mlflow.db]; of W&B the folder that gets its folder wandb [.].",
)
@click.option("--follow", is_flag=True, help="Go on until the runs have finished.")
def track(run_dirs: tuple[Path, ...], tool: Tool, output: str | None, follow: bool) -> None:
    """Write measures and settings of runs to TensorBoard, MLflow or W&B (offline).

    Of each module and round ACC, ARI, NMI, objective and seconds, by the files of RUN_DIR; every setting, and as tags
    git commit, versions, seed, device and host. The id of the record is kept in RUN_DIR: the same command later, or
    after the run was resumed, adds what is new and nothing twice. Prints folder or id of each record.
    """
    with workflow.tracked(run_dirs, tool, output) as runs:
        for run in runs:
            run.update()
            click.echo(run.record.shown)
        if follow:
            workflow.follow(runs, partial(time.sleep, SECONDS))
