"""Seeds and grids of the command line -> the resolved configs of a sweep, one a point."""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmcli.config.graph import Graph, build_graph
from mmcli.config.model import Config
from mmcli.config.reader import dump_config, load_config, plain_config
from mmcli.config.source import is_stream, split_values
from mmcli.errors import UsageError
from mmcli.util.text import shown

MAX_POINTS = 10_000  # each is a process, and a folder of files
MAX_SEED = 2**32 - 1
SEED = "seed"

_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)


class Axis(NamedTuple):
    """One --grid: a key of the config and its values, as text in YAML."""

    key: str
    values: list[str]

    def overrides(self) -> list[str]:
        """KEY=VALUE for each value."""
        return [f"{self.key}={value}" for value in self.values]


class Resolved(NamedTuple):
    """A point that is not on disk yet."""

    settings: dict[str, Any]  # value of each key of the grid
    config: Config
    graph: Graph


def parse_seeds(text: str) -> list[int]:
    """Seeds of "0-19", "3" or "0-4,1000": in the order written, each once.

    Raises:
        UsageError: the text is something else.
    """
    option = f"--seeds {shown(text, 60)}"
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"{option}: {shown(part, 30)!r} is no seed and no range; write 0-19, or 3,5,8")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UsageError(f"{option}: {part.strip()} has its ends exchanged; write {last}-{first}")
        if last > MAX_SEED:
            raise UsageError(f"{option}: a seed is at most {MAX_SEED}")
        if last - first >= MAX_POINTS:
            raise UsageError(f"{option}: {last - first + 1} seeds; a sweep has at most {MAX_POINTS} points")
        for seed in range(first, last + 1):
            if seed in seeds:
                raise UsageError(f"{option}: {seed} is named twice")
            seeds[seed] = None
    return list(seeds)


def parse_axes(texts: Sequence[str]) -> list[Axis]:
    """Axes of the grid, one a KEY=V1,V2,... whose values are YAML: modules.mlda.weights=[100, 100],[200, 200].

    Raises:
        UsageError: a text is something else, or a key comes twice.
    """
    axes: list[Axis] = []
    for text in texts:
        option = f"--grid {shown(text, 60)}"
        key, equals, values_text = text.partition("=")
        key, values = key.strip(), split_values(values_text)
        if not equals or not key or not values:
            raise UsageError(f"{option}: must be KEY=VALUE,VALUE,..., such as modules.gmm.num_classes=8,10,12")
        if key == SEED:
            raise UsageError(f"{option}: seeds are given by --seeds")
        if key in (axis.key for axis in axes):
            raise UsageError(f"{option}: {shown(key, 60)} is in another --grid; name all its values in one")
        axes.append(Axis(key, values))
    return axes


def resolve(
    config: str,
    axes: Sequence[Axis],
    seeds: Sequence[int] | None,
    overrides: Sequence[str] = (),
    *,
    trust_code: bool = False,
) -> list[Resolved]:
    """Resolve the config of every point, all its combinations under every seed; no data are read.

    Args:
        config: path of a YAML file, as typed.
        axes: of the grid.
        seeds: None is the config's own.
        overrides: as of `load_config`, of every point.
        trust_code: whether module types that the config names by import path are imported.

    Raises:
        ConfigError: of the first combination that has problems.
        UsageError: two combinations are the same, or there are too many.
    """
    if is_stream(config):
        raise UsageError(f"{config}: a sweep reads its config once for each combination; write it to a file")
    num_points = len(seeds or [0])
    for axis in axes:
        num_points *= len(axis.values)
    if num_points > MAX_POINTS:
        raise UsageError(f"{num_points} points; a sweep has at most {MAX_POINTS}: name fewer seeds or values")
    combinations: dict[str, str] = {}
    points: list[Resolved] = []
    for grid in itertools.product(*(axis.overrides() for axis in axes)):
        loaded = load_config(config, overrides, grid=grid, trust_code=trust_code)
        text, named = dump_config(loaded), shown(" ".join(grid), 80)
        if text in combinations:
            raise UsageError(f"--grid: {combinations[text]} and {named} are the same point; remove one")
        combinations[text] = named
        points.extend(_seeded(loaded, axes, seeds))
    return points


def _seeded(config: Config, axes: Sequence[Axis], seeds: Sequence[int] | None) -> Iterator[Resolved]:
    """A combination under every seed."""
    graph, plain = build_graph(config), plain_config(config)
    settings = {axis.key: _value(plain, axis.key) for axis in axes}
    for seed in [config.seed] if seeds is None else seeds:
        yield Resolved(settings, dataclasses.replace(config, seed=seed), graph)


def _value(plain: Mapping[str, Any], key: str) -> Any:
    """Value at a dotted key; None where the config leaves it out."""
    value: Any = plain
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
