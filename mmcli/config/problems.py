"""Problems of a config, collected each with its place; names of keys, values and expected values in messages."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mmcli.config.model import Keys, Place
from mmcli.errors import ConfigError, ModuleTypeError
from mmcli.util.text import shown


class Problem(NamedTuple):
    """A problem at a place of a config."""

    place: Place
    keys: Keys
    text: str
    is_of_type: bool = False  # whether a module type cannot be used here, be the config right or not


@dataclass
class Problems:
    """Problems of a config, collected to be reported together in the order of the file."""

    found: list[Problem] = field(default_factory=list)
    covered: set[Keys] = field(default_factory=set)  # every path with a problem at or below it

    def add(self, place: Place, keys: Keys, text: str, *, is_of_type: bool = False) -> None:
        """Add a problem, unless its value or one below it already has one."""
        # One problem a value: a value that could not be read is not also missing or of the wrong type.
        if keys not in self.covered:
            self.found.append(Problem(place, keys, text, is_of_type))
            self.covered.update(keys[:length] for length in range(1, len(keys) + 1))

    def error(self) -> ConfigError:
        """Error with all problems, one line each; a ModuleTypeError where nothing but types is at fault."""
        in_order = sorted(self.found, key=lambda problem: problem.place.order)
        error = ModuleTypeError if all(problem.is_of_type for problem in self.found) else ConfigError
        return error([located(problem.place, problem.keys, problem.text) for problem in in_order])


def dotted(keys: Keys) -> str:
    """Dotted path of a value: modules.mlda.weights[0]."""
    return shown("".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix("."), 120)


def located(place: Place, keys: Keys, text: str) -> str:
    """One line of an error: place, path, problem."""
    return f"{place.text}: {text}" if keys == place.names else f"{place.text}: {dotted(keys)}: {text}"


def got(value: Any) -> str:
    """A YAML value as written in a message."""
    match value:
        case None:
            text = "nothing"
        case str():
            text = json.dumps(value, ensure_ascii=False)
        case dict():
            text = "a mapping" if value else "an empty mapping"
        case tuple():
            text = "a list" if value else "an empty list"
        case bool():
            text = str(value).lower()
        case _:
            text = re.sub("(inf|nan)$", r".\1", repr(value))
    return shown(text, 60)


def described(schema: Mapping[str, Any]) -> str:
    """Description of a valid value from its JSON schema: "a whole number, at least 1"."""
    if "anyOf" in schema:
        return " or ".join(map(described, schema["anyOf"]))
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    match schema.get("type"):
        case None:  # a type that the options of a package define for themselves
            text = "a value"
        case "array":
            size = f" of at least {schema['minItems']}" if "minItems" in schema else ""
            size = f" of {schema['minItems']} to {schema['maxItems']}" if "maxItems" in schema else size
            text = f"a list{size}, each entry {described(schema['items'])}"
        case "integer" | "number" as kind:
            limits = (f"{words} {schema[bound]}" for bound, words in _LIMITS.items() if bound in schema)
            text = ("a whole number" if kind == "integer" else "a number") + "".join(limits)
        case "string":
            text = f"a {schema['format']}" if "format" in schema else "text"
        case "object" if "properties" in schema:
            entries = (f"{key}: {described(entry)}" for key, entry in schema["properties"].items())
            text = f"{{{', '.join(entries)}}}"
        case kind:
            text = {"boolean": "true or false", "null": "null", "object": "a mapping"}[kind]
            text += f" of at least {schema['minProperties']}" if "minProperties" in schema else ""
    return text


def choices_of(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Schemas of the mappings that a value may be, by their `type`, which chooses the other keys."""
    choices: dict[str, Mapping[str, Any]] = {}
    for choice in schema.get("anyOf", ()):
        kind = choice.get("properties", {}).get("type", {}).get("const")
        choices |= choices_of(choice) if kind is None else {str(kind): choice}
    return choices


_LIMITS = {"minimum": ", at least", "exclusiveMinimum": " above", "maximum": ", at most", "exclusiveMaximum": " below"}
