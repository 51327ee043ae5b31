"""The process that computes: its CPU threads, and the facts that meta.json records."""

import os
import platform
import shlex
from importlib.metadata import version
from typing import Any

from mmcli.config.model import Config
from mmcli.data.dataset import Datasets
from mmcli.data.labels import LabelSet
from mmcli.runs.writer import RunDirectory
from mmcli.util.version import __version__


def set_threads(threads: int) -> None:
    """Let jax compute with so many CPU threads; it reads the number once, when it is imported."""
    os.environ["PJRT_NPROC"] = str(threads)


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts_of(config: Config, datasets: Datasets, threads: int) -> dict[str, Any]:
    """Facts for meta.json before a run begins: versions, seed, threads and data."""
    packages = ("jax", "jaxlib", "numpy")
    return {
        "versions": {
            "mmcli": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "seed": config.seed,
        "threads": threads,
        "items": datasets.num_items,
        "columns": datasets.widths,
        "data": dict(datasets.digests),
        # By the name of the data, as in every meta.json.
        "labels": {
            str(config.modules[name].labels): LabelSet.of(labels).record() for name, labels in datasets.labels.items()
        },
    }


def resume_command(run: RunDirectory) -> str:
    """The command that resumes a run."""
    return shlex.join(["mmcli", "train", str(run.config), "-o", str(run.path), "--resume"])
