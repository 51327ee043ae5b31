"""A config file -> a checked, frozen `Config`, and back. All problems of a file are reported at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmcli.config.model import Config, DataSource, ModuleConfig, Place, Places
from mmcli.config.problems import Problems, dotted, got
from mmcli.config.schema import Checker
from mmcli.config.source import CoreDumper, Reader, is_stream, read_text
from mmcli.util.text import shown

__all__ = [
    "Config",
    "DataSource",
    "ModuleConfig",
    "config_differences",
    "dump_config",
    "load_config",
    "plain_config",
    "read_settings",
    "settings_of",
]


def load_config(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    seed: int | None = None,
    rounds: int | None = None,
    *,
    is_resolved: bool = False,
    trust_code: bool = False,
) -> Config:
    """Read and check a config file.

    Args:
        path: as the user typed it; errors show it so. - is stdin; what comes by a pipe has its paths relative to the
            working directory.
        overrides: "modules.vae.epochs=20": a value in YAML, checked as if it stood in the file.
        seed: replaces the file's, and any override.
        rounds: the same.
        is_resolved: whether mmcli wrote it: a $ in a path is then a character as any other.
        trust_code: whether module types that it names by import path are imported.

    Raises:
        ModuleTypeError: there is no fault but types that cannot be used.
        ConfigError: every problem of the file and the overrides, one line each, in the order of the file.
    """
    root, reader = _read_mapping(path)
    problems = reader.problems
    for number, text in enumerate(overrides):
        _override(root, reader.places, text, number, problems)
    for number, (key, value) in enumerate({"seed": seed, "rounds": rounds}.items(), len(overrides)):
        if value is not None:
            place = Place(True, number, 0, f"--{key} {value}", (key,))
            _assign(root, reader.places, (key,), value, place, problems)
    file = Path("stdin" if is_stream(os.fspath(path)) else path)  # a run is called after it
    checker = Checker(problems, reader.places, is_resolved=is_resolved, trust_code=trust_code)
    config = checker.config(file, root)
    if problems.found:
        raise problems.error()
    return config


def read_settings(path: Path) -> dict[str, Any]:
    """Every value of a resolved config by its dotted key (modules.vae.epochs); a list is one value.

    No value is checked, so that runs of any version of mmcli can be read.

    Raises:
        ConfigError: not a mapping in YAML.
    """
    root, reader = _read_mapping(path)
    if reader.problems.found:
        raise reader.problems.error()
    return dict(_leaves(root, ""))


def settings_of(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `plain_config` by dotted key, as `read_settings` gives them."""
    return dict(_leaves(plain, ""))


def dump_config(config: Config) -> str:
    """The config as YAML, every default filled in and data paths absolute; `load_config` gives an equal one."""
    return yaml.dump(
        plain_config(config),
        Dumper=CoreDumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=120,
    )


def plain_config(config: Config) -> dict[str, Any]:
    """What `dump_config` writes, as plain values: two configs that ask for the same run give equal ones."""
    modules: dict[str, dict[str, Any]] = {}
    for name, module in config.modules.items():
        links = {"type": module.type, "data": module.data, "inputs": list(module.inputs), "labels": module.labels}
        written = {key: value for key, value in links.items() if value}
        modules[name] = written | module.options.model_dump(mode="json")
    top: dict[str, Any] = {
        "seed": config.seed,
        "rounds": config.rounds,
        "messages": config.messages,
        "checkpoint_every": config.checkpoint_every,
    }
    data = {"data": _written(config.data)} | ({"test": _written(config.test)} if config.test else {})
    return top | data | {"modules": modules}


def config_differences(before: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, str]:
    """What differs between two plain configs: by key the value before and the value asked for, in words."""
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
    """Entries of `data` or `test`, without what was left out."""
    written: dict[str, dict[str, str | bool]] = {}
    for name, source in sources.items():
        written[name] = {"file": str(source.file)}
        for key in ("key", "known", "missing", "header"):
            if (value := getattr(source, key)) is not None:
                written[name][key] = value
    return written


def _override(root: dict[str, Any], places: Places, text: str, number: int, problems: Problems) -> None:
    """Apply one KEY=VALUE of the command line."""
    place = Place(True, number, 0, f"--set {shown(text, 80)}")
    path, equals, value_text = text.partition("=")
    keys = tuple(path.strip().split("."))
    if not equals or not all(keys):
        problems.add(place, (), "must be KEY=VALUE, such as modules.vae.epochs=20")
        return
    place = place._replace(names=keys)
    num_problems = len(problems.found)
    value = Reader(lambda *_: place, problems, keys).read(value_text)
    if len(problems.found) == num_problems:
        _assign(root, places, keys, value, place, problems)


def _assign(
    root: dict[str, Any], places: Places, keys: tuple[str, ...], value: Any, place: Place, problems: Problems
) -> None:
    """Put a value at the end of a path, mappings made on the way, and remember who said so."""
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


def _read_mapping(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Reader]:
    """The values of a config file, and the reader that has their places and problems."""
    name = shown(os.fspath(path))
    problems = Problems()
    reader = Reader(lambda line, column: Place(False, line, column, f"{name}:{line}:{column}"), problems)
    root = reader.read(read_text(os.fspath(path)))
    if not isinstance(root, dict):
        if not problems.found:
            problems.add(reader.places.of(()), (), f"must be a mapping with the key modules (got {got(root)})")
        raise problems.error()
    return root, reader


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
