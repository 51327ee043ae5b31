"""Options of a distributed run, and the process that watches over one of its processes.

jax ends a process of a distributed run from C++, with a page of addresses, where the first process is lost, and others
print lines as they connect. So the command spawns itself, and prints the errors of the spawned process alone.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

import click

from mmcli.cli.signals import SIGNALS, handled
from mmcli.errors import LostProcessError, UsageError
from mmcli.util.meeting import BLOCKS, LOST, Meeting

_SPAWNED = "MMCLI_SPAWNED"  # in the environment of the process that is watched over
_FATAL = re.compile(rb"F\d{4} \d\d:\d\d:")
# Lines of libraries: of connections made, of logs in C++, and of compiling that takes long.
_NOISE = re.compile(
    rb"\[Gloo\] |.*peer ranks|[IWE]\d{4} \d\d:\d\d:\d\d\.\d+ |\*{10,}$|\[Compiling module .*|.*Very slow compile\?|$"
)
_ERROR = b"mmcli: error: "


def distributed_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that have several processes train one model, as `meeting` of the command; None without them."""
    for option in (
        click.option(
            "--blocks", type=click.IntRange(1, 1 << 16), help=f"Blocks that items are divided into [{BLOCKS}]."
        ),
        click.option("--process", type=click.IntRange(0), help="Number of this process, from 0."),
        click.option("--processes", type=click.IntRange(1), help="Number of processes."),
        click.option("--coordinator", metavar="HOST:PORT", help="Where process 0 listens [Slurm's, Open MPI's]."),
        click.option("--distributed", is_flag=True, help="Train with other processes, each on its share of the items."),
    ):
        command = option(command)
    return command


def meeting_of(
    distributed: bool, coordinator: str | None, processes: int | None, process: int | None, blocks: int | None
) -> Meeting | None:
    """Check the options of `distributed_options`.

    Raises:
        UsageError: they do not belong together.
    """
    place = {"--coordinator": coordinator, "--processes": processes, "--process": process}
    if not distributed:
        for option, value in {**place, "--blocks": blocks}.items():
            if value is not None:
                raise UsageError(f"{option} needs --distributed: without it this process trains alone")
        return None
    missing = [option for option, value in place.items() if value is None]
    if 0 < len(missing) < len(place):
        given = next(option for option in place if option not in missing)
        raise UsageError(f"{given} needs {' and '.join(missing)} too; Slurm and Open MPI give all three")
    if coordinator is not None and not re.fullmatch(r"(\[[^\]]+\]|[^:]+):\d{1,5}", coordinator):
        raise UsageError(f"--coordinator {coordinator}: no HOST:PORT; name the host of process 0 and a free port of it")
    if process is not None and processes is not None and process >= processes:
        raise UsageError(f"--process {process}: {processes} processes are numbered from 0 to {processes - 1}")
    return Meeting(blocks or BLOCKS, coordinator, processes, process)


def is_spawned() -> bool:
    """Whether this is the process that another one watches over; from here on it ends with that one."""
    if os.environ.pop(_SPAWNED, None) is None:
        return False
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return True


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(128 + signal.SIGKILL)


def watch_over(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run mmcli with these arguments in a process of its own, and return its exit code, as a shell gives it.

    Signals are passed on. What it prints on stderr is printed, but for lines of libraries.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "mmcli", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environ, _SPAWNED: "1"},
        start_new_session=True,  # a terminal would send it the signals that are passed on, too
    )

    def pass_on(number: int, _frame: Any) -> None:
        with suppress(ProcessLookupError):
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in handled() if number in SIGNALS}
    results = threading.Thread(target=_print_results, args=(child.stdout,))
    results.start()
    try:
        has_error, is_fatal = False, False
        for line in child.stderr or ():
            is_fatal |= _FATAL.match(line) is not None
            if not is_fatal and not _NOISE.match(line):
                has_error |= line.startswith(_ERROR)
                click.echo(line, err=True, nl=False)
        results.join()
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if is_fatal and not has_error:
        raise LostProcessError(LOST)
    if is_fatal:
        return LostProcessError.exit_code
    if code < 0 and not has_error:
        click.echo(f"mmcli: error: ended by {signal.Signals(-code).name}; {LOST.partition('; ')[2]}", err=True)
    return 128 - code if code < 0 else code


def _print_results(lines: IO[bytes] | None) -> None:
    """Print the lines of stdout, but for those of libraries."""
    for line in lines or ():
        if not _NOISE.match(line):
            click.echo(line, nl=False)
