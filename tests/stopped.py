"""Runs that are stopped in the middle of an update, and the bytes of their results."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmcli.engine import schedule
from mmcli.engine.events import Progress


@contextmanager
def stopped_in(monkeypatch: pytest.MonkeyPatch, module: str) -> Iterator[None]:
    """Let training stop, as by Ctrl-C, at the first sign of progress of an update of a module."""
    learn = schedule.train_rounds

    def learn_a_little(*data, **options):
        for event in learn(*data, **options):
            yield event
            if isinstance(event, Progress) and event.module == module and event.done > 0:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "train_rounds", learn_a_little)
        yield


def contents(run: Path) -> dict[str, bytes]:
    """Bytes of all results."""
    return {str(path.relative_to(run)): path.read_bytes() for path in run.glob("module*/*")}
