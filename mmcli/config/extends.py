"""Values of a config and of the configs that it extends, merged, with the place of each."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mmcli.config.mapping import NAME, MappingReader
from mmcli.config.model import Keys, Place, Places
from mmcli.config.paths import expanded
from mmcli.config.problems import Problems, got
from mmcli.config.source import Reader, is_stream, read_text
from mmcli.errors import ConfigError
from mmcli.util.text import shown

ConfigSource: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]  # of a YAML file, or what it would hold
EXTENDS = "extends"


class Written(NamedTuple):
    """Plain values of a config as they were written, and the place of each."""

    values: dict[str, Any]
    places: Places


def path_of(source: ConfigSource) -> Path:
    """The path that paths in a config are relative to, whose stem names a run."""
    if isinstance(source, Mapping):
        return Path(NAME)
    return Path("stdin" if is_stream(os.fspath(source)) else source)


def read_extended(source: ConfigSource, problems: Problems) -> Written:
    """Read a config, and merge it over the one that it extends, over the one that that extends, and so on.

    A base that cannot be found is a problem at its `extends`; the values of those before it are merged.

    Args:
        source: a path as the user typed it, or a mapping.
        problems: collects errors; values that cannot be read are left out.

    Raises:
        ConfigError: a file is not a mapping in YAML.
    """
    if isinstance(source, Mapping):
        reader = MappingReader(problems)
        levels = [Written(reader.read(source), reader.places)]
    else:
        levels = [_parsed(read_text(os.fspath(source)), os.fspath(source), problems)]
    files = [path_of(source)]
    while isinstance(base := levels[-1].values.get(EXTENDS), str) and base:
        place = levels[-1].places.of((EXTENDS,))
        del levels[-1].values[EXTENDS]
        try:
            path = expanded(base, place.folder or files[0].parent)
            _refuse_cycle([*files, path])
            text = read_text(os.path.realpath(path), str(path))
        except (ConfigError, ValueError) as error:
            problems.add(place, (EXTENDS,), str(error))
            break
        levels.append(_parsed(text, str(path), problems, depth=len(levels)))
        files.append(path)
    merged = levels.pop()
    while levels:
        merged = _over(levels.pop(), merged)
    return merged


def read_alone(path: Path) -> dict[str, Any]:
    """Read the values of a config that extends no other.

    Raises:
        ConfigError: not a mapping in YAML.
    """
    problems = Problems()
    written = _parsed(read_text(os.fspath(path)), os.fspath(path), problems)
    if problems.found:
        raise problems.error()
    return written.values


def _parsed(text: str, path: str, problems: Problems, depth: int = 0) -> Written:
    """Parse the text of a config; `depth` is 0 for the config itself, 1 for its base, and so on.

    Raises:
        ConfigError: not a mapping in YAML.
    """
    name, folder = shown(path), Path(path).parent if depth else None

    def place_at(line: int, column: int) -> Place:
        return Place(False, line, column, f"{name}:{line}:{column}", depth=depth, folder=folder)

    reader = Reader(place_at, problems)
    num_problems = len(problems.found)
    values = reader.read(text)
    if not isinstance(values, dict):
        if len(problems.found) == num_problems:
            problems.add(reader.places.of(()), (), f"must be a mapping with the key modules (got {got(values)})")
        raise problems.error()
    return Written(values, reader.places)


def _refuse_cycle(files: list[Path]) -> None:
    """Raise ValueError where the last of these files, each of which extends the next, is among the others."""
    real = [os.path.realpath(file) for file in files]
    if real[-1] in real[:-1]:
        cycle = files[real.index(real[-1]) :]
        raise ValueError(f"a cycle: {' -> '.join(shown(str(file)) for file in cycle)}; leave one out")


def _over(own: Written, base: Written) -> Written:
    """Merge a config over its base. A value that only the base has keeps its place there."""
    values = _merged(base.values, own.values)
    paths = {(), *_paths(values, ())}
    tables = ((base.places.keys, own.places.keys), (base.places.values, own.places.values))
    kept = [{keys: place for keys, place in (below | above).items() if keys in paths} for below, above in tables]
    return Written(values, Places(*kept))


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings key by key, in the order of the base. Null removes a mapping; another type replaces it whole."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        if not isinstance(below, dict):
            merged[key] = value
        elif value is None:
            del merged[key]
        elif isinstance(value, dict) and value.get("type", below.get("type")) == below.get("type"):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged


def _paths(value: Any, keys: Keys) -> Iterator[Keys]:
    """The path of every value below a mapping or list."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple) else ()
    for key, entry in entries:
        yield (*keys, key)
        yield from _paths(entry, (*keys, key))
