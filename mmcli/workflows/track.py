"""Measures, settings and versions of runs -> records of a tracker, from the files of the run directories."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mmcli.config.reader import read_settings
from mmcli.errors import ConfigError, UsageError
from mmcli.runs.history import MEASURES, OWN_MEASURES, HistoryLine
from mmcli.runs.layout import CONFIG
from mmcli.runs.reader import RunFiles
from mmcli.runs.records import keep_record_id, record_id
from mmcli.util.locks import locked
from mmcli.workflows.figures import OBJECTIVE
from mmcli.workflows.mlflow_record import MlflowRecord, mlflow_place
from mmcli.workflows.tensorboard_record import TensorboardRecord
from mmcli.workflows.trackers import Record, Scalar, Step, Tool
from mmcli.workflows.wandb_record import WandbRecord
from mmcli.workflows.watch import looks, plan_of

# Folders of records, unless another is named; wandb makes one in it, called wandb.
FOLDERS: Mapping[Tool, str] = {"tensorboard": "tensorboard", "wandb": "."}
_LOCK = "track.lock"
_FACTS: tuple[str, ...] = ("seed", "device", "threads", "host", "items", "command")  # of meta.json


class Tracked(NamedTuple):
    """A run and its record."""

    run: RunFiles
    record: Record
    written: set[Step]

    def update(self) -> None:
        """Write what the run has and the record has not, and the status of the run.

        The last round of a run that has not ended waits: the search may still replace its results by those of an
        earlier state.
        """
        # The status first: of a run that ends meanwhile, some lines are left for the next time.
        status = str(self.run.meta().get("status"))
        history, (rounds, _) = self.run.history(), plan_of(self.run)
        is_over = status in ("finished", "failed")
        settled = [line for line in history if is_over or line.round < rounds]
        new = [scalar for scalar in scalars_of(settled, _begun(self.run)) if scalar[:2] not in self.written]
        self.record.write(new)
        self.written.update(scalar[:2] for scalar in new)
        if new or status != "running":
            self.record.set_status(status)


@contextmanager
def tracked(paths: Sequence[Path], tool: Tool, place: str | None) -> Iterator[list[Tracked]]:
    """Records of runs, each as it was left or a new one; no other process writes to them meanwhile.

    Args:
        paths: of runs, finished or not.
        tool: that keeps the records.
        place: folder of TensorBoard or W&B, or tracking URI of MLflow; None is the default of each.

    Raises:
        UsageError: no run at a path, the tool is not installed, or its place refuses.
        DamagedRunError: files of a run are missing or unreadable.
        SaveError: a run directory cannot be written.
    """
    runs = [RunFiles.look(path) for path in {path.resolve(): path for path in paths}.values()]
    for run in runs:
        if run.packed is not None:
            raise UsageError(f"{run.packed}: a packed run, which cannot keep the id of a record; unzip it")
    with ExitStack() as held:
        for run in runs:
            held.enter_context(locked(run.path / _LOCK))
        found = []
        for run in runs:
            found.append(_opened(run, tool, place))
            held.callback(found[-1].record.close)
        yield found


def follow(runs: Sequence[Tracked], pause: Callable[[], object]) -> None:
    """Write new measures of runs as they come, until all have finished.

    Args:
        runs: to follow.
        pause: waits, between two looks at the files.

    Raises:
        UsageError: runs ended before they finished; all others are whole.
    """
    waiting = {index: looks(run.run, lambda: None) for index, run in enumerate(runs)}
    ended: list[str] = []
    while waiting:
        for index, look in [*waiting.items()]:
            try:
                is_over = next(look, None) is None
            except UsageError as error:
                is_over = True
                ended.append(str(error))
            runs[index].update()
            if is_over:
                del waiting[index]
        if waiting:
            pause()
    if ended:
        raise UsageError("; ".join(ended))


def scalars_of(history: Sequence[HistoryLine], begun: float) -> Iterator[Scalar]:
    """Measures, objective and seconds of each update.

    Args:
        history: of a run, from its first line.
        begun: seconds since 1970 at its beginning.
    """
    for line in history:
        begun += line.seconds + line.compile_seconds
        values = {measure: getattr(line, measure) for measure in (*MEASURES, *OWN_MEASURES, "moved")}
        values |= {OBJECTIVE: line.bound, "seconds": line.seconds}
        for measure, value in values.items():
            if value is not None:
                yield Scalar(f"{line.module}/{measure}", line.round, float(value), begun)


def _opened(run: RunFiles, tool: Tool, place: str | None) -> Tracked:
    settings, tags = _settings(run), _tags(run)
    where = mlflow_place(place) if tool == "mlflow" else str(Path(place or FOLDERS[tool]).absolute())
    known, name = record_id(run, tool, where), run.path.resolve().name
    record: Record
    match tool:
        case "tensorboard":
            record = TensorboardRecord(Path(place or FOLDERS[tool]), known, name)
        case "mlflow":
            record = MlflowRecord(where, known, name)
        case "wandb":
            record = WandbRecord(Path(place or FOLDERS[tool]), known, name)
    if record.id != known:
        keep_record_id(run, tool, where, record.id)
    record.describe(settings, tags)
    return Tracked(run, record, record.written())


def _settings(run: RunFiles) -> dict[str, str]:
    """Values of the resolved config, by dotted key."""
    try:
        settings = read_settings(run.config)
    except ConfigError as error:
        raise run.damaged(CONFIG, error.problems[0]) from None
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}


def _tags(run: RunFiles) -> dict[str, str]:
    """Facts of meta.json on the origin of a run: git commit, versions, device, host."""
    meta = run.meta()
    tags: dict[str, str] = {key: str(meta[key]) for key in _FACTS if key in meta}
    for group in ("git", "versions", "plugins"):
        facts = meta.get(group)
        if isinstance(facts, Mapping):
            tags |= {f"{group}.{key}": str(value) for key, value in facts.items()}
    return tags


def _begun(run: RunFiles) -> float:
    """Seconds since 1970 at the beginning of a run; of its config, where it does not record the time."""
    try:
        return datetime.fromisoformat(str(run.meta().get("started"))).timestamp()
    except ValueError:
        return run.config.stat().st_mtime
