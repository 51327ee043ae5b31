"""`mmcli evaluate`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmcli.cli.data_root import data_root_option
from mmcli.cli.device import device_option
from mmcli.cli.example import example
from mmcli.cli.options import data_options
from mmcli.cli.session import Session
from mmcli.cli.trust_code import trust_code_option
from mmcli.data.selection import Request
from mmcli.errors import UsageError
from mmcli.util.asked_device import asked_device
from mmcli.util.progress import following
from mmcli.util.text import listed, shown

if TYPE_CHECKING:
    from mmcli.runs.metrics import Metrics
    from mmcli.workflows.evaluate import Evaluation

MAX_NAME = 24  # characters of a label in a table


@click.command(
    epilog=example("mmcli evaluate runs/tiny-s0-001", "mmcli evaluate runs/tiny-s0-001 --test --without speech")
)
@click.argument("run_dir", type=click.Path(path_type=Path))
@data_options
@click.option("--without", metavar="NAME", multiple=True, help="Hide a sense, by its name in the config's data.")
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Where *_recog files go [RUN_DIR]."
)
@device_option
@data_root_option
@trust_code_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def evaluate(
    session: Session,
    run_dir: Path,
    request: Request,
    without: tuple[str, ...],
    output: Path | None,
    data_root: Path | None,
    trust_code: bool,
    as_json: bool,
) -> None:
    """Find classes, and compare them with labels.

    Of what the run learned: writes evaluation.json to RUN_DIR, and confusion.png to the folder of each module that
    names labels. Of the data that --data, --test, --known, --missing or --without name: finds classes with all
    parameters frozen, writes them to *_recog files, and compares them where there are labels. Classes keep the names
    that training gave them, and labels are compared by name; ACC with the classes matched anew stands beside. The
    line "own" has the measures of a module by its own inputs alone, without what its children sent.
    """
    from mmcli.workflows import evaluate as workflow  # imports scikit-learn and matplotlib

    if without or request != Request():
        session.report_ignored()
        with following("finding classes") as watch:
            found = workflow.predict(
                run_dir,
                request,
                without=without,
                output=output,
                data_root=data_root,
                trust_code=trust_code,
                notify=session.note,
                watch=watch,
            )
    elif output is not None:
        raise UsageError(
            "-o needs other data: --data, --test or --without; classes of the training data are in RUN_DIR"
        )
    elif asked_device.get() is not None:
        raise UsageError(
            "--device needs other data: --data, --test or --without; nothing is computed of what was learned"
        )
    else:
        found = workflow.evaluate(run_dir, data_root, trust_code=trust_code, notify=session.note)
    if found.unwritten is not None:
        click.echo(f"{found.written}: may only be read ({found.unwritten}): results are printed, not written", err=True)
    click.echo(json.dumps(found.record) if as_json else evaluation(found))


def evaluation(evaluation: "Evaluation") -> str:
    """Metrics and confusion table of each module."""
    if not evaluation.metrics:
        return f"{evaluation.num_items} items, no labels to compare with; predictions are in {evaluation.written}"
    return "\n\n".join(
        "\n".join(
            [
                _summary(name, metrics, evaluation.rematched.get(name)),
                *_own(name, evaluation.own.get(name, {})),
                *_remarks(evaluation, name),
                _confusion(metrics),
            ]
        )
        for name, metrics in evaluation.metrics.items()
    )


def _remarks(evaluation: "Evaluation", name: str) -> Iterator[str]:
    """Remarks on the labels of a module that qualify its measures."""
    if number := evaluation.num_classes.get(name):
        yield f"{number} classes, as found in training"
    if missing := evaluation.metrics[name].num_unlabelled:
        yield f"{missing} of {evaluation.num_items} items without a label, left out"
    if unknown := evaluation.unknown.get(name):
        every = listed(f"{text} ({items})" for text, items in unknown.items())
        yield f"labels that the run did not learn with (and their items, none of them right): {every}"
    if absent := evaluation.absent.get(name):
        yield f"labels of the run that no item has: {listed(absent)}"


def _summary(name: str, metrics: "Metrics", rematched: float | None) -> str:
    anew = "" if rematched is None else f" ({rematched:.3f} with classes matched anew)"
    return f"{name}  ACC {metrics.acc:.3f}{anew}  ARI {metrics.ari:.3f}  NMI {metrics.nmi:.3f}"


def _own(name: str, measures: Mapping[str, float | None]) -> Iterator[str]:
    """Line of the measures by a module's own inputs alone; none where they are unknown, or it has no child."""
    known = {measure.removeprefix("own_"): value for measure, value in measures.items() if value is not None}
    if known:
        yield f"{'own':>{len(name)}}  " + "  ".join(
            f"{measure.upper()} {value:.3f}" for measure, value in known.items()
        )


def _confusion(metrics: "Metrics") -> str:
    """Items of each class (row) and label (column); a dot is none."""
    cells = [[str(number) if number else "." for number in row] for row in metrics.confusion.tolist()]
    rows = [[shown(label, MAX_NAME) for label in metrics.label_names], *cells]
    names = ["class \\ label", *(shown(matched, MAX_NAME) for matched in metrics.class_names)]
    width, margin = max(len(cell) for row in rows for cell in row), max(map(len, names))
    return "\n".join(
        f"{name:>{margin}}  {' '.join(cell.rjust(width) for cell in row)}"
        for name, row in zip(names, rows, strict=True)
    )
