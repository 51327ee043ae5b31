"""Which data a command asks a trained graph about: those named on the command line, or in the run's config."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mmcli.errors import DataError, UsageError
from mmcli.formats import array_names, is_table
from mmcli.spec import Config, DataSource, Place, Places
from mmcli.wording import listed, shown, suggestion


class Sources(NamedTuple):
    """Where to read what the senses perceive."""

    sources: Mapping[str, DataSource]  # by the names of the config's `data`
    places: Places
    section: str  # of the config; its name stands in errors


def choose(config: Config, named: Sequence[str], *, test: bool, without: Collection[str]) -> Sources:
    """The data of a command.

    Args:
        config: of the run.
        named: FILE, an .npz that holds arrays of the config's keys, or NAME=FILE.
        test: the config's held-out data, instead.
        without: names of data to leave out.

    Raises:
        UsageError: a name is unknown, a file is not there or holds none of the data, or nothing is left.
    """
    for name in without:
        _known_name(config, name, f"--without {shown(name, 60)}")
    if named and test:
        raise UsageError("--data and --test exclude each other; leave one out")
    if named:
        chosen = _from_command_line(config, named)
    elif test:
        if not config.test:
            raise UsageError("--test: the run's config names no held-out data under test:; use --data")
        chosen = Sources(config.test, config.places, "test")
    else:
        chosen = Sources(config.data, config.places, "data")
    left = {name: source for name, source in chosen.sources.items() if name not in without}
    senses = {module.data for module in config.modules.values()}
    if not senses & left.keys():
        raise UsageError(f"no sense is left to go by; give one of {listed(sorted(filter(None, senses)))}")
    return chosen._replace(sources=left)


def _from_command_line(config: Config, named: Sequence[str]) -> Sources:
    places = Places({}, {})
    places.put((), Place(True, 0, 0, "--data"))
    sources: dict[str, DataSource] = {}
    for number, text in enumerate(named):
        option = f"--data {shown(text, 80)}"
        for name, source in _named_by(config, text, option).items():
            sources[name] = source
            places.put(("data", name), Place(True, number, 0, option))
    for name, source in sources.items():
        if source.known not in sources:
            sources[name] = replace(source, known=None)
    return Sources(sources, places, "data")


def _named_by(config: Config, text: str, option: str) -> dict[str, DataSource]:
    """The sources of one FILE or NAME=FILE."""
    before, equals, after = text.partition("=")
    single = bool(equals) and not Path(text).exists()
    if single:
        _known_name(config, before, option)
    file = Path(after if single else text)
    if not file.is_file():
        raise UsageError(f"{option}: no such file")
    try:
        keys = array_names(file)
    except DataError as error:
        raise DataError(f"{option}: {error}") from None
    wanted = [config.data[before]] if single else list(config.data.values())
    found = {}
    for source in wanted:
        key = next((key for key in (source.key, source.name) if key in keys), None)
        if key is None and single:
            key = keys[0] if len(keys) == 1 else None if is_table(file) else source.key if keys else None
        if key is not None or single:
            found[source.name] = replace(source, file=file.resolve(), key=key)
    if not found:
        holds = f"it holds {listed(keys)}" if keys else "a file of one array needs a name: --data NAME=FILE"
        raise UsageError(f"{option}: none of {listed(config.data)} in it; {holds}")
    return found


def _known_name(config: Config, name: str, option: str) -> None:
    if name not in config.data:
        hint = suggestion(name, config.data) or f"; there are {listed(config.data)}"
        raise UsageError(f"{option}: the run knows no data {shown(name, 60)}{hint}")
