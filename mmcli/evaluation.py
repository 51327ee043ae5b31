"""How good the classes of a run are, those it learned and those it finds in other data. Nothing formats for people."""

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmcli.errors import UsageError
from mmcli.store import RunDirectory
from mmcli.trained import TrainedRun, Watch, load_run
from mmcli.unseen import Request, choose
from mmcli.wording import shown

if TYPE_CHECKING:
    from mmcli.metrics import Metrics


class Evaluation(NamedTuple):
    """How well classes agree with labels.

    Attributes:
        metrics: of each module that names labels; empty where there are none.
        rematched: ACC of the same classes, matched to these labels anew; empty for what was learned.
        num_items: N.
        record: what the JSON file holds.
        written: where the classes are.
        unwritten: why nothing was written there, for a run that may only be read; None where all was.
    """

    metrics: "dict[str, Metrics]"
    rematched: dict[str, float]
    num_items: int
    record: dict[str, Any]
    written: Path
    unwritten: str | None = None


def evaluate(path: Path, data_root: Path | None = None) -> Evaluation:
    """Measure each module of a finished run that names labels; results go to the run directory too, if they may.

    Args:
        path: of the run.
        data_root: as for `load_run`.

    Raises:
        UsageError: no finished run at `path`, or none of its modules names labels.
        DataError: the data are not there, or not those the run learned from.
        DamagedRunError: files of the run are missing or unreadable.
    """
    run = load_run(path, data_root=data_root)
    measured = _measured(run)
    if not measured:
        raise UsageError(f"{path}: no module of this run names labels, so there is nothing to compare its classes with")
    datasets = run.load(choose(run.config, Request(), without=()))
    found = {name: run.directory.classes(run.graph.folder(name), datasets.num_items) for name in measured}

    from mmcli import metrics, plots

    measures = {name: metrics.evaluate(found[name], datasets.labels[labels]) for name, labels in measured.items()}
    record = {"modules": {name: measure.record() for name, measure in measures.items()}}
    unwritten = run.directory.why_read_only(map(run.graph.folder, measures))
    if unwritten is None:
        run.directory.write_evaluation(record, "learn")
        for name, measure in measures.items():
            run.directory.write_confusion(run.graph.folder(name), plots.confusion_png(name, measure), "learn")
    return Evaluation(measures, {}, datasets.num_items, record, path, unwritten)


def recognize(
    path: Path,
    request: Request,
    *,
    without: Collection[str],
    output: Path | None,
    data_root: Path | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Find the classes of other data with all parameters frozen, write them, and measure them where labels are there.

    Classes keep the names that training matched them to.

    Args:
        path: of a finished run.
        request: which data.
        without: senses to leave out.
        output: where files go; the run directory where it is None.
        data_root: as for `load_run`.
        watch: told how many items are done.

    Raises:
        UsageError: no finished run at `path`, or the data are not named rightly.
        DataError: the data do not fit the run.
        DamagedRunError: files of the run are missing or unreadable.
        SaveError: the files cannot be written.
    """
    run = load_run(path, data_root=data_root)
    datasets = run.load(choose(run.config, request, without=without))
    directory = run.directory if output is None else RunDirectory.beside(output)
    measured = {name: labels for name, labels in _measured(run).items() if labels in datasets.labels}
    unwritten = directory.why_read_only(map(run.graph.folder, run.graph.learners)) if output is None else None
    if unwritten is not None and not measured:
        raise UsageError(f"{shown(str(path))}: may only be read ({unwritten}); name a place to write to with -o")
    names = {name: run.names(name) for name in run.classifiers}
    classes: dict[str, list[np.ndarray]] = {name: [] for name in run.classifiers}
    with nullcontext(_drop) if unwritten is not None else directory.recognized(datasets.num_items) as append:
        for batch in run.recognize(datasets, watch=watch):
            for name, arrays in batch.items.items():
                found = dict(arrays)
                if name in names:
                    found["class"] = names[name][arrays["class"]]
                    classes[name].append(found["class"])
                append(run.graph.folder(name), found)

    from mmcli import metrics, plots

    measures, rematched = {}, {}
    for name, labels in measured.items():
        found_classes = np.concatenate(classes[name])
        measures[name] = metrics.evaluate_named(found_classes, datasets.labels[labels])
        rematched[name] = metrics.evaluate(found_classes, datasets.labels[labels]).acc
    record = {
        "items": datasets.num_items,
        "data": dict(datasets.digests),
        "known": {str(run.graph.nodes[name].config.data): int(rows.sum()) for name, rows in datasets.known.items()},
        "modules": {name: {**measure.record(), "acc_rematched": rematched[name]} for name, measure in measures.items()},
    }
    if unwritten is None:
        for name, measure in measures.items():
            folder = run.graph.folder(name)
            directory.write_arrays(folder, {"acc": np.array(measure.acc)}, "recog")
            directory.write_confusion(folder, plots.confusion_png(name, measure), "recog")
        directory.write_evaluation(record, "recog")
    return Evaluation(measures, rematched, datasets.num_items, record, directory.path, unwritten)


def _drop(_folder: str, _arrays: Mapping[str, np.ndarray]) -> None:
    """Take arrays for a run that may only be read."""


def _measured(run: TrainedRun) -> dict[str, str]:
    """The labels that each module names."""
    return {name: module.labels for name, module in run.config.modules.items() if module.labels is not None}
