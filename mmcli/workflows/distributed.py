"""Training of one model by several processes: what they agree on, and the part of those that write nothing.

All processes make the same updates of the engine in the same order, each on its own items. The first process reads
and writes the run directory.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmcli.config.graph import Graph
from mmcli.config.model import Config
from mmcli.config.reader import plain_config, settings_of
from mmcli.data.dataset import Datasets
from mmcli.data.rows.protocol import as_rows
from mmcli.engine import devices, exchange
from mmcli.engine.events import Event, Progress
from mmcli.engine.layout import Layout, current_layout
from mmcli.engine.processes import Processes, connect, join, lost_processes
from mmcli.errors import DataError, UsageError
from mmcli.runs.checkpoint import Checkpoint, pack, unpack
from mmcli.util.meeting import Meeting
from mmcli.workflows import process
from mmcli.workflows.check import Experiment
from mmcli.workflows.resume import ResumePoint

_DONE = b"done"  # in place of a checkpoint


class Together(NamedTuple):
    """This process among those that train a run, and the division of the items."""

    processes: Processes
    num_blocks: int

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run directory."""
        return self.processes.number == 0

    @lost_processes()
    def send(self, checkpoint: Checkpoint | None, *, is_done: bool) -> None:
        """Send the others where the run resumes; to be called in the first process alone."""
        exchange.from_first(_DONE if is_done else b"" if checkpoint is None else pack(checkpoint))

    @lost_processes()
    def receive(self) -> ResumePoint:
        """Receive where the run resumes, from the first process."""
        content = exchange.from_first(b"")
        is_done = content == _DONE
        return ResumePoint(unpack(content) if content and not is_done else None, is_done)

    @lost_processes()
    def part(self) -> None:
        """Wait until all processes are done."""
        exchange.largest(0)


class Stops:
    """Signals that ask a run to stop; where processes share it, one that any of them has received stops all of them."""

    def __init__(self, stop: Callable[[], int | None], *, is_alone: bool) -> None:
        self._stop, self._is_alone = stop, is_alone
        self._at = (-1, -1)

    def __call__(self, event: Event) -> int | None:
        """Number of the signal to stop by after an event, or None."""
        if self._is_alone:
            return self._stop()
        at, before = (event.moment.updates, event.moment.iterations), self._at
        if isinstance(event, Progress) and at == before:
            return None  # one more sign of life: how many there are differs from process to process
        self._at = at
        return exchange.largest(self._stop() or 0) or None


def refuse_what_is_not_divided(graph: Graph, datasets: Datasets) -> None:
    """Refuse a model whose items cannot be divided.

    Raises:
        UsageError: a type reads sequences, or counts are sparse.
    """
    for name, node in graph.nodes.items():
        if node.spec.items == "sequence":
            reason = f"type {node.type} reads sequences of items, which blocks would cut"
            raise UsageError(f"--distributed: module {name}: {reason}; train it in one process")
    for name, rows in datasets.observations.items():
        if as_rows(rows).is_sparse:
            remedy = "leave out rare words until they are dense, or train it in one process"
            raise UsageError(
                f"--distributed: module {name}: its counts are kept sparse, and these are not divided; {remedy}"
            )


def meet(experiment: Experiment, meeting: Meeting, threads: int) -> Together:
    """Meet the other processes and agree with them, before anything of a run is made.

    Raises:
        UsageError: the processes do not fit the blocks, or differ in versions or config.
        DataError: they read other data.
        LostProcessError: another process ended, or did not come.
    """
    config, _, datasets = experiment
    processes = join(meeting)
    with process.threads_set(threads):
        devices.start()
    connect(meeting.blocks)
    with lost_processes():
        _agree(config, datasets, threads)
    current_layout.set(Layout.over_all_devices(datasets.num_items))
    return Together(processes, meeting.blocks)


def _agree(config: Config, datasets: Datasets, threads: int) -> None:
    """Compare versions, config and data with those of the first process; all processes raise the same error."""
    settings = settings_of(plain_config(config))
    files = {f"data.{name}.file" for name in config.data} | {f"test.{name}.file" for name in config.test}
    asked = {key: value for key, value in settings.items() if key not in files}  # data are compared by their bytes
    facts = {
        "versions": process.facts_of(config, datasets, threads)["versions"],
        "config": asked,
    }
    for what, number in zip(facts, _first_differing([_text(fact) for fact in facts.values()]), strict=True):
        if number is not None:
            raise UsageError(
                f"--distributed: process {number} has other {what} than process 0; start all with the same"
            )
    names = sorted(config.data)
    identities = [
        str(datasets.digests.get(str(source.file), source.array)) for _, source in sorted(config.data.items())
    ]
    for name, number in zip(names, _first_differing(identities), strict=True):
        if number is not None:
            raise DataError(
                f"data.{name}: process {number} read other bytes than process 0; give all processes the same file"
            )


def _text(fact: Any) -> str:
    return json.dumps(fact, sort_keys=True, default=str)


def _first_differing(texts: Sequence[str]) -> list[int | None]:
    """For each text the first process that has another one than the first process; None where all have the same."""
    differ = (digests := _digests(texts)) != digests[:1]  # (P, texts)
    return [int(column.argmax()) if column.any() else None for column in differ.T]


def _digests(texts: Sequence[str]) -> np.ndarray:
    """Digests of texts in every process, (P, texts), as 64 bits of their SHA-256."""
    words = np.frombuffer(b"".join(hashlib.sha256(text.encode()).digest()[:8] for text in texts), np.uint32)
    return np.ascontiguousarray(exchange.every(words)).view(np.uint64)
