"""Agreement with labels of a run's classes, those learned and those predicted for other data, as numbers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mmcli.config.graph import Graph
from mmcli.config.problems import located
from mmcli.data.labels import Labels, translated
from mmcli.data.selection import Request, Sources, choose
from mmcli.errors import DataError, UsageError
from mmcli.report.confusion import confusion_png
from mmcli.runs import metrics
from mmcli.runs.history import OWN_MEASURES
from mmcli.runs.layout import Stage
from mmcli.runs.metrics import Metrics
from mmcli.runs.writer import RunDirectory
from mmcli.util.text import shown
from mmcli.workflows.trained_run import TrainedRun, Watch, load_run


class Evaluation(NamedTuple):
    """Agreement of classes with labels.

    Attributes:
        metrics: of each module that names labels, over the items that have one; empty where there are none.
        own: the measures by the module's own inputs alone, without its children's messages, of each module that has
            children; None each where they are unknown.
        rematched: ACC of the same classes, matched again, to these labels; empty for training data.
        unknown: of each module, labels that its run did not learn with, with their items; empty for training data.
        absent: of each module, labels that its run learned with and no item here has.
        num_items: N.
        record: content of the JSON file.
        written: directory of the classes.
        unwritten: reason why nothing was written there, for a run that may only be read; None where all was.
        num_classes: numbers of classes that training found, of the modules whose config leaves them open.
    """

    metrics: dict[str, Metrics]
    own: dict[str, dict[str, float | None]]
    rematched: dict[str, float]
    unknown: dict[str, dict[str, int]]
    absent: dict[str, list[str]]
    num_items: int
    record: dict[str, Any]
    written: Path
    unwritten: str | None = None
    num_classes: Mapping[str, int] = MappingProxyType({})


def evaluate(
    path: Path,
    data_root: Path | None = None,
    *,
    trust_code: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Evaluation:
    """Measure each module of a finished run that names labels; results go to the run directory too, if they may.

    Args:
        path: of the run.
        data_root: as for `load_run`.
        trust_code: as for `load_run`.
        notify: as for `load_run`.

    Raises:
        UsageError: no finished run at `path`, or none of its modules names labels.
        DataError: the data are not there, or not those the run learned from.
        DamagedRunError: files of the run are missing or unreadable.
    """
    run = load_run(path, data_root=data_root, trust_code=trust_code, notify=notify)
    measured = _measured(run)
    if not measured:
        raise UsageError(f"{path}: no module of this run names labels, so there is nothing to compare its classes with")
    datasets = run.load(choose(run.config, Request(), without=()))
    found = {
        name: run.directory.classes(run.graph.folder(name), run.classifiers[name].classes, datasets.num_items)
        for name in measured
    }

    measures = {name: metrics.evaluate(found[name], datasets.labels[name]) for name in measured}
    latest = {line.module: line._asdict() for line in run.directory.history()}
    own = {name: {key: latest.get(name, {}).get(key) for key in OWN_MEASURES} for name in measures}
    record = {"modules": {name: {**measure.record(), **own[name]} for name, measure in measures.items()}}
    record |= _num_classes(run)
    unwritten = run.directory.why_read_only(map(run.graph.folder, measures))
    if unwritten is None:
        run.directory.write_evaluation(record, "learn")
        _write_confusions(run.directory, run.graph, measures, "learn")
    of_parents = {name: measure for name, measure in own.items() if run.graph.nodes[name].children}
    return Evaluation(
        measures, of_parents, {}, {}, {}, datasets.num_items, record, path, unwritten, run.directory.num_classes()
    )


def predict(
    path: Path,
    request: Request,
    *,
    without: Collection[str],
    output: Path | None,
    data_root: Path | None = None,
    trust_code: bool = False,
    notify: Callable[[str], None] | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Predict classes of other data with all parameters frozen, write them, and measure them where there are labels.

    Classes keep the names that training matched them to.

    Args:
        path: of a finished run.
        request: choice of the data.
        without: senses to leave out.
        output: where files go; the run directory where it is None.
        data_root: as for `load_run`.
        trust_code: as for `load_run`.
        notify: as for `load_run`.
        watch: receives the number of items done, and of all.

    Raises:
        UsageError: no finished run at `path`, or the data are not named rightly.
        DataError: the data do not fit the run.
        DamagedRunError: files of the run are missing or unreadable.
        SaveError: the files cannot be written.
    """
    run = load_run(path, data_root=data_root, trust_code=trust_code, notify=notify)
    chosen = choose(run.config, request, without=without)
    datasets = run.load(chosen)
    measured = {name: labels for name, labels in _measured(run).items() if name in datasets.labels}
    unwritten = run.directory.why_read_only(map(run.graph.folder, run.graph.learners)) if output is None else None
    if unwritten is not None and not measured:
        raise UsageError(f"{shown(str(path))}: may only be read ({unwritten}); name a place to write to with -o")
    names = {name: run.names(name) for name in run.classifiers}
    labelled = {
        name: _translated(run, name, chosen, labels, datasets.labels[name]) for name, labels in measured.items()
    }
    batches = run.predict_batches(datasets, watch=watch)
    directory = run.directory if output is None else RunDirectory.beside(output)  # after all that may be refused
    alone: list[Mapping[str, np.ndarray]] = []
    classes: dict[str, list[np.ndarray]] = {name: [] for name in run.classifiers}
    with nullcontext(_drop) if unwritten is not None else directory.predicted(datasets.num_items) as append:
        for batch in batches:
            alone.append(batch.own)
            for name, arrays in batch.items.items():
                found = dict(arrays)
                if name in names:
                    stem = run.classifiers[name].classes
                    found[stem] = names[name][arrays[stem]]
                    classes[name].append(found[stem])
                append(run.graph.folder(name), found)

    measures, own, rematched, unknown, absent = {}, {}, {}, {}, {}
    for name, labels in labelled.items():
        if labels.given.any():
            found_classes, learned = np.concatenate(classes[name]), run.labels(name)
            measures[name] = metrics.evaluate_named(found_classes, labels, learned)
            if name in alone[0]:
                own_classes = np.concatenate([classes_of[name] for classes_of in alone])
                found_alone = metrics.evaluate_own(own_classes, names[name], labels, learned)
                own[name] = _own_record(metrics.measures_of(found_alone))
            rematched[name] = metrics.evaluate(found_classes, labels).acc
            here = zip(measures[name].labels.tolist(), measures[name].label_names, strict=True)
            items = dict(zip(measures[name].label_names, measures[name].confusion.sum(axis=0).tolist(), strict=True))
            unknown[name] = {text: items[text] for number, text in here if number not in learned.numbers}
            missing = set(learned.numbers) - set(measures[name].labels.tolist())
            absent[name] = [learned.text(number) for number in sorted(missing)]
    record = {
        "items": datasets.num_items,
        "data": dict(datasets.digests),
        "known": {str(run.graph.nodes[name].config.data): int(rows.sum()) for name, rows in datasets.known.items()},
        "modules": {
            name: {
                **measure.record(),
                **own.get(name, _own_record(metrics.measures_of(measure))),
                "acc_rematched": rematched[name],
                "unknown_labels": unknown[name],
                "absent_labels": absent[name],
            }
            for name, measure in measures.items()
        },
        **_num_classes(run),
    }
    if unwritten is None:
        for name, measure in measures.items():
            directory.write_arrays(run.graph.folder(name), {"acc": np.array(measure.acc)}, "recog")
        _write_confusions(directory, run.graph, measures, "recog")
        directory.write_evaluation(record, "recog")
    counts = (datasets.num_items, record, output or path, unwritten, run.directory.num_classes())
    return Evaluation(measures, own, rematched, unknown, absent, *counts)


def _num_classes(run: TrainedRun) -> dict[str, Any]:
    """Entry of evaluation.json on numbers of classes that training found; none where the config gives them all."""
    numbers = run.directory.num_classes()
    return {"num_classes": numbers} if numbers else {}


def _own_record(measures: Sequence[float | None]) -> dict[str, float | None]:
    """Measures by a module's own inputs alone, by their names in evaluation.json."""
    return dict(zip(OWN_MEASURES, measures, strict=True))


def _drop(_folder: str, _arrays: Mapping[str, np.ndarray]) -> None:
    """Discard arrays of a run that may only be read."""


def _translated(run: TrainedRun, module: str, chosen: Sources, name: str, labels: Labels) -> Labels:
    """Labels of other data in the numbers of a run; DataError where they have nothing in common."""
    try:
        return translated(labels, run.labels(module), run.names(module).tolist())
    except DataError as error:
        keys = (chosen.section, name)
        text = error.of(shown(str(chosen.sources[name].file)))
        raise DataError(located(chosen.places.of(keys), keys, text)) from None


def _write_confusions(directory: RunDirectory, graph: Graph, measures: Mapping[str, Metrics], stage: Stage) -> None:
    for name, measure in measures.items():
        directory.write_confusion(graph.folder(name), confusion_png(name, measure), stage)


def _measured(run: TrainedRun) -> dict[str, str]:
    """The labels that each module names."""
    return {name: module.labels for name, module in run.config.modules.items() if module.labels is not None}
