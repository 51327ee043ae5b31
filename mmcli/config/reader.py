"""A config file -> a checked, frozen `Config`, and back. All problems of a file are reported together."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmcli.config.extends import EXTENDS, ConfigSource, path_of, read_alone, read_extended
from mmcli.config.model import Config, DataSource, Keys, ModuleConfig, Place, Places
from mmcli.config.problems import Problems, dotted, got
from mmcli.config.schema import Checker
from mmcli.config.source import CoreDumper, Reader
from mmcli.util.text import listed, shown, suggestion

__all__ = [
    "Config",
    "ConfigSource",
    "DataSource",
    "ModuleConfig",
    "config_differences",
    "dump_config",
    "load_config",
    "plain_config",
    "read_settings",
    "settings_of",
]

_OF_ROWS = ("known", "missing")  # keys of an entry of `data` on its rows, wherever they come from


def load_config(
    source: ConfigSource,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    rounds: int | None = None,
    *,
    grid: Sequence[str] = (),
    arrays: Mapping[str, str] | None = None,
    is_resolved: bool = False,
    trust_code: bool = False,
) -> Config:
    """Read and check a config.

    Args:
        source: a path as the user typed it, and as errors show it. - is stdin; paths in a config from a pipe are
            relative to the working directory, as those of a mapping are, and those of a file that it extends to that.
        overrides: "modules.vae.epochs=20": a value in YAML, checked as if it stood in the file.
        seed: replaces the file's, and any override.
        rounds: the same.
        grid: as `overrides`, and after them, for a point of a sweep: errors name --grid, and no entry is made.
        arrays: SHA-256 of each array in memory by its name under `data`, where it takes the place of a file.
        is_resolved: whether mmcli wrote it: a $ in a path is then an ordinary character.
        trust_code: whether module types that it names by import path are imported.

    Raises:
        ModuleTypeError: there is no fault but types that cannot be used.
        ConfigError: every problem of the file and the overrides, one line each, in the order of the file.
    """
    problems = Problems()
    root, places = read_extended(source, problems)
    _put_arrays(root, places, arrays or {}, problems)
    options = [*(("--set", text) for text in overrides), *(("--grid", text) for text in grid)]
    for number, (option, text) in enumerate(options):
        _override(root, places, option, text, number, problems)
    for number, (key, value) in enumerate({"seed": seed, "rounds": rounds}.items(), len(options)):
        if value is not None:
            place = Place(True, number, 0, f"--{key} {value}", (key,))
            _assign(root, places, (key,), value, place, problems)
    checker = Checker(problems, places, is_resolved=is_resolved, trust_code=trust_code)
    config = checker.config(path_of(source), root)
    if problems.found:
        raise problems.error()
    return config


def read_settings(path: Path) -> dict[str, Any]:
    """Values of a resolved config by dotted key (modules.vae.epochs); a list is one value.

    No value is checked, so that runs of any version of mmcli can be read.

    Raises:
        ConfigError: not a mapping in YAML.
    """
    return dict(_leaves(read_alone(path), ""))


def settings_of(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `plain_config` by dotted key, as in `read_settings`."""
    return dict(_leaves(plain, ""))


def dump_config(config: Config) -> str:
    """Write a config as YAML, every default filled in and data paths absolute; `load_config` reads an equal one."""
    return yaml.dump(
        plain_config(config),
        Dumper=CoreDumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=120,
    )


def plain_config(config: Config) -> dict[str, Any]:
    """Plain values of `dump_config`; equal for two configs that request the same run."""
    modules: dict[str, dict[str, Any]] = {}
    for name, module in config.modules.items():
        links = {
            "type": module.type,
            "data": module.data,
            "inputs": list(module.inputs),
            "targets": list(module.targets),
            "sequence": module.sequence,
            "labels": module.labels,
        }
        written = {key: value for key, value in links.items() if value}
        modules[name] = written | module.options.model_dump(mode="json")
    top: dict[str, Any] = {
        "seed": config.seed,
        "rounds": config.rounds,
        "messages": config.messages,
        "search": config.search._asdict(),
        "checkpoint_every": config.checkpoint_every,
    }
    data = {"data": _written(config.data)} | ({"test": _written(config.test)} if config.test else {})
    return top | data | {"modules": modules}


def config_differences(before: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, str]:
    """Describe the differences between two plain configs: by key, the value before and the value asked for."""
    then, now = dict(_leaves(before, "")), dict(_leaves(asked, ""))
    differences = {}
    for key in then | now:
        if key not in then or key not in now or then[key] != now[key]:
            was, is_now = (got(values[key]) if key in values else "left out" for values in (then, now))
            differences[shown(key, 120)] = f"{was} before, {is_now} now"
    if not differences and [*before["modules"]] != [*asked["modules"]]:
        differences["modules"] = "in another order"
    return differences


def _written(sources: Mapping[str, DataSource]) -> dict[str, dict[str, str | bool]]:
    """Entries of `data` or `test`, without values left at None."""
    written: dict[str, dict[str, str | bool]] = {}
    for name, source in sources.items():
        written[name] = {"file": str(source.file)} if source.array is None else {"array": source.array}
        for key in ("key", "known", "missing", "header"):
            if (value := getattr(source, key)) is not None:
                written[name][key] = value
    return written


def _override(root: dict[str, Any], places: Places, option: str, text: str, number: int, problems: Problems) -> None:
    """Apply one KEY=VALUE of the command line."""
    place = Place(True, number, 0, f"{option} {shown(text, 80)}")
    path, equals, value_text = text.partition("=")
    keys = tuple(path.strip().split("."))
    if not equals or not all(keys):
        problems.add(place, (), "must be KEY=VALUE, such as modules.vae.epochs=20")
        return
    if keys[0] == EXTENDS:
        problems.add(place, (), f"{EXTENDS} is read before {option}; write it into a config")
        return
    place = place._replace(names=keys)
    if option == "--grid" and (unknown := _first_missing(root, keys)) is not None:
        problems.add(place, keys, unknown)
        return
    num_problems = len(problems.found)
    value = Reader(lambda *_: place, problems, keys).read(value_text)
    if len(problems.found) == num_problems:
        _assign(root, places, keys, value, place, problems)


def _first_missing(root: Mapping[str, Any], keys: Keys) -> str | None:
    """Problem of the first entry on the path to a value that the config lacks; None where all are there."""
    target: Any = root
    for depth, key in enumerate(keys[:-1], 1):
        if not isinstance(target, Mapping):
            break  # `_assign` reports it
        if key not in target:
            parent = dotted(keys[: depth - 1])
            hint = suggestion(str(key), target) or f"; there are {listed(target)}"
            return f"no entry {shown(str(key), 60)}{parent and f' under {parent}'}{hint}"
        target = target[key]
    return None


def _assign(
    root: dict[str, Any], places: Places, keys: tuple[str, ...], value: Any, place: Place, problems: Problems
) -> None:
    """Set a value at the end of a path, making mappings on the way, and record its place."""
    target = root
    for depth, key in enumerate(keys[:-1], 1):
        if key not in target:
            target[key] = {}
            places.put(keys[:depth], place)
        target = target[key]
        if not isinstance(target, dict):
            problems.add(place, keys, f"{dotted(keys[:depth])} is {got(target)}, not a mapping; set it as a whole")
            return
    target[keys[-1]] = value
    places.put(keys, place)


def _put_arrays(root: dict[str, Any], places: Places, arrays: Mapping[str, str], problems: Problems) -> None:
    """Name arrays under `data`, in place of files there; masks and missing rows stay as the config has them."""
    data = root.get("data")
    for number, (name, array) in enumerate(arrays.items(), -len(arrays)):
        entry = data.get(name) if isinstance(data, dict) else None
        kept = {key: value for key, value in entry.items() if key in _OF_ROWS} if isinstance(entry, dict) else {}
        place = Place(True, number, 0, f'data["{shown(name, 60)}"]', ("data", name))
        _assign(root, places, ("data", name), {"array": array, **kept}, place, problems)


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Values below a mapping, by dotted key."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
