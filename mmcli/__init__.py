"""Compose probabilistic modules into models that learn from several senses at once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmcli.util.version import __version__

if TYPE_CHECKING:
    from mmcli.workflows.trained_run import load_run

__all__ = ["__version__", "load_run"]


def __getattr__(name: str) -> Any:
    # `import mmcli` stays fast: what reads runs is imported with the first use.
    if name == "load_run":
        return import_module("mmcli.workflows.trained_run").load_run
    raise AttributeError(f"module 'mmcli' has no attribute {name!r}")
