"""`mmcli train`."""

import os
import sys
from pathlib import Path

import click

from mmcli.cli.data_root import data_root_option
from mmcli.cli.device import device_option
from mmcli.cli.example import example
from mmcli.cli.session import Session
from mmcli.cli.settings import settings_options
from mmcli.cli.signals import stop_requests
from mmcli.cli.together import distributed_options, is_spawned, meeting_of, watch_over
from mmcli.cli.trust_code import trust_code_option
from mmcli.errors import OutputError, UsageError


@click.command(
    epilog=example(
        "mmcli train configs/tiny.yaml",
        "mmcli train configs/tiny.yaml --seed 3 --set modules.vae.epochs=20 -o runs/short",
    )
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Run directory [next runs/CONFIG-sSEED-NNN]."
)
@settings_options
@click.option("--resume", is_flag=True, help="Resume the run at DIR, if there is one that has not finished.")
@device_option
@data_root_option
@trust_code_option
@click.option("--force", is_flag=True, help="Set aside a run that is at DIR already.")
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads to compute with [all cores].")
@distributed_options
@click.pass_obj
def train(
    session: Session,
    config: Path,
    output: Path | None,
    seed: int | None,
    rounds: int | None,
    overrides: tuple[str, ...],
    resume: bool,
    data_root: Path | None,
    trust_code: bool,
    force: bool,
    threads: int | None,
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    blocks: int | None,
) -> None:
    """Train the model in CONFIG and print the run directory."""
    for option, is_given in (("--force", force), ("--resume", resume)):
        if is_given and output is None:
            raise UsageError(f"{option} needs -o DIR: without it every run has a directory of its own")
    if force and resume:
        raise UsageError("--force and --resume are mutually exclusive; choose one")
    if data_root is not None and not resume:
        raise UsageError("--data-root needs --resume; a new run reads the files that its config names")
    meeting = meeting_of(distributed, coordinator, processes, process, blocks)
    if meeting is not None and not is_spawned():
        sys.exit(watch_over(sys.argv[1:], os.environ))
    from mmcli.workflows.check import check  # `train --help` does not wait for the config's libraries

    resumed = output if resume else None
    checked = check(
        config,
        overrides,
        seed=seed,
        rounds=rounds,
        resumed=resumed,
        data_root=data_root,
        trust_code=trust_code,
        hold=meeting is None,
    )
    session.report_ignored()
    from mmcli.cli.display import display  # nor an error of the config for what a run needs
    from mmcli.workflows import train as workflow

    with stop_requests() as stop, display() as watcher:
        if workflow.takes_part(checked, meeting, stop, threads):
            return
        run = workflow.train(
            checked, watcher, stop, output=output, force=force, resume=resume, threads=threads, trust_code=trust_code
        )
    try:
        click.echo(run)
    except OutputError as lost:
        raise OutputError(lost.error, f"the run is whole, in {run}") from None
