"""Decide whether, and from which checkpoint, a run can resume. Nothing in its directory is trusted unchecked."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mmcli.config.graph import Graph
from mmcli.config.reader import Config, config_differences, plain_config, settings_of
from mmcli.data.dataset import Datasets
from mmcli.engine.plan import make_plan
from mmcli.errors import UsageError
from mmcli.runs.checkpoint import VERSION, Checkpoint
from mmcli.runs.layout import CONFIG
from mmcli.runs.writer import RunDirectory
from mmcli.workflows.partners import num_blocks
from mmcli.workflows.plugins import plugin_changes
from mmcli.workflows.relocation import Recorded, recorded_by, recorded_digests, refuse_changed
from mmcli.workflows.trained_run import read_graph


class ResumePoint(NamedTuple):
    """State from which a run resumes."""

    checkpoint: Checkpoint | None  # None where it starts from the beginning, or is done
    is_done: bool  # with all that is asked for


BEGINNING = ResumePoint(None, False)


def find_resume_point(
    run: RunDirectory,
    config: Config,
    graph: Graph,
    datasets: Datasets,
    notify: Callable[[str], None],
    *,
    trust_code: bool = False,
) -> ResumePoint:
    """Find the checkpoint from which a run resumes.

    Args:
        run: locked by this process.
        config: that is asked for.
        graph: of the config.
        datasets: of the config.
        notify: receives a line for each damaged checkpoint.
        trust_code: whether module types that the run's config names by import path are imported.

    Raises:
        UsageError: the run is of another config.
        DataError: it learned from other data.
        DamagedRunError: none of its checkpoints is whole, or a result that stays differs from the one written.
    """
    if run.is_finished:
        run.verify()
    checkpoint, problems = run.checkpoints.load()
    for problem in problems:
        notify(f"{problem}; the one before it is whole")
    if checkpoint is None and not run.is_finished:
        return ResumePoint(None, False)
    before = plain_config(read_graph(run, trust_code=trust_code)[0]) if checkpoint is None else checkpoint.config
    try:
        recorded = recorded_by(run) if checkpoint is None else _recorded_in(checkpoint)
        differences = _differences(before, config, recorded, datasets)
    except (AttributeError, KeyError, TypeError, RecursionError):
        raise run.damaged(CONFIG, "no config of a run") from None
    rounds = before.get("rounds")
    if isinstance(rounds, int) and rounds < config.rounds:
        del differences["rounds"]
    if differences:
        listed = "; ".join(f"{key} ({words})" for key, words in differences.items())
        raise UsageError(f"{run.path}: this run has another config: {listed}; name another directory with -o")
    if run.is_finished and rounds == config.rounds:
        return ResumePoint(None, True)
    checkpoint = _resumable(run, checkpoint)
    _refuse_other_blocks(run, checkpoint, num_blocks())
    refuse_changed(run, recorded, config.data, datasets)
    names, turns = graph.learners, make_plan(graph, config.search, config.rounds).turns
    if checkpoint.updates > len(turns):
        raise run.damaged(CONFIG, f"{checkpoint.updates} updates are done of {len(turns)}")
    to_come = {turn.module for turn in turns[checkpoint.updates :] if turn.is_update}
    # A module that updates again writes its results anew.
    run.verify_results(checkpoint, [graph.folder(name) for name in names if name not in to_come])
    return ResumePoint(checkpoint, False)


def _resumable(run: RunDirectory, checkpoint: Checkpoint | None) -> Checkpoint:
    """Checkpoint of a run with rounds left; UsageError where there is none, or none that can be resumed from."""
    if checkpoint is None:
        raise UsageError(f"{run.path}: without its checkpoints a finished run cannot be extended; train it anew")
    if checkpoint.version != VERSION:
        remedy = "finish it with that version, or train anew with --force"
        raise UsageError(f"{run.path}: begun by an older mmcli, whose modules learn otherwise; {remedy}")
    return checkpoint


def _refuse_other_blocks(run: RunDirectory, checkpoint: Checkpoint, blocks: int | None) -> None:
    """Refuse to resume in another number of blocks than the run began in; None is no division.

    Raises:
        UsageError: it began in another.
    """
    before = checkpoint.facts.get("blocks")
    if before == blocks:
        return
    if not isinstance(before, int):
        raise UsageError(f"{run.path}: begun in one process; resume it without --distributed")
    how = f"--distributed --blocks {before}"
    raise UsageError(f"{run.path}: its items are divided into {before} blocks; resume it with {how}")


def _recorded_in(checkpoint: Checkpoint) -> Recorded:
    digests = checkpoint.facts.get("data")
    return recorded_digests(settings_of(checkpoint.config), digests if isinstance(digests, dict) else {})


def _differences(before: Mapping[str, Any], config: Config, recorded: Recorded, datasets: Datasets) -> dict[str, str]:
    """Differences between the config of a run and the one asked for, by key, as of `config_differences`.

    Files may lie elsewhere than before: those with the bytes that were learned from, those that no module reads, and
    held-out ones, which change no result.
    """
    differences = config_differences(before, plain_config(config))
    files = {f"data.{name}.file": datasets.digests.get(str(source.file)) for name, source in config.data.items()}
    moved = {key for key, digest in files.items() if digest in (None, recorded.get(("data", key.split(".")[1])))}
    moved |= {f"test.{name}.file" for name in config.test}
    had = settings_of(before)
    return {key: words for key, words in differences.items() if key not in moved or key not in had}


def restore(
    run: RunDirectory, checkpoint: Checkpoint, config: Config, facts: dict[str, Any], notify: Callable[[str], None]
) -> dict[str, Any]:
    """Restore the directory to the checkpoint, and return the facts for meta.json.

    Args:
        run: locked by this process.
        checkpoint: where the run resumes.
        config: of this process.
        facts: of this process.
        notify: receives a line where they are not those of the process before.
    """
    for key in ("versions", "threads"):
        if checkpoint.facts.get(key) != facts[key]:
            notify(f"{key} were {checkpoint.facts.get(key)} and are {facts[key]}: last digits may differ")
    for line in plugin_changes(checkpoint.facts, config):
        notify(line)
    run.resume_from(checkpoint)
    notify(f"resuming after {checkpoint.updates} updates and {checkpoint.iterations} iterations of the next")
    return facts | {"started": checkpoint.facts.get("started")}


def threads_of(checkpoint: Checkpoint | None) -> int | None:
    """CPU threads that a run computed with, if it is known."""
    match checkpoint and checkpoint.facts.get("threads"):
        case int(threads) if threads > 0:
            return threads
    return None
