"""Data that a command applies a trained graph to: those named on the command line, or in the run's config."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from mmcli.config.model import Config, DataSource, Place, Places
from mmcli.data.formats import array_names, is_table, read_array, takes_header
from mmcli.errors import DataError, UsageError
from mmcli.util.text import listed, shown, suggestion


class Request(NamedTuple):
    """Selection of data on a command line; empty for the training data."""

    named: Sequence[str] = ()  # FILE, an .npz that holds arrays of the config's keys, or NAME=FILE
    test: bool = False  # the config's held-out data
    known: Sequence[str] = ()  # NAME=FILE: mask of a sense or of labels
    missing: Literal["nan"] | None = None  # nan: rows of NaN are missing, in every sense


class Sources(NamedTuple):
    """Sources of the senses."""

    sources: Mapping[str, DataSource]  # by their names in the config's `data`; masks of `known` too
    places: Places
    section: str  # of the config, for errors


def choose(config: Config, request: Request, *, without: Collection[str]) -> Sources:
    """Select the data of a command.

    Args:
        config: of the run.
        request: selection on the command line.
        without: names of data to leave out.

    Raises:
        UsageError: a name is unknown, a file does not exist or holds none of the data, or nothing is left.
        DataError: a file cannot be read.
    """
    for name in without:
        _refuse_unknown(config, name, f"--without {shown(name, 60)}")
    if request.named and request.test:
        raise UsageError("--data and --test exclude each other; leave one out")
    if request.named:
        chosen = _from_command_line(config, request.named)
    elif request.test:
        if not config.test:
            raise UsageError("--test: the run's config names no held-out data under test:; use --data")
        chosen = Sources(config.test, config.places, "test")
    else:
        chosen = Sources(config.data, config.places, "data")
    senses = [str(module.data) for module in config.modules.values() if module.data is not None]
    left = {name: source for name, source in chosen.sources.items() if name not in without}
    if not left.keys() & set(senses):
        rest = sorted(set(senses) - set(without))
        raise UsageError(f"no input sense remains{f'; give one of {listed(rest)}' if rest else ''}")
    if request.missing is not None:
        left |= {name: replace(left[name], missing=request.missing) for name in left.keys() & set(senses)}
    labels = [module.labels for module in config.modules.values() if module.labels is not None]
    return _masked(config, chosen._replace(sources=left), request.known, {*senses, *labels})


def _from_command_line(config: Config, named: Sequence[str]) -> Sources:
    """Sources named by --data.

    Raises:
        UsageError: a file is wrong, or data are named twice.
        DataError: a file cannot be read.
    """
    places = Places({}, {})
    places.put((), Place(True, 0, 0, "--data"))
    sources: dict[str, DataSource] = {}
    for number, text in enumerate(named):
        option = f"--data {shown(text, 80)}"
        for source in _named_by(config, text, option):
            if source.name in sources:
                before = places.of(("data", source.name)).text
                raise UsageError(f"{option}: {source.name} is in {before} too; name each once, sense by sense")
            sources[source.name] = source
            places.put(("data", source.name), Place(True, number, 0, option))
    for name, source in sources.items():
        if source.known not in sources:
            sources[name] = replace(source, known=None)
    return Sources(sources, places, "data")


def _named_by(config: Config, text: str, option: str) -> Iterator[DataSource]:
    """Sources in one FILE or NAME=FILE.

    Raises:
        UsageError: the file does not exist, or holds none of the data.
        DataError: it cannot be read.
    """
    name, equals, _ = text.partition("=")
    if equals and not Path(text).exists():
        _refuse_unknown(config, name, option)
        yield _alone(config.data[name], text, option)
        return
    file, keys = _open(text, option)
    masks = {source.known for source in config.data.values()}
    others = {source.key for source in config.data.values() if source.name not in masks}
    found = False
    for source in config.data.values():
        # In its own file a mask can have the key of its sense; in this file that array is the sense.
        own_key = None if source.name in masks and source.key in others else source.key
        key = next((key for key in (own_key, source.name) if key in keys), None)
        if key is not None:
            found = True
            yield replace(source, file=file, key=key, header=None, array=None)
    if not found:
        holds = f"it holds {listed(keys)}"
        if not keys:
            with _naming(option):
                read_array(file, None)  # reports what is wrong with a file of another kind
            holds = "a file of one array needs a name: --data NAME=FILE"
        raise UsageError(f"{option}: none of {listed(config.data)} in it; {holds}")


def _alone(source: DataSource, text: str, option: str) -> DataSource:
    """Source for NAME=FILE: the array of the config's key, of the name, or the only one; or a table."""
    file, keys = _open(text.partition("=")[2], option, source.header)
    if not takes_header(file):  # `header` of the config applies to its own file, a text
        source = replace(source, header=None)
    key = next((key for key in (source.key, source.name, *keys[: len(keys) == 1]) if key in keys), None)
    if key is None and keys and not is_table(file):  # all of a table is one array
        key = source.key
    return replace(source, file=file, key=key, array=None)


def _masked(config: Config, chosen: Sources, known: Sequence[str], maskable: Collection[str]) -> Sources:
    """Sources with masks of rows from the command line.

    Raises:
        UsageError: an option has another form, or names no data.
        DataError: a file cannot be read.
    """
    sources = dict(chosen.sources)
    places = Places(dict(chosen.places.keys), dict(chosen.places.values))
    for number, text in enumerate(known):
        option = f"--known {shown(text, 80)}"
        name, equals, _ = text.partition("=")
        if not equals:
            raise UsageError(f"{option}: must be NAME=FILE, such as speech=has_speech.npy")
        _refuse_unknown(config, name, option)
        if name not in maskable or name not in sources:
            raise UsageError(f"{option}: {name} is neither a sense nor labels of these data; leave it out")
        mask = f"--known {name}"  # no name of a config has a blank
        sources[mask] = _alone(DataSource(mask, Path(), name), text, option)
        sources[name] = replace(sources[name], known=mask)
        keys = (chosen.section, mask)
        places.put(keys, Place(True, number, 0, option, keys))
    return Sources(sources, places, chosen.section)


def _open(text: str, option: str, header: bool | None = None) -> tuple[Path, list[str]]:
    """File and the names of its arrays; no names where it holds one without a name.

    `header` applies to text only.

    Raises:
        UsageError: it does not exist.
        DataError: it cannot be read.
    """
    file = Path(text)
    if not file.is_file():
        raise UsageError(f"{option}: {'not a file' if file.exists() else 'no such file'}")
    with _naming(option):
        return file.resolve(), array_names(file, header if takes_header(file) else None)


@contextmanager
def _naming(option: str) -> Iterator[None]:
    """Name the option in errors about its file.

    Raises:
        DataError: the block raised one.
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{option}: {error}") from None


def _refuse_unknown(config: Config, name: str, option: str) -> None:
    """Refuse a name that is not among the run's data.

    Raises:
        UsageError: it is not.
    """
    if name not in config.data:
        hint = suggestion(name, config.data) or f"; there are {listed(config.data)}"
        raise UsageError(f"{option}: no data {shown(name, 60)}{hint}")
