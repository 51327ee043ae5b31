"""Configs to begin from, with their data: those of configs/ and data/, which travel in the wheel as mmcli/examples."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mmcli.config.json_schema import config_schema
from mmcli.config.reader import load_config
from mmcli.errors import UsageError
from mmcli.modules.registry import list_types
from mmcli.util import atomic
from mmcli.util.text import listed, shown, suggestion

CONFIGS, DATA = Path("configs"), Path("data")
LICENCES = DATA / "README.md"  # how the data were made, and their licences
SCHEMA = "mmcli.schema.json"
DEFAULT = "mnist_arabic_tuned"


class Written(NamedTuple):
    """An example on disk.

    Attributes:
        config: its path.
        absent: data files that it names and that are not bundled, as the config's folder has them.
    """

    config: Path
    absent: tuple[Path, ...]


def summaries() -> dict[str, str]:
    """Examples by name, each with the comment on the first line of its config."""
    paths = sorted((_root() / CONFIGS).glob("*.yaml"))
    return {path.stem: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for path in paths}


def write_example(name: str, folder: Path) -> Written:
    """Write a config, its data and its schema below a folder, laid out as in a clone of mmcli.

    Data that are there already with the same bytes are left alone, so that several examples fit in a folder.

    Raises:
        UsageError: there is no such example, or a file is there already.
    """
    if name not in summaries():
        hint = suggestion(name, summaries()) or f"; there are {listed(summaries())}"
        raise UsageError(f"no example {shown(name, 60)}{hint}")
    root, config = _root(), CONFIGS / f"{name}.yaml"
    data = list(_data_of(root / config, root))
    bundled = [path for path in data if (root / path).is_file()]
    files = {config: with_schema((root / config).read_text(encoding="utf-8")), CONFIGS / SCHEMA: schema()}
    files |= {path: (root / path).read_bytes() for path in [LICENCES, *bundled] if bundled}
    write_new({folder / path: content for path, content in files.items()})
    return Written(folder / config, tuple(path for path in data if path not in bundled))


def with_schema(config: str) -> bytes:
    """Text of a config with a first line that names the schema beside it to editors."""
    return f"# yaml-language-server: $schema={SCHEMA}\n{config}".encode()


def schema() -> bytes:
    """The JSON Schema of configs, as a file."""
    usable, _ = list_types()
    return json.dumps(config_schema(usable), indent=2, ensure_ascii=False).encode() + b"\n"


def write_new(files: Mapping[Path, bytes]) -> None:
    """Write files where none is; one that is there with the same bytes stays.

    Raises:
        UsageError: another file is there, and nothing is written; or one cannot be written.
    """
    missing = []
    for path, content in files.items():
        try:
            if not atomic.is_there(path):
                missing.append(path)
            elif not path.is_file() or path.read_bytes() != content:
                raise UsageError(f"{shown(str(path))}: is there already; name another folder with -o")
        except OSError as error:
            raise atomic.unwritable(path, error) from None
    for path in missing:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.unwritable(path.parent, error) from None
        atomic.write_named(path, files[path])


def _root() -> Path:
    """Folder of configs/ and data/: in the package where it was installed from a wheel, else that of the clone."""
    package = Path(__file__).parents[1]
    installed = package / "examples"
    return installed if installed.is_dir() else package.parent


def _data_of(config: Path, root: Path) -> Iterator[Path]:
    """Data files of an example, relative to the root, each once."""
    loaded = load_config(config)
    files = dict.fromkeys(source.file for source in (*loaded.data.values(), *loaded.test.values()))
    return (Path(os.path.relpath(file, os.path.realpath(root))) for file in files)
