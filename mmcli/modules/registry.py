"""Module types by name: mmcli's own, those of installed packages, and, where it is allowed, any by its import path.

A package offers a type by an entry point of the group `mmcli.modules`, name = "package.module:SPEC"; it is imported
when a config uses the type or `mmcli modules` lists it. No jax: a type's mathematics is imported when it is built.
"""

import importlib
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from typing import TYPE_CHECKING, Any

from mmcli.modules.guard import guarded
from mmcli.modules.spec import ModuleSpec, Options, Origin, Port, Rule

if TYPE_CHECKING:
    from mmcli.modules.api import Module

GROUP = "mmcli.modules"
OWN = ("observation", "vae", "gmm", "mlda", "markov", "mixture", "merge")
# Where the spec of each is, as "package.module:attribute".
BUILT_IN = {name: f"mmcli.modules.{name}.spec:SPEC" for name in OWN}

IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class UnknownTypeError(LookupError):
    """No module type has that name."""


class UnusableTypeError(Exception):
    """A module type cannot be used: its package is broken or hidden, or its code is not trusted."""


def type_names() -> list[str]:
    """Names of all module types, mmcli's own first; those of a broken package are among them."""
    return [*BUILT_IN, *(name for name in sorted(_entry_points()) if name not in BUILT_IN)]


def find_spec(name: str, *, trust_code: bool = False) -> ModuleSpec:
    """The module type of a name.

    Args:
        name: of a type, or its import path, package.module:SPEC.
        trust_code: whether an import path may be imported, which runs its code.

    Returns:
        The spec; the functions of one that is not mmcli's own raise ModuleError where they fail.

    Raises:
        UnknownTypeError: there is none.
        UnusableTypeError: it is there, and cannot be imported or must not be.
    """
    if name in BUILT_IN:
        spec: ModuleSpec = _load(BUILT_IN[name])
        return spec
    if IMPORT_PATH.fullmatch(name):
        if not trust_code:
            raise UnusableTypeError("code outside the types that are installed; --trust-code imports and runs it")
        return _imported(name, None, _origin_of(name))
    offers = _entry_points().get(name, [])
    if not offers:
        raise UnknownTypeError(name)
    origins = [origin_of(offer) for offer in offers]
    if len(offers) > 1:
        raise UnusableTypeError(f"offered by {' and by '.join(map(str, origins))}; uninstall all but one")
    return _imported(offers[0].value, name, origins[0])


def list_types() -> tuple[dict[str, ModuleSpec], dict[str, str]]:
    """Every type that has a name and can be used, and why the others cannot, by name."""
    usable, unusable = {}, {}
    for name in type_names():
        try:
            usable[name] = find_spec(name)
        except UnusableTypeError as error:
            unusable[name] = str(error)
    return usable, unusable


def hidden_types() -> dict[str, list[Origin]]:
    """Packages that offer a type under the name of one of mmcli's own, which is used instead, by the name."""
    return {name: list(map(origin_of, offers)) for name, offers in _entry_points().items() if name in BUILT_IN}


def build(spec: ModuleSpec, options: Options, ports: Sequence[Port], rule: Rule) -> "Module[Any]":
    """Build a module of a type; this imports jax.

    Args:
        spec: of a type that has inputs.
        options: an instance of `spec.options`.
        ports: kind and width of each input, in the order of the config.
        rule: content that a backward message leaves out.

    Raises:
        UnusableTypeError: its mathematics cannot be imported.
    """
    try:
        function = _load(spec.build)
    except (ImportError, AttributeError) as error:
        raise UnusableTypeError(f"type {spec.name}: {spec.build} cannot be imported: {error}") from error
    module: Module[Any] = function(options, tuple(ports), rule)
    return module


def origin_of(offer: EntryPoint) -> Origin:
    """The package that an entry point belongs to."""
    return Origin("an unknown package", None) if offer.dist is None else Origin(offer.dist.name, offer.dist.version)


def _entry_points() -> dict[str, list[EntryPoint]]:
    """Entry points of installed packages, by the name of the type."""
    offers: dict[str, list[EntryPoint]] = {}
    for offer in entry_points(group=GROUP):
        offers.setdefault(offer.name, []).append(offer)
    return offers


def _imported(path: str, name: str | None, origin: Origin) -> ModuleSpec:
    """The spec at a path, with its origin, after checks that need no jax; `name` is that of its entry point, if any.

    Raises:
        UnusableTypeError: somebody else's code fails, or is no spec of that name.
    """
    try:
        return guarded(replace(_checked(_load(path), name), origin=origin))
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if name is None:
            text = f"{reason}; mend it, or add its folder to PYTHONPATH"
        else:
            text = f"{origin}: {path}: {reason}; mend or uninstall it"
        raise UnusableTypeError(text) from error


def _checked(spec: Any, name: str | None) -> ModuleSpec:
    """A spec that is one, whose name is right and whose mathematics is there."""
    if not isinstance(spec, ModuleSpec):
        raise TypeError(f"{type(spec).__name__} where a ModuleSpec is expected")
    if name is not None and spec.name != name:
        raise ValueError(f"the spec is called {spec.name} where its entry point is called {name}")
    module = spec.build.partition(":")[0]
    if not spec.is_source and importlib.util.find_spec(module) is None:
        raise ModuleNotFoundError(f"build is {spec.build}, and there is no module {module}")
    return spec


def _origin_of(path: str) -> Origin:
    """The package that holds the code at an import path."""
    package = path.partition(":")[0].partition(".")[0]
    owners = packages_distributions().get(package, [])
    return Origin(owners[0], version(owners[0])) if owners else Origin(package, None)


def _load(path: str) -> Any:
    """The object at "package.module:attribute"."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
