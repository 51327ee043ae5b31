"""A job: one spawned process of `mmcli train`, its log, and how it ended."""

import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mmcli.util.locks import is_locked
from mmcli.util.text import shown

POLL_SECONDS = 0.1
MAX_TAIL = 8192  # bytes of a log in which its last line is looked for
MAX_ERROR = 300  # characters

_PREFIX = re.compile(r"^mmcli: (error: )?")


class Job(NamedTuple):
    """Command and files of a process that begins or resumes a run, on any host that shares them. Paths are absolute."""

    name: str
    command: tuple[str, ...]  # `mmcli train ... --resume`
    lock: Path  # which the process holds while it works on the run
    log: Path


class Outcome(NamedTuple):
    """End of a job."""

    name: str
    code: int  # 0 done, 128 + n after signal n
    seconds: float  # since its process was started
    error: str | None  # of a job that failed
    is_stopped: bool = False  # because it was asked to, and not failed


class Process:
    """A job under way. It begins once no other process works on the run: one that outlived its sweep may still do."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._process: subprocess.Popen[bytes] | None = None
        self._started = time.monotonic()
        self._is_stopped = False

    def poll(self) -> Outcome | None:
        """Start the process if it has not been; its outcome, None before it has ended.

        Raises:
            OSError: no process can be started, or no log be written.
        """
        if self._process is None:
            if self._is_stopped:
                return self._outcome(128 + signal.SIGTERM)
            if not is_locked(self.job.lock):
                self._process, self._started = _spawn(self.job), time.monotonic()
            return None
        code = self._process.poll()
        if code is None:
            return None
        return self._outcome(128 - code if code < 0 else code)

    def stop(self) -> None:
        """Ask the process, once, to save its state and end."""
        if not self._is_stopped and self._process is not None:
            self._process.terminate()
        self._is_stopped = True

    def _outcome(self, code: int) -> Outcome:
        seconds = time.monotonic() - self._started
        if self._is_stopped and code != 0:
            return Outcome(self.job.name, code, seconds, None, is_stopped=True)
        _code_file(self.job.log).write_text(f"{code}\n")
        return Outcome(self.job.name, code, seconds, None if code == 0 else failure(self.job.log, code))


def execute(job: Job, is_stopped: Callable[[], bool]) -> Outcome:
    """Run a job from start to end; `is_stopped` is asked every POLL_SECONDS."""
    process = Process(job)
    try:
        while True:
            if is_stopped():
                process.stop()
            if (outcome := process.poll()) is not None:
                return outcome
            time.sleep(POLL_SECONDS)
    except BaseException:
        process.stop()
        raise


def exit_code(log: Path) -> int | None:
    """Exit code of the last attempt that ended by itself; None where there is none, or another is under way."""
    try:
        return int(_code_file(log).read_text())
    except (OSError, ValueError):
        return None


def failure(log: Path, code: int) -> str:
    """Error of a job that ended with a code other than 0, in one line."""
    if code > 128:
        with suppress(ValueError):
            return f"ended by {signal.Signals(code - 128).name}"
    return _last_line(log) or f"exit code {code}"


def _spawn(job: Job) -> subprocess.Popen[bytes]:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    _code_file(job.log).unlink(missing_ok=True)
    with job.log.open("ab") as log:
        return subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _code_file(log: Path) -> Path:
    """Beside a log: the exit code of the attempt that wrote its end."""
    return log.with_suffix(".code")


def _last_line(log: Path) -> str:
    """Last line of a log that is not empty."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - MAX_TAIL))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((shown(_PREFIX.sub("", line), MAX_ERROR) for line in reversed(lines) if line.strip()), "")
