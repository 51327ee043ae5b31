"""Text of messages: always one line, whatever the text that caused them."""

import difflib
from collections.abc import Iterable


def shown(text: str, limit: int | None = None) -> str:
    """Escape control characters of a text for use in a message, and cut it to `limit` characters."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if limit is None or len(line) <= limit else line[: limit - 3] + "..."


def counted(number: int, what: str) -> str:
    """Number and noun, plural where needed: 1 item, 2 items."""
    return f"{number} {what}{'s' * (number != 1)}"


def listed(names: Iterable[str]) -> str:
    """Names separated by commas, the first twenty of many."""
    every = [shown(name, 60) for name in names]
    return ", ".join(every[:20]) + (f" and {len(every) - 20} more" if len(every) > 20 else "") or "none"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Known word closest to a misspelled one; None if none is close."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Hint "(did you mean X?)" with the closest known word; empty if none is close."""
    meant = closest(word, known)
    return f" (did you mean {shown(meant, 60)}?)" if meant else ""
