"""The learning of a run: each update of the engine is measured, written, and saved in a checkpoint.

Importing it takes jax, scipy and scikit-learn, so `train` does that when all else is checked.
"""

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mmcli.config.model import Config
from mmcli.config.reader import plain_config
from mmcli.data.labels import LabelSet
from mmcli.data.units import in_data_units
from mmcli.engine import devices, saving, schedule
from mmcli.engine.counting import most_classes
from mmcli.engine.events import Counted, Event, Progress, Started, Update
from mmcli.engine.plan import Plan, make_plan, search_record
from mmcli.engine.processes import lost_processes
from mmcli.errors import ModuleError, StalledError, StoppedError
from mmcli.modules.spec import Role
from mmcli.report.findings import read_findings
from mmcli.report.signs import find_signs
from mmcli.runs import metrics
from mmcli.runs.alignment import share_moved
from mmcli.runs.checkpoint import Checkpoint
from mmcli.runs.history import HistoryLine
from mmcli.runs.layout import CHECKPOINTS, Stage
from mmcli.runs.writer import RunDirectory
from mmcli.util import workers
from mmcli.util.text import listed
from mmcli.workflows.check import Experiment
from mmcli.workflows.distributed import Stops
from mmcli.workflows.partners import together
from mmcli.workflows.process import resume_command
from mmcli.workflows.starts import StartClasses
from mmcli.workflows.watcher import Watcher

FIRST = {Role.LATENT, Role.CLASS}  # arrays kept as the first round left them, to be compared with the last
_CLASSES = "classes."  # in the name of an array of a checkpoint, before the module's
# Seconds without processor time after which a run that is asked to stop leaves the current state unsaved.
STOP_SECONDS = 4.0


@devices.own_settings()
@lost_processes()
def learn(
    experiment: Experiment,
    run: RunDirectory,
    watcher: Watcher,
    stop: Callable[[], int | None],
    checkpoint: Checkpoint | None,
) -> None:
    """Train from a checkpoint, or from the beginning where it is None.

    Raises:
        StoppedError: `stop` gave a signal.
        DamagedRunError: the checkpoint is not of this run.
        ModuleError: a type reports arrays that its spec does not declare.
        DivergedError, StalledError: as of `schedule.train_rounds`.
    """
    config, graph, datasets = experiment
    run.note(device=devices.start().device_kind)
    for name, units in datasets.units.items():
        run.write_params(graph.folder(name), units._asdict())
    saved, classes, starts = _saved(checkpoint)
    others = together.get()
    stops = Stops(stop, is_alone=others is None)
    book = _Book(experiment, run, list(checkpoint.history) if checkpoint else [], saved, classes, starts)
    experiment = _with_numbers(experiment, run, saving.found_numbers(saved), watcher)
    try:
        events = schedule.train_rounds(
            graph,
            datasets.given,
            seed=config.seed,
            rounds=config.rounds,
            search=config.search,
            rule=config.messages,
            saved=saved,
        )
    except ValueError as error:
        raise run.damaged(CHECKPOINTS, str(error)) from None
    for event in events:
        moment = event.moment
        match event:
            case Progress():
                _show(watcher, event, book.plan.starts)
                before = moment
            case Counted():
                experiment = _with_numbers(experiment, run, event.numbers, watcher)
                book.close(moment)
            case Started():
                book.add(event)
                _show_start(watcher, event, book)
            case Update():
                # Together, all stop at the same event, which is not in the middle of one process's files.
                line = _record(experiment, run, event, classes, stop if others is None else lambda: None)
                if line is None:
                    moment = before
                else:
                    book.append(line, moment, is_whole=event.is_whole)
                    watcher.updated(line)
        number = stops(event)
        if number is not None and moment.updates < len(book.plan.turns):
            is_saved = book.kept == (moment.updates, moment.iterations) or _keep_in_time(
                book.keep, moment, STOP_SECONDS if others is None else None
            )
            raise _stopped(number, event, is_saved, resume_command(config, run))
    _note_signs(experiment, run, watcher)


def _with_numbers(
    experiment: Experiment, run: RunDirectory, numbers: Mapping[str, int], watcher: Watcher
) -> Experiment:
    """Record the numbers of classes that were found, if they were, and give the experiment that they complete."""
    if not numbers:
        return experiment
    most = most_classes(experiment.graph, experiment.datasets.num_items)
    for name, number in numbers.items():
        bound = f"the most that there may be: set num_classes: {{max: {2 * number}}}, if the items are enough"
        watcher.noted(
            f"module {name}: {number} classes found, {bound if number == most[name] else f'of at most {most[name]}'}"
        )
    run.note(num_classes=dict(numbers))
    return experiment._replace(graph=experiment.graph.with_numbers(numbers))


def _saved(checkpoint: Checkpoint | None) -> tuple[saving.Saved | None, dict[str, np.ndarray], StartClasses]:
    """Moment of a checkpoint, None at the beginning; classes (N,) of each module's last update, and those of starts."""
    if checkpoint is None or checkpoint.updates + checkpoint.iterations == 0:
        return None, {}, StartClasses({})
    arrays = dict(checkpoint.arrays)
    starts = StartClasses(arrays)
    names = [name for name in arrays if name.startswith(_CLASSES)]
    classes = {name.removeprefix(_CLASSES): arrays.pop(name) for name in names}
    return saving.Saved(checkpoint.updates, checkpoint.iterations, arrays), classes, starts


def _note_signs(experiment: Experiment, run: RunDirectory, watcher: Watcher) -> None:
    """Report each sign of a bad run, found without labels."""
    findings = read_findings(run, experiment.graph, experiment.datasets, with_pictures=False)
    for sign in find_signs(findings, experiment.graph):
        watcher.noted(f"sign of a bad run: {sign}")


@devices.own_settings()
@lost_processes()
def follow(experiment: Experiment, stop: Callable[[], int | None], checkpoint: Checkpoint | None) -> None:
    """Take part in `learn` of the first process, and write nothing.

    Raises:
        StoppedError: a process received a signal.
        DivergedError: as of `schedule.train_rounds`.
        LostProcessError: another process ended.
    """
    config, graph, datasets = experiment
    saved, *_ = _saved(checkpoint)
    kept, stops = (0, 0) if saved is None else saved[:2], Stops(stop, is_alone=False)
    plan = make_plan(graph, config.search, config.rounds)
    for event in schedule.train_rounds(
        graph,
        datasets.given,
        seed=config.seed,
        rounds=config.rounds,
        search=config.search,
        rule=config.messages,
        saved=saved,
    ):
        moment, at = event.moment, (event.moment.updates, event.moment.iterations)
        is_end = isinstance(event, Counted | Started) or (isinstance(event, Update) and event.is_whole)
        if is_end and is_due(moment, config, plan):
            saving.save(moment)
            kept = at
        number = stops(event)
        if number is not None and moment.updates < len(plan.turns):
            if kept != at:
                saving.save(moment)
            raise _stopped(number, event, True, "the command that process 0 gives")


class _Book:
    """The record of a run under way: its history, its scores and its checkpoints."""

    def __init__(
        self,
        experiment: Experiment,
        run: RunDirectory,
        history: list[Mapping[str, Any]],
        saved: saving.Saved | None,
        classes: Mapping[str, np.ndarray],
        starts: StartClasses,
    ) -> None:
        self._config, graph, _ = experiment
        self._run = run
        self._facts, self._plain = run.meta(), plain_config(self._config)
        self._classes, self._starts = classes, starts  # of each module's last update, as found; of each start
        self.history = history
        self.plan = make_plan(graph, self._config.search, self._config.rounds)
        self.kept = (0, 0)  # updates and iterations of the last checkpoint
        if saved is None:
            self.keep(saving.Saved(0, 0, {}))
        else:
            self.kept = saved[:2]
            self._write_search(saved.arrays.get("scores", np.zeros(0)).tolist())  # the file may be ahead

    def append(self, line: HistoryLine, moment: saving.Moment, *, is_whole: bool) -> None:
        """Append an update; more results of the same moment follow where it is not whole."""
        self.history.append(line._asdict())
        if is_whole:
            self.close(moment)

    def add(self, event: Started) -> None:
        """Add a finished start; its classes are those of the first round where it went no further."""
        classes = event.classes
        if classes is None and event.start == 1 and self.plan.compared is not None:
            classes = self._classes.get(self.plan.compared)
        self._starts.add(event.start, classes, event.moment.scores, is_last=event.start == self.plan.starts)
        self.close(event.moment)

    def chosen(self, scores: Sequence[float]) -> str:
        """Line on the start that goes on, given the scores of all."""
        line = f"start {scores.index(max(scores)) + 1} goes on"
        if self._starts.agreement is None:
            return line
        values = " ".join(f"{value:.2f}" for value in self._starts.agreement)
        return f"{line}; agreement of each start with it in the classes of {self.plan.compared} (ARI): {values}"

    def keep(self, saved: saving.Saved) -> None:
        """Write a checkpoint."""
        arrays = {**saved.arrays, **{_CLASSES + name: found for name, found in self._classes.items()}}
        arrays |= self._starts.arrays
        self._run.checkpoints.save(
            Checkpoint(*saved[:2], arrays, self._plain, self._facts, list(self.history), self._run.results)
        )
        self.kept = saved[:2]

    def close(self, moment: saving.Moment) -> None:
        """Write what a finished update or start leaves beside its results."""
        self._write_search(moment.scores)
        if is_due(moment, self._config, self.plan):
            self.keep(saving.save(moment))

    def _write_search(self, scores: Sequence[float]) -> None:
        if scores:
            self._run.write_search(search_record(self.plan, scores, self._starts.agreement))


def is_due(moment: saving.Moment, config: Config, plan: Plan) -> bool:
    """Whether a checkpoint is written after a finished update or start."""
    return moment.updates % config.checkpoint_every == 0 or moment.updates == len(plan.turns)


def _keep_in_time(keep: Callable[[saving.Saved], Any], moment: saving.Moment, seconds: float | None) -> bool:
    """Save a moment in a checkpoint, if it can be copied within so many seconds: threads may stand still."""
    try:
        with workers.worker() as thread:
            call = thread.submit(devices.own_settings()(saving.save), moment)
            keep(workers.result(call, seconds))
    except StalledError:
        return False
    return True


def _stopped(
    number: int,
    event: Event,
    is_saved: bool,
    resume: str,
) -> StoppedError:
    """The error of a signal that came at an event."""
    if isinstance(event, Update) or (isinstance(event, Progress) and not event.start):
        place = f"in round {event.round}, module {event.module}"
    elif isinstance(event, Counted):
        place = "after the count of classes"
    else:
        place = f"in start {event.start} of the search"
    kind = "all is saved" if is_saved else "its threads stand still; the last checkpoint is safe"
    return StoppedError(f"stopped by {signal.Signals(number).name} {place}; {kind}; resume with: {resume}", number)


def _show(watcher: Watcher, progress: Progress, starts: int) -> None:
    """Show the progress of an update, of the search or of a round."""
    if progress.start:
        watcher.searching(progress.start, starts, progress.module, progress.done, progress.iterations)
    else:
        watcher.advanced(progress.round, progress.module, progress.done, progress.iterations)


def _show_start(watcher: Watcher, event: Started, book: _Book) -> None:
    """Show a finished start, and after the last one which goes on."""
    watcher.searched(event.start, book.plan.starts, event.score)
    if event.start == book.plan.starts:
        watcher.noted(book.chosen(event.moment.scores))


def _record(
    experiment: Experiment,
    run: RunDirectory,
    update: Update,
    before: dict[str, np.ndarray],
    stop: Callable[[], int | None],
) -> HistoryLine | None:
    """Measure an update and write its files; None where a signal came first, and a resumed run writes them again.

    `before` holds the classes (N,) of each module's last update, and those of this one afterwards.
    """
    config, graph, datasets = experiment
    module, node = config.modules[update.module], graph.nodes[update.module]
    roles = node.spec.reported(len(node.parents))
    if undeclared := update.report.keys() - roles:
        text = f"reports {listed(sorted(undeclared))}, not declared in its spec; add it to the spec's reports"
        raise ModuleError(f"module {update.module}: type {node.type} {text}")
    learned = in_data_units(graph, update.module, update.report, datasets.units)
    if node.spec.trace is not None and update.trace is not None:
        learned[node.spec.trace.name] = update.trace
    measures = own = metrics.measures_of(None)
    if module.labels is not None and node.spec.classes is not None:
        classes, probabilities = (learned[name] for name in node.spec.classes)
        labels = datasets.labels[update.module]
        agreement = metrics.evaluate(classes, labels)
        names = metrics.class_names(classes, labels, probabilities.shape[1])
        measures = metrics.measures_of(agreement)
        if not node.children:
            own = measures
        elif update.own_classes is not None:
            own = metrics.measures_of(metrics.evaluate_own(update.own_classes, names, labels, LabelSet.of(labels)))
        learned |= {node.spec.classes.classes: names[classes], "name": names, "acc": np.array(agreement.acc)}
    folder = graph.folder(update.module)
    firsts = [name for name, role in roles.items() if role in FIRST and update.round == 1]
    stages: list[tuple[Stage, Iterable[str]]] = [("learn", learned), ("first", firsts)]
    for stage, stems in stages:
        for name in stems:
            if stop() is not None:  # over many items they take longer than a signal may wait
                return None
            run.write_arrays(folder, {name: learned[name]}, stage)
    run.write_arrays(folder, in_data_units(graph, update.module, update.late, datasets.units), "learn")
    run.write_params(folder, update.params)
    moved = used = None
    if node.spec.classes is not None:
        found = update.report[node.spec.classes.classes].astype(np.int32)
        moved = share_moved(before[update.module], found) if update.module in before else None
        before[update.module], used = found, len(np.unique(found))
    times = (round(update.seconds, 3), round(update.compile_seconds, 3))
    line = HistoryLine(update.round, update.module, *measures, update.objective, *times, *own, moved, used)
    run.append_history(line._asdict())
    return line
