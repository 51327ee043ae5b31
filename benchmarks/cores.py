"""Which cores a measurement may use. Imports nothing that counts cores."""

import os
import sys


def limit_cores(count: int) -> None:
    """Let this thread, and all that it starts, use only the first `count` of the cores it may use now."""
    allowed = sorted(os.sched_getaffinity(0))
    if count > len(allowed):
        sys.exit(f"{count} cores asked for, {len(allowed)} to be had: ask for fewer")
    os.sched_setaffinity(0, allowed[:count])


def restart_on_one_core() -> None:
    """Run this command again on one core, unless it is on one already.

    Libraries start a thread for each core as they are imported, and a limit set later does not bind those threads.
    """
    if len(os.sched_getaffinity(0)) > 1:
        limit_cores(1)
        os.execv(sys.executable, sys.orig_argv)
