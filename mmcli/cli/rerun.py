"""`mmcli rerun`."""

import json
from pathlib import Path

import click

from mmcli.cli.data_root import data_root_option
from mmcli.cli.display import display
from mmcli.cli.example import example
from mmcli.cli.session import Session
from mmcli.cli.signals import stop_requests
from mmcli.cli.tables import aligned
from mmcli.cli.trust_code import trust_code_option
from mmcli.errors import OtherResultsError
from mmcli.runs.reader import RunFiles
from mmcli.util.text import counted, listed, shown
from mmcli.workflows import rerun as workflow
from mmcli.workflows.rerun import Repetition
from mmcli.workflows.train import train


@click.command(epilog=example("mmcli rerun runs/tiny-s0-001"))
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Run directory [next runs/NAME-rerun-NNN]."
)
@data_root_option
@trust_code_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def rerun(
    session: Session, run_dir: Path, output: Path | None, data_root: Path | None, trust_code: bool, as_json: bool
) -> None:
    """Train a finished run again, and compare the bytes of its results.

    Config, seed and number of threads are those of RUN_DIR, and so are the data, by their SHA-256. Prints the new run
    directory on the last line. The exit code is 7 where a result file has other bytes.
    """
    repeatable = workflow.prepare(run_dir, output, data_root, trust_code=trust_code)
    session.report_ignored()
    with stop_requests() as stop, display() as watcher:
        new = train(repeatable.experiment, watcher, stop, output=repeatable.output, threads=repeatable.threads)
    repetition = workflow.compare_results(repeatable.run, RunFiles.open(new))
    click.echo(json.dumps(repetition._asdict()) if as_json else repetition_text(repetition))
    if repetition.other:
        of_all = f"{len(repetition.other)} of {counted(repetition.results, 'result file')}"
        raise OtherResultsError(f"{new}: {of_all} differ from those of {run_dir}")


def repetition_text(repetition: Repetition) -> str:
    """Whether the bytes are the same, what differs, and the path of the new run on the last line."""
    files = counted(repetition.results, "result file")
    if repetition.other:
        num_same = repetition.results - len(repetition.other)
        parts = [f"{num_same} of {files} have the same bytes as in {shown(repetition.run)}"]
        parts.append(f"other bytes: {listed(repetition.other)}")
    else:
        parts = [f"{files}, all with the same bytes as in {shown(repetition.run)}"]
    figures = [
        (f"{module} {name}", *(None if value is None else f"{value:.6g}" for value in values))
        for module, by_name in repetition.figures.items()
        for name, values in by_name.items()
    ]
    rows = [(name, *texts) for name, texts in repetition.changes.items()]
    if repetition.other and not rows:
        parts.append("versions, device, threads and host are the same")
    cells = [[shown("none" if cell is None else cell, 60) for cell in row] for row in (*figures, *rows)]
    if cells:
        parts.append(aligned([["", "before", "now"], *cells]))
    return "\n".join([*parts, repetition.rerun])
