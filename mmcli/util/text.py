"""How errors are worded: always one line, whatever the text that caused them."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mmcli.config.model import Keys, Place


def shown(text: str, limit: int | None = None) -> str:
    """Text for the inside of a message: control characters escaped, cut to `limit` characters."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if limit is None or len(line) <= limit else line[: limit - 3] + "..."


def dotted(keys: Keys) -> str:
    """The path of a value: modules.mlda.weights[0]."""
    return shown("".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix("."), 120)


def located(place: Place, keys: Keys, text: str) -> str:
    """One line of an error: place, path, what is wrong there."""
    return f"{place.text}: {text}" if keys == place.names else f"{place.text}: {dotted(keys)}: {text}"


def got(value: Any) -> str:
    """A YAML value as a message names it."""
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


def counted(number: int, what: str) -> str:
    """1 item, 2 items."""
    return f"{number} {what}{'s' * (number != 1)}"


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, the first twenty of many."""
    every = [shown(name, 60) for name in names]
    return ", ".join(every[:20]) + (f" and {len(every) - 20} more" if len(every) > 20 else "") or "none"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def suggestion(word: str, known: Iterable[str]) -> str:
    """A question, did you mean X, with the closest of the known words; empty if none is close."""
    meant = closest(word, known)
    return f" (did you mean {shown(meant, 60)}?)" if meant else ""


def described(schema: Mapping[str, Any]) -> str:
    """What a value must be, from its JSON schema, in words: a whole number, at least 1."""
    if "anyOf" in schema:
        return " or ".join(map(described, schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    match schema["type"]:
        case "array":
            size = f" of at least {schema['minItems']}" if "minItems" in schema else ""
            text = f"a list{size}, each entry {described(schema['items'])}"
        case "integer" | "number" as kind:
            limits = (f"{words} {schema[bound]}" for bound, words in _LIMITS.items() if bound in schema)
            text = ("a whole number" if kind == "integer" else "a number") + "".join(limits)
        case "string":
            text = f"a {schema['format']}" if "format" in schema else "text"
        case kind:
            text = {"boolean": "true or false", "null": "null", "object": "a mapping"}[kind]
            text += f" of at least {schema['minProperties']}" if "minProperties" in schema else ""
    return text


_LIMITS = {"minimum": ", at least", "exclusiveMinimum": " above", "maximum": ", at most", "exclusiveMaximum": " below"}
