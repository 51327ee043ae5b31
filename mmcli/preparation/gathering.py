"""Reading many files, one after the other: progress, and what could not be used."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from mmcli.errors import DataError
from mmcli.preparation.listing import Item
from mmcli.watching import following
from mmcli.wording import shown

_Read = TypeVar("_Read")


class Gathered(NamedTuple, Generic[_Read]):
    """What was read of the items, in their order."""

    items: list[Item]
    values: list[_Read]
    problems: list[str]  # a line for each item that could not be used


def gather(items: Sequence[Item], read: Callable[[Item], _Read], what: str, *, strict: bool) -> Gathered[_Read]:
    """Read each item; one that cannot be used is left out.

    Args:
        items: at least one.
        read: raises DataError, without the name of the file, where an item cannot be used.
        what: the items in a word, sounds or images.
        strict: leave none out.

    Raises:
        DataError: none could be used, or not all where `strict`; a line for each that could not.
    """
    gathered: Gathered[_Read] = Gathered([], [], [])
    with following(f"reading {what}", len(items)) as advance:
        for number, item in enumerate(items):
            try:
                value = read(item)
            except DataError as error:
                gathered.problems.append(f"{shown(str(item.path))}: {error}")
            else:
                gathered.items.append(item)
                gathered.values.append(value)
            advance(number + 1)
    if gathered.problems and (strict or not gathered.values):
        remedy = "mend them, or leave out --strict" if gathered.values else "there is nothing to write"
        count = f"{len(gathered.problems)} of {len(items)} {what} cannot be used; {remedy}"
        raise DataError("\n".join([*gathered.problems, count]))
    return gathered


def left_out(gathered: Gathered[_Read], what: str) -> list[str]:
    """What a person is told of the items that could not be used, a line each and their number."""
    if not gathered.problems:
        return []
    num_items = len(gathered.problems) + len(gathered.items)
    return [*gathered.problems, f"{len(gathered.problems)} of {num_items} {what} left out"]
