"""Compose probabilistic modules into models that learn from several senses at once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmcli.workflows.trained_run import load_run

__all__ = ["load_run"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `import mmcli` stays fast: what reads runs is imported with the first use.
    if name == "load_run":
        return import_module("mmcli.workflows.trained_run").load_run
    raise AttributeError(f"module 'mmcli' has no attribute {name!r}")
