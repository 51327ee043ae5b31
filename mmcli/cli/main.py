"""The command line: commands by name, and how each ends: exit code, and one line a problem."""

import os
import signal
import sys
import traceback
from types import FrameType

import click

from mmcli.cli import environment
from mmcli.cli.example import example
from mmcli.cli.lazy import LazyGroup
from mmcli.cli.session import Session
from mmcli.cli.signals import handled, leave
from mmcli.cli.streams import standard_streams
from mmcli.errors import (
    ConfigError,
    DataError,
    LostProcessError,
    MemoryShortError,
    MmcliError,
    OutputError,
    StoppedError,
    UsageError,
)
from mmcli.util.atomic import refusal
from mmcli.util.progress import looks_on
from mmcli.util.user_cache import keeps_programs
from mmcli.util.version import __version__
from mmcli.util.workers import are_busy


@click.group(
    cls=LazyGroup,
    epilog=example(
        "mmcli init tiny                  # an example config and its data; --list lists the others",
        "mmcli train configs/tiny.yaml    # prints the run directory: runs/tiny-s0-001",
        "mmcli evaluate runs/tiny-s0-001",
        "mmcli report runs/tiny-s0-001    # prints the page: runs/tiny-s0-001/report/report.html",
    ),
    modules="mmcli.cli.",
    summaries={
        "check": "Check CONFIG and its data without computing anything.",
        "compare": "Put runs side by side.",
        "completion": "Print shell code that completes commands and options.",
        "data": "Make data files from sources on disk or on the web.",
        "evaluate": "Find classes, and compare them with labels.",
        "export": "Write the predictor of a run for programs that have no mmcli, and print its folder.",
        "generate": "Make one sense from others, or of a class.",
        "init": "Write a config to begin from, and print its path.",
        "modules": "List the types of modules, or the options of one TYPE.",
        "pack": "Write a finished run to one file that can be handed on, and print its path.",
        "report": "Write a page about a run, finished or not, and print its path.",
        "rerun": "Train a finished run again, and compare the bytes of its results.",
        "schema": "Print a JSON Schema of configs, for editors.",
        "sweep": "Train CONFIG under many seeds and settings, and compare the runs.",
        "track": "Write measures and settings of runs to TensorBoard, MLflow or W&B (offline).",
        "train": "Train the model in CONFIG and print the run directory.",
        "watch": "Show the progress of a run that another process trains, until it ends.",
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Compose probabilistic modules into models that learn from several senses at once."""
    context.ensure_object(Session).debug = debug


def main() -> None:
    """Run the command line and exit: 0 done, 1 fault of mmcli, 128 + n after signal n, else the error's own code."""
    for number in handled():
        if number != signal.SIGINT:
            signal.signal(number, _terminate)
    session = Session(ignored=environment.settle(os.environ))
    looks_on.set(True)
    keeps_programs.set(True)
    with standard_streams():
        try:
            if "" in sys.argv[1:]:  # as a path it would be the working directory
                raise UsageError("an argument is empty; is a variable of the shell unset?")
            # Not standalone: click would print a usage error on three lines and let all others through.
            code = cli.main(prog_name="mmcli", standalone_mode=False, obj=session)
        except StoppedError as stopped:
            click.echo(f"mmcli: {stopped}", err=True)
            leave(stopped.exit_code)
        except _TerminatedError as terminated:
            code = terminated.code
        except Exception as error:
            if session.debug:
                click.echo(traceback.format_exc(), err=True, nl=False)  # print_exc colours it where FORCE_COLOR is set
            code = _explain(error)
        # jax would wait for a lost process as Python does for a thread.
        if are_busy() or code == LostProcessError.exit_code:
            leave(code)
    sys.exit(code)


class _TerminatedError(SystemExit):
    """A signal ends a command that has nothing to save; `code` is the exit code."""

    code: int


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Exit as after an error, so that a run that is being written records how it ended."""
    raise _TerminatedError(128 + number)


def _explain(error: Exception) -> int:
    """Report an error on stderr, a line for each problem, and return the exit code."""
    if isinstance(error, MemoryError):  # of what numpy or Python allocates; `devices.memory_errors` names modules
        reason = f" ({error})" if str(error) else ""
        error = MemoryShortError(f"out of memory; give it less data, or ask for less at a time{reason}")
    code = error.exit_code if isinstance(error, MmcliError | click.ClickException) else 1
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
        case click.ClickException():
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "mmcli"
            _print_error(f"{error.format_message()} (see `{command} --help`)")
        case click.Abort():
            _print_error("interrupted")
            code = 128 + signal.SIGINT
        case ConfigError() | DataError():  # a line per problem, each with its place
            click.echo(str(error), err=True)
        case OutputError(has_reader=False):
            pass
        case MmcliError():
            _print_error(str(error))
        case OSError(errno=int()):  # the file system refuses; without a number it is a library's own error
            _print_error(refusal(error))
            code = UsageError.exit_code
        case _:
            where = "(`mmcli --debug` before the command shows where)"
            _print_error(f"a fault of mmcli: {type(error).__name__}: {error} {where}")
    return code


def _print_error(message: str) -> None:
    click.echo(f"mmcli: error: {' '.join(message.split())}", err=True)
