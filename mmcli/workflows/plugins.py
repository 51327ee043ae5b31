"""The packages that the module types of a run come from, beside mmcli itself: recorded in meta.json and compared."""

from collections.abc import Mapping
from typing import Any

from mmcli.config.model import Config
from mmcli.modules.spec import Origin


def plugins_of(config: Config) -> dict[str, dict[str, Any]]:
    """Package and version of every type in use that is not mmcli's own, by the name of the type, for meta.json."""
    origins = {module.type: module.spec.origin for module in config.modules.values()}
    return {name: origin._asdict() for name, origin in origins.items() if origin is not None}


def recorded_plugins(facts: Mapping[str, Any]) -> dict[str, Origin]:
    """Plugins recorded in the facts of a run, as far as they can be read; runs of before plugins have none."""
    plugins = facts.get("plugins")
    if not isinstance(plugins, dict):
        return {}
    found = {}
    for name, entry in plugins.items():
        match entry:
            case {"package": str(package), "version": str() | None as version}:
                found[name] = Origin(package, version)
    return found


def plugin_changes(facts: Mapping[str, Any], config: Config) -> list[str]:
    """A line for each type of a config that comes from another package or version than the facts of its run record."""
    before = recorded_plugins(facts)
    lines = []
    for name, spec in {module.type: module.spec for module in config.modules.values()}.items():
        if before.get(name) != spec.origin:
            then, now = before.get(name) or "mmcli", spec.origin or "mmcli"
            lines.append(f"type {name} came from {then} and comes from {now}: results may differ")
    return lines
