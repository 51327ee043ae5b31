"""Compose probabilistic modules into multimodal models, and train them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmcli.util.version import __version__

if TYPE_CHECKING:
    from mmcli.workflows.api import train
    from mmcli.workflows.check import check
    from mmcli.workflows.clusterer import MultimodalClusterer
    from mmcli.workflows.trained_run import TrainedRun, load_run

__all__ = ["MultimodalClusterer", "TrainedRun", "__version__", "check", "load_run", "train"]

_HOMES = {
    "MultimodalClusterer": "mmcli.workflows.clusterer",
    "TrainedRun": "mmcli.workflows.trained_run",
    "check": "mmcli.workflows.check",
    "load_run": "mmcli.workflows.trained_run",
    "train": "mmcli.workflows.api",
}


def __getattr__(name: str) -> Any:
    # `import mmcli` stays fast: what a name needs is imported with its first use.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mmcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
