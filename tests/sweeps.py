"""Observations of a sweep for tests: processes started, and the status of a point."""

import json
import time
from collections.abc import Callable
from pathlib import Path


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def attempts() -> list[str]:
    """Points whose process has started, a name an attempt."""
    path = Path("attempts.txt")
    return path.read_text().split() if path.exists() else []


def status(point: str, folder: str = "runs/x-sweep") -> str | None:
    """Status of a point in its meta.json."""
    path = Path(folder) / "points" / point / "meta.json"
    return json.loads(path.read_text())["status"] if path.exists() else None


def has_updated(point: str, folder: str = "runs/x-sweep") -> bool:
    """Whether a point is running and its first update is recorded; it is running a moment before."""
    history = Path(folder) / "points" / point / "history.jsonl"
    return status(point, folder) == "running" and history.exists() and history.stat().st_size > 0
