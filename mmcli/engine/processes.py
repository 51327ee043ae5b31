"""The processes that train one model together: how they meet, and what ends all of them.

jax finds the others by Slurm's or Open MPI's variables, or by what the command line gives. Its heartbeats end all
processes where one is lost; the sums between processes fail before that where the system closes its connections.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import NamedTuple

import jax
import numpy as np

from mmcli.engine import exchange
from mmcli.errors import LostProcessError, MmcliError, UsageError
from mmcli.util.asked_device import asked_device
from mmcli.util.meeting import LOST, START_SECONDS, Meeting
from mmcli.util.text import shown

HEARTBEAT_SECONDS = 30  # without a sign of a process, after which it is lost
END_SECONDS = 10  # for all processes to leave
# Words in errors of sums and exchanges that end because another process did.
_SIGNS = ("Gloo", "NCCL", "coordination", "UNAVAILABLE", "DEADLINE_EXCEEDED")


class Processes(NamedTuple):
    """A process among those of a run."""

    number: int  # from 0
    num_processes: int


def join(meeting: Meeting) -> Processes:
    """Meet the other processes; jax's devices must not have started.

    On CPUs the blocks are shared out evenly, a device of jax for each; a GPU is one block.

    Raises:
        UsageError: there is no cluster, or the blocks cannot be shared out.
        LostProcessError: the others did not come.
    """
    # SIGTERM is the command's, which saves the run.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            meeting.coordinator,
            meeting.num_processes,
            meeting.number,
            initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=END_SECONDS,
        )
    except (ValueError, TypeError):
        remedy = "start it by srun or mpirun, or give --coordinator HOST:PORT, --processes N and --process I"
        raise UsageError(f"--distributed: no Slurm or Open MPI job here; {remedy}") from None
    except RuntimeError as error:
        where = f" at {meeting.coordinator}" if meeting.coordinator else ""
        text = f"not all processes met{where} within {START_SECONDS} s; see what the others print"
        raise LostProcessError(f"{text} ({shown(str(error), 120)})") from None
    # The public functions give the number only when jax's devices have started, whose number depends on it.
    met = import_module("jax._src.distributed").global_state
    count: int = met.num_processes
    if meeting.blocks % count:
        raise UsageError(
            f"--blocks {meeting.blocks}: {count} processes cannot share them evenly; give a multiple of {count}"
        )
    if asked_device.get() != "gpu":
        jax.config.update("jax_num_cpu_devices", meeting.blocks // count)
    return Processes(met.process_id, count)


def connect(blocks: int) -> None:
    """Make the connections over which sums go, while all processes are there; jax's devices have started.

    Raises:
        UsageError: there are not as many devices as blocks.
        LostProcessError: another process ended.
    """
    if jax.device_count() != blocks:
        text = f"the processes have {jax.device_count()} GPUs, and each holds a block"
        raise UsageError(f"--blocks {blocks}: {text}; give --blocks {jax.device_count()}")
    with lost_processes():
        exchange.every(np.zeros(1, np.uint32))


@contextmanager
def lost_processes() -> Iterator[None]:
    """Turn errors of sums and exchanges that end because another process did into a LostProcessError.

    Raises:
        LostProcessError: another process ended.
    """
    try:
        yield
    except MmcliError:
        raise
    except Exception as error:
        if jax.process_count() == 1 or not any(sign in str(error) for sign in _SIGNS):
            raise
        raise LostProcessError(f"{LOST} ({shown(str(error), 160)})") from None
