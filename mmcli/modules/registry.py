"""Module types by name. No jax: a type's mathematics is imported when it is built."""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmcli.modules.spec import ModuleSpec, Options, Port, Rule

if TYPE_CHECKING:
    from mmcli.modules.api import Module

# Where the spec of each type is, as "package.module:attribute".
BUILT_IN = {name: f"mmcli.modules.{name}.spec:SPEC" for name in ("observation", "vae", "gmm", "mlda")}


def type_names() -> list[str]:
    """Names of all module types."""
    return list(BUILT_IN)


def find_spec(name: str) -> ModuleSpec:
    """The module type of a name.

    Raises:
        KeyError: there is none.
    """
    spec: ModuleSpec = _load(BUILT_IN[name])
    return spec


def build(spec: ModuleSpec, options: Options, ports: Sequence[Port], rule: Rule) -> "Module[Any]":
    """A module of a type; this imports jax.

    Args:
        spec: of a type that has inputs.
        options: an instance of `spec.options`.
        ports: kind and width of each input, in the order of the config.
        rule: what a backward message leaves out.
    """
    module: Module[Any] = _load(spec.build)(options, tuple(ports), rule)
    return module


def _load(path: str) -> Any:
    """The object at "package.module:attribute"."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
