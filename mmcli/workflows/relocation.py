"""Current locations of a run's data files. SHA-256 is the identity of data; a path only records where they were."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from mmcli.config.graph import Graph
from mmcli.config.model import DataSource, Places
from mmcli.config.problems import located
from mmcli.config.reader import Config, read_settings
from mmcli.data.access import digest
from mmcli.data.dataset import Datasets
from mmcli.errors import DataError, MmcliError, UsageError
from mmcli.runs.layout import is_run
from mmcli.runs.reader import RunFiles
from mmcli.util.text import shown

Recorded: TypeAlias = Mapping[tuple[str, str], str]  # (section, name of the data): SHA-256 of the file learned from

_FILE = re.compile(r"(data|test)\.([^.]+)\.file")
_ARRAY = re.compile(r"(data)\.([^.]+)\.array")


def recorded_digests(settings: Mapping[str, Any], digests: Mapping[str, Any]) -> Recorded:
    """The SHA-256 of the data that a run learned from, by the names that its config gives them.

    Held-out data have one only where they lie in a file that was learned from.

    Args:
        settings: of the run as it was written, by dotted key.
        digests: by path, as written.
    """
    paths = {(match[1], match[2]): path for key, path in settings.items() if (match := _FILE.fullmatch(key))}
    files = {keys: digests[path] for keys, path in paths.items() if isinstance(path, str) and path in digests}
    return files | {(match[1], match[2]): sha for key, sha in settings.items() if (match := _ARRAY.fullmatch(key))}


def recorded_by(run: RunFiles) -> Recorded:
    """SHA-256 of the data of a run directory, as of `recorded_digests`.

    Raises:
        ConfigError, DamagedRunError: it does not record them.
    """
    return recorded_digests(read_settings(run.config), run.data_digests())


def relocated(config: Config, recorded: Recorded, root: Path | None) -> Config:
    """The same config with its data files below `root`, those that are there.

    A file is looked for at the end of its path below `root`, the longest end first. It is taken if its SHA-256 is the
    recorded one. Without a record it is taken if there is just one content that could be meant.

    Raises:
        UsageError: `root` is no folder.
        DataError: a file below it cannot be read.
    """
    if root is None:
        return config
    if not root.is_dir():
        raise UsageError(f"--data-root {shown(str(root))}: no such folder")
    digest_of = cache(digest)

    def moved(section: str, sources: Mapping[str, DataSource]) -> dict[str, DataSource]:
        found = dict(sources)
        for name, source in sources.items():
            fitting = _fitting(source, recorded, section, root, digest_of)
            if len({digest_of(file) for file in fitting}) == 1:
                found[name] = replace(source, file=fitting[0])
        return found

    return replace(config, data=moved("data", config.data), test=moved("test", config.test))


def relocated_for_resuming(config: Config, graph: Graph, path: Path, root: Path | None) -> Config:
    """Config that resumes the run at `path`, if there is one, with its data files where they are now.

    Raises:
        UsageError, DataError: as `relocated` and `refuse_missing`.
    """
    recorded: Recorded = {}
    with suppress(MmcliError):  # a damaged run is refused when it resumes
        recorded = recorded_by(RunFiles.look(path))
    config = relocated(config, recorded, root)
    if root is not None or is_run(path):
        refuse_missing(config.data, config.places, "data", graph, recorded, root)
    return config


def refuse_missing(
    sources: Mapping[str, DataSource],
    places: Places,
    section: str,
    graph: Graph,
    recorded: Recorded,
    root: Path | None,
) -> None:
    """Raise DataError where data that the graph uses are not where they were, nor below `root`; a line for each."""
    nodes = graph.nodes.values()
    named = (node.config for node in nodes)
    used = {str(name) for config in named for name in (config.data, config.labels, config.sequence)} & sources.keys()
    used |= {mask for name in used if (mask := sources[name].known) is not None} & sources.keys()
    problems = []
    for name, source in sources.items():
        keys = (section, name)
        is_there = source.array is not None or source.file.exists() or source.file.is_symlink()
        if name in used and not is_there:
            text = f"{shown(str(source.file))}: no such file; {_remedy(source, recorded, section, root)}"
            problems.append(located(places.of(keys), keys, text))
    if problems:
        raise DataError("\n".join(problems))


def refuse_changed(run: RunFiles, recorded: Recorded, sources: Mapping[str, DataSource], datasets: Datasets) -> None:
    """Raise DataError where datasets are not those that a run learned from, wherever they lie."""
    for name, source in sources.items():
        found = datasets.digests.get(str(source.file))
        if found is not None and found != recorded.get(("data", name)):
            file = shown(str(source.file))
            raise DataError(f"{file}: not the file that {run.place} learned from (SHA-256 differs); bring it back")


def _fitting(
    source: DataSource, recorded: Recorded, section: str, root: Path, digest_of: Callable[[Path], str]
) -> list[Path]:
    """The files below a folder that can be the one of a source, the best first."""
    wanted = recorded.get((section, source.name))
    candidates = _candidates(source.file, root)
    if wanted is not None:
        return [file for file in candidates if digest_of(file) == wanted]
    # Held-out data are not the training data, although the two may have the same name.
    learned = set(recorded.values())
    return [file for file in candidates if digest_of(file) not in learned]


def _candidates(file: Path, root: Path) -> list[Path]:
    """The files below a folder whose path ends as that of a file, the longest end first."""
    parts = file.parts[1:]
    places = (root.joinpath(*parts[start:]) for start in range(len(parts)))
    return [place.resolve() for place in places if place.is_file()]


def _remedy(source: DataSource, recorded: Recorded, section: str, root: Path | None) -> str:
    if root is None:
        return "if it was moved, name its new folder by --data-root"
    where, candidates = shown(str(root)), _candidates(source.file, root)
    if not candidates:
        return f"nor is there a {shown(source.file.name)} in {where} (--data-root)"
    fitting = _fitting(source, recorded, section, root, digest)
    if len(fitting) > 1:
        return f"{_both(fitting)} differ, and the run has no SHA-256 of it: name a folder with one of them"
    return f"{shown(str(candidates[0]))} has another SHA-256 than the file that was learned from"


def _both(files: Iterable[Path]) -> str:
    first, second, *_ = files
    return f"{shown(str(first))} and {shown(str(second))}"
