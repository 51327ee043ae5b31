"""The folder that the tests of a file share, and the run that they share there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in `folder`, a fixture of the test's file."""
    monkeypatch.chdir(folder)


@pytest.fixture
def train_once(command: Callable[..., Any]) -> Callable[..., Path]:
    """Train with these arguments into `run`, unless a test before has."""

    def train(*arguments: object) -> Path:
        run = Path("run")
        if not run.exists():
            done = command("train", *arguments, "-o", run)
            assert done.code == 0, done.err
        return run

    return train
