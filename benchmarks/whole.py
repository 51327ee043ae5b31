"""A whole `mmcli train` in wall time and peak memory, on one core and on two; and how soon `mmcli --help` answers."""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cores import limit_cores

HELP_CALLS = 10


class Usage(NamedTuple):
    """What a process took."""

    seconds: float  # wall time
    peak_bytes: int  # largest resident set


def measure(arguments: Sequence[str]) -> Usage:
    """Run mmcli in a process of its own; its stderr goes where ours goes, its stdout nowhere."""
    command = [sys.executable, "-m", "mmcli", *arguments]
    silenced = [(os.POSIX_SPAWN_OPEN, sys.stdout.fileno(), os.devnull, os.O_WRONLY, 0)]
    begun = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, os.environ, file_actions=silenced)
    # Not RUSAGE_CHILDREN: that is the largest of all children so far.
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - begun
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"mmcli {' '.join(arguments)}: failed")
    return Usage(seconds, usage.ru_maxrss * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="configs/mnist_arabic.yaml", help="[configs/mnist_arabic.yaml]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of mmcli train")
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 1], help="[2 1]")
    arguments = parser.parse_args()

    calls = sorted(measure(["--help"]).seconds for _ in range(HELP_CALLS))
    print(
        f"mmcli --help  median {statistics.median(calls):.3f} s  minimum {calls[0]:.3f} s  of {HELP_CALLS}", flush=True
    )
    overrides = [word for override in arguments.set for word in ("--set", override)]
    for cores in sorted(arguments.cores, reverse=True):  # what is given up cannot be taken back
        limit_cores(cores)
        with tempfile.TemporaryDirectory() as folder:
            run = str(Path(folder) / "run")
            usage = measure(["train", arguments.config, "-o", run, *overrides])
        print(f"cores {cores}  {usage.seconds:.1f} s  {usage.peak_bytes / 2**20:.0f} MiB at the peak", flush=True)


if __name__ == "__main__":
    main()
