"""Errors: one line that names the place and the remedy, and an exit code."""

import errno
import signal
from collections.abc import Sequence


class MmcliError(Exception):
    """Base of every error that mmcli raises on purpose; `exit_code` is what the process returns."""

    exit_code = 1


class UsageError(MmcliError):
    """The command line, or a call from Python, asks for something impossible."""

    exit_code = 2


class ConfigError(MmcliError):
    """The config file is at fault; all its problems at once, each one line with file:line:col."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ModuleTypeError(ConfigError):
    """A config names a module type that is not installed here, is broken, or is code that was not trusted."""


class ModuleError(MmcliError):
    """A module type does not do what its spec declares, or a function of its spec fails."""

    exit_code = 2


class DataError(MmcliError):
    """A data file is missing, unreadable, or does not hold what the graph needs; `line` of a text, from 1."""

    exit_code = 2

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text if line is None else f"line {line}: {text}")
        self.text, self.line = text, line

    def of(self, file: str) -> str:
        """The same, with the name of the file: file:line: text."""
        return f"{file}: {self.text}" if self.line is None else f"{file}:{self.line}: {self.text}"


class SaveError(MmcliError):
    """The file system does not take what a run has to write."""

    exit_code = 2


class MemoryShortError(MmcliError):
    """There is less memory than was asked for."""

    exit_code = 2


class OutputError(MmcliError):
    """Stdout does not take a result. A reader that has left, as `head` does, is no fault: it ends as by SIGPIPE."""

    def __init__(self, error: OSError, kept: str = "") -> None:
        super().__init__(f"stdout: cannot be written ({error.strerror or type(error).__name__}){kept and '; '}{kept}")
        self.error = error
        self.has_reader = error.errno != errno.EPIPE
        self.exit_code = 2 if self.has_reader else 128 + signal.SIGPIPE


class DivergedError(MmcliError):
    """A number became NaN or infinite while learning."""

    exit_code = 3


class StalledError(MmcliError):
    """The threads of this process stand still: they wait for each other, or for something that does not come."""

    exit_code = 5


class DamagedRunError(MmcliError):
    """A run directory does not hold what mmcli wrote there."""

    exit_code = 4


class FailedPointsError(MmcliError):
    """Points of a sweep failed; each has its error and its log, and all others are done."""

    exit_code = 6


class OtherResultsError(MmcliError):
    """A run that was trained again gave other bytes; both runs are whole."""

    exit_code = 7


class LostProcessError(MmcliError):
    """Another process of a distributed run ended, or does not come."""

    exit_code = 8


class StoppedError(MmcliError):
    """A signal asked a run to stop; all it has learned is saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
