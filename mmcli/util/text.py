"""Text of messages: always one line, whatever the text that caused them."""

import difflib
from collections.abc import Iterable


def shown(text: str, limit: int | None = None) -> str:
    """Text for the inside of a message: control characters escaped, cut to `limit` characters."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if limit is None or len(line) <= limit else line[: limit - 3] + "..."


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
