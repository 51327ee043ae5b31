"""The computing process: its CPU threads, and the facts that meta.json records."""

import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from mmcli.config.model import Config
from mmcli.data.dataset import Datasets
from mmcli.data.labels import LabelSet
from mmcli.errors import UsageError
from mmcli.runs.writer import RunDirectory
from mmcli.util.version import __version__
from mmcli.workflows.partners import num_blocks
from mmcli.workflows.plugins import plugins_of
from mmcli.workflows.provenance import provenance_of

_THREADS = "PJRT_NPROC"  # the variable that jax reads once, as its devices start


def num_threads(asked: int | None, before: int | None) -> int:
    """CPU threads that jax computes with in this process.

    Args:
        asked: by the caller; None leaves the choice open.
        before: of the run to be resumed, if known.

    Raises:
        UsageError: jax has started with another number than was asked for, and keeps it.
    """
    if not has_jax_started():
        return asked or before or num_cores()
    running = _threads_at_start()
    if asked not in (None, running):
        text = f"threads: {asked} asked for, but jax computes with {running} in this process until it ends"
        raise UsageError(f"{text}; leave threads out, or train in a process of its own")
    return running


@contextmanager
def threads_set(threads: int) -> Iterator[None]:
    """Have jax compute with so many CPU threads if it starts inside; the environment is left as it was."""
    before, starts_here = os.environ.get(_THREADS), not has_jax_started()
    os.environ[_THREADS] = str(threads)
    try:
        yield
    finally:
        if starts_here and has_jax_started():
            _started_with[:] = [threads]
        if before is None:
            os.environ.pop(_THREADS, None)
        else:
            os.environ[_THREADS] = before


_started_with: list[int] = []  # the threads that jax started with inside `threads_set`, where it did


def _threads_at_start() -> int:
    """Threads of a jax that has started: as `threads_set` gave them, or as the environment does."""
    asked = next((os.environ[name] for name in (_THREADS, "NPROC") if os.environ.get(name, "").isdigit()), "0")
    return (_started_with or [int(asked) or num_cores()])[0]


def has_jax_started() -> bool:
    """Whether the devices of jax have started in this process, and their threads with them."""
    jax = sys.modules.get("jax")
    if jax is None:
        return False
    devices = jax.config.jax_num_cpu_devices
    try:  # jax refuses to change this number once its devices have started
        jax.config.update("jax_num_cpu_devices", devices + 1 if devices > 0 else 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", devices)
    return False


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts_of(config: Config, datasets: Datasets, threads: int) -> dict[str, Any]:
    """Facts for meta.json before a run begins: versions, plugins, provenance, seed, threads and data."""
    packages = ("jax", "jaxlib", "numpy")
    return {
        "versions": {
            "mmcli": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "plugins": plugins_of(config),
        **provenance_of(config.path),
        "seed": config.seed,
        "threads": threads,
        **({} if (blocks := num_blocks()) is None else {"blocks": blocks}),
        "items": datasets.num_items,
        "columns": datasets.widths,
        "data": dict(datasets.digests),
        # By the name of the data, as in every meta.json.
        "labels": {
            str(config.modules[name].labels): LabelSet.of(labels).record() for name, labels in datasets.labels.items()
        },
    }


def resume_command(config: Config, run: RunDirectory) -> str:
    """The command that resumes a run; in Python where a part of its data is in memory."""
    names = [name for name, source in config.data.items() if source.array is not None]
    if names:
        data = ", ".join(f"{name!r}: ..." for name in names)
        return f"mmcli.train({str(run.config)!r}, data={{{data}}}, output={str(run.path)!r}, resume=True)"
    return shlex.join(["mmcli", "train", str(run.config), "-o", str(run.path), "--resume"])
