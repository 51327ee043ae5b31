"""YAML text -> plain values, with the place of every key and value. Numbers follow YAML 1.2 (core schema).

Only the scanner, parser and composer of PyYAML are used: nothing is constructed, so no tag can run code.
"""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mmcli.config.model import Keys, Place, Places
from mmcli.config.problems import Problems
from mmcli.errors import ConfigError
from mmcli.util.text import shown

MAX_BYTES = 256 * 1024  # PyYAML reads some 100 KB/s
MAX_DEPTH = 20
MAX_VALUES = 10_000  # counted after aliases are expanded: nested ones grow exponentially
MAX_DIGITS = 300

STDIN = 0  # file descriptor
_STDIN = ("-", "/dev/stdin")
_OPEN_FILE = re.compile(r"/(?:dev|proc/self)/fd/\d{1,9}", re.ASCII)

_TAG = "tag:yaml.org,2002:"
_CORE_SCALARS: dict[str, tuple[re.Pattern[str], str]] = {  # type: its forms, and their first characters
    "null": (re.compile(r"~|null|Null|NULL|"), "~nN\0"),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    "int": (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), "-+0123456789"),
    "float": (
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        "-+.0123456789",
    ),
}


def read_text(path: str, name: str | None = None) -> str:
    """Read the text of a config file.

    Args:
        path: of the file.
        name: of the file in errors; its path where that is left out.

    Raises:
        ConfigError: missing, not a regular file, unreadable, too large, or not UTF-8.
    """
    name = shown(path if name is None else name)
    try:
        mode = 0 if is_stream(path) else Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError([f"{name}: is a directory; name the YAML file in it"])
        if not stat.S_ISREG(mode) and not is_stream(path):  # opening a pipe would block until it has a writer
            raise ConfigError([f"{name}: is not a regular file; write the config to a file first"])
        content = _read_stream(path) if is_stream(path) else _read_file(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError([f"{name}: no such file"]) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError([f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from None
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{name}: larger than {MAX_BYTES // 1024} KB; a config holds settings, data go into .npz"])
    try:
        return content.decode("utf-8-sig")  # a byte order mark is allowed and ignored
    except UnicodeDecodeError as error:
        raise ConfigError([f"{name}: not text in UTF-8 (byte {error.start + 1}); save it as UTF-8"]) from None


def is_stream(path: str) -> bool:
    """Whether a path names an open stream: - and /dev/stdin, or <( ) of a shell."""
    return path in _STDIN or _OPEN_FILE.fullmatch(path) is not None


def _read_file(path: str) -> bytes:
    """Read a file, one byte more than MAX_BYTES at most."""
    with Path(path).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _read_stream(path: str) -> bytes:
    """Read an open stream, one byte more than MAX_BYTES at most."""
    descriptor = STDIN if path in _STDIN else int(path.rpartition("/")[2])
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(MAX_BYTES + 1)


class _CoreLoader(yaml.SafeLoader):
    """Composer with the core schema of YAML 1.2 and a limit of depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node no deeper than MAX_DEPTH.

        Raises:
            ComposerError: nested too deep.
        """
        if self.depth > MAX_DEPTH:  # before Python's own recursion limit
            mark = parent.start_mark if parent else None
            raise yaml.composer.ComposerError(None, None, f"nested more than {MAX_DEPTH} deep", mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class CoreDumper(yaml.SafeDumper):
    """Dumper that quotes text which YAML 1.1 or 1.2 would read as another type, and writes no aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Write every value out."""
        return True


_CoreLoader.yaml_implicit_resolvers = {}  # none of YAML 1.1: yes, 1_000, 1:30 and 2020-01-01 are text
for _name, (_pattern, _first) in _CORE_SCALARS.items():
    for _yaml in (_CoreLoader, CoreDumper):
        _first_characters = [character.strip("\0") for character in _first]  # "" stands for empty text
        _yaml.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern.pattern})\Z"), _first_characters)


def split_values(text: str) -> list[str] | None:
    """Split values in YAML that commas separate: "8, [1, 2], 'a, b'" has three. None where the text is no such list."""
    try:
        node = _CoreLoader(f"[{text}]").get_single_node()
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError):
        return None
    if not isinstance(node, yaml.SequenceNode) or node.end_mark.index != len(text) + 2 or text.rstrip().endswith(","):
        return None
    return [text[value.start_mark.index - 1 : value.end_mark.index - 1] for value in node.value]


@dataclass
class Reader:
    """Converts one YAML text to plain values: dict, tuple, str, int, float, bool, None.

    Attributes:
        place_at: (line, column), both from 1, -> Place.
        problems: collects errors; values that cannot be read are left out.
        base: keys that lead to the text.
    """

    place_at: Callable[[int, int], Place]
    problems: Problems
    base: Keys = ()
    places: Places = field(default_factory=lambda: Places({}, {}))
    num_values: int = 0

    def read(self, text: str) -> Any:
        """Value of a text; None if it is not YAML."""
        start = self.place_at(1, 1)
        self.places.keys[self.base] = self.places.values[self.base] = start
        try:
            node = _CoreLoader(text).get_single_node()
            value: dict[str, Any] = {}
            if node is not None:
                self._put(value, "text", node, self.base)
            return value.get("text")
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            place = self.place_at(before.count("\n") + 1, error.position - before.rfind("\n"))
            self.problems.add(place, place.names, f"not text: character {error.character:#04x}; remove it")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = start if mark is None else self._place(mark)
            self.problems.add(place, place.names, _syntax_problem(error))
        return None

    def _place(self, mark: yaml.Mark) -> Place:
        """Place of a mark."""
        return self.place_at(mark.line + 1, mark.column + 1)

    def _put(self, parent: Any, key: str | int, node: yaml.Node, keys: Keys) -> None:
        """Store the value of a node as parent[key], or add a problem.

        Raises:
            ComposerError: more values than MAX_VALUES, aliases expanded.
        """
        place = self._place(node.start_mark)
        self.places.values[keys] = place
        self.num_values += 1
        if self.num_values > MAX_VALUES or len(keys) > len(self.base) + MAX_DEPTH:
            limit = f"{MAX_VALUES} values" if self.num_values > MAX_VALUES else f"{MAX_DEPTH} levels"
            raise yaml.composer.ComposerError(None, None, f"more than {limit}, aliases unfolded", node.start_mark)
        kind = node.tag.removeprefix(_TAG)
        match node:
            case yaml.MappingNode() if kind == "map":
                parent[key] = self._mapping(node, keys)
            case yaml.SequenceNode() if kind == "seq":
                parent[key] = self._sequence(node, keys)
            case yaml.ScalarNode() if kind == "str":
                parent[key] = node.value
            case yaml.ScalarNode() if kind in _CORE_SCALARS:
                if len(node.value) > MAX_DIGITS:
                    self.problems.add(place, keys, f"a number of more than {MAX_DIGITS} digits")
                elif not _CORE_SCALARS[kind][0].fullmatch(node.value):
                    self.problems.add(place, keys, f"not a value of type !!{kind}; remove the tag")
                else:
                    parent[key] = _scalar(kind, node.value)
            case _:
                self.problems.add(place, keys, f"tag {shown(_short(node.tag), 60)} is not allowed; remove it")

    def _sequence(self, node: yaml.SequenceNode, keys: Keys) -> tuple[Any, ...]:
        """Values of a sequence."""
        entries: dict[int, Any] = {}
        for index, child in enumerate(node.value):
            self._put(entries, index, child, (*keys, index))
        return tuple(entries.values())

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        """Values of a mapping with unique keys that are text."""
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node.start_mark)
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
                name = shown(key, 40) if isinstance(key_node, yaml.ScalarNode) else "a mapping or list"
                self.problems.add(place, (*keys, f"({name})"), "a key must be text; put it in quotes")
            elif key == "<<":
                self.problems.add(place, (*keys, key), "merge keys are not part of YAML 1.2; write the keys out")
            elif key in lines:
                self.problems.add(place, (*keys, key), f"duplicate key (first on line {lines[key]}); remove one")
            else:
                lines[key] = key_node.start_mark.line + 1
                self.places.keys[(*keys, key)] = place
                self._put(values, key, value_node, (*keys, key))
        return values


def _scalar(kind: str, text: str) -> int | float | bool | None:
    """Value of a scalar that matches the pattern of its type."""
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        case _:
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _short(tag: str) -> str:
    """Tag without YAML's prefix."""
    return tag.replace(_TAG, "!!")


def _syntax_problem(error: yaml.MarkedYAMLError) -> str:
    """One line from the two to five of PyYAML."""
    problem = error.problem or ""
    if r"'\t'" in problem:
        return "a tab; YAML indents with spaces"
    if "another document" in problem:
        return "a second document begins here; write one per file"
    line = error.context_mark.line + 1 if error.context_mark else 1
    if isinstance(error, yaml.composer.ComposerError):  # an alias or an anchor; the context is the first of two
        text = f"{error.context} on line {line}" if error.context else problem
    else:
        text = f"not YAML: {problem}" + (f", {error.context} that begins on line {line}" if error.context else "")
    return shown(text, 160)
