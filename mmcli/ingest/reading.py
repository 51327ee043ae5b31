"""Reading many files in turn: progress, and a list of those that could not be used."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from mmcli.errors import DataError
from mmcli.ingest.discover import Item, Listing
from mmcli.util.progress import following
from mmcli.util.text import shown

_Read = TypeVar("_Read")


class Gathered(NamedTuple, Generic[_Read]):
    """Contents of the items that could be used, in order."""

    items: list[Item]
    values: list[_Read]
    problems: list[str]  # a line for each item that could not be used
    notes: list[str]  # lines that name files that were skipped


def gather(listing: Listing, read: Callable[[Item], _Read], what: str, *, strict: bool) -> Gathered[_Read]:
    """Read each item; one that cannot be used is left out.

    Args:
        listing: of at least one item; its problems count as items that could not be used.
        read: raises DataError, without the name of the file, where an item cannot be used.
        what: plural noun for the items, sounds or images.
        strict: refuse to leave any out.

    Raises:
        DataError: none could be used, or not all where `strict`; a line for each that could not.
    """
    gathered: Gathered[_Read] = Gathered([], [], [*listing.problems], listing.notes)
    with following(f"reading {what}", len(listing.items)) as advance:
        for number, item in enumerate(listing.items):
            try:
                value = read(item)
            except DataError as error:
                gathered.problems.append(f"{shown(str(item.path))}: {error}")
            else:
                gathered.items.append(item)
                gathered.values.append(value)
            advance(number + 1)
    refuse_if(gathered, what, strict=strict)
    return gathered


def refuse_if(gathered: Gathered[_Read], what: str, *, strict: bool) -> None:
    """Refuse items that cannot be used, as `gather` does.

    Raises:
        DataError: none could be used, or not all where `strict`.
    """
    if gathered.problems and (strict or not gathered.values):
        remedy = "mend them, or leave out --strict" if gathered.values else "there is nothing to write"
        count = f"{len(gathered.problems)} of {_num_found(gathered)} {what} cannot be used; {remedy}"
        raise DataError("\n".join([*gathered.problems, count]))


def left_out(gathered: Gathered[_Read], what: str) -> list[str]:
    """Lines on skipped files, and on the items that could not be used, with their number."""
    if not gathered.problems:
        return gathered.notes
    count = f"{len(gathered.problems)} of {_num_found(gathered)} {what} left out"
    return [*gathered.notes, *gathered.problems, count]


def _num_found(gathered: Gathered[_Read]) -> int:
    """Number of items, those that could not be used included."""
    return len(gathered.problems) + len(gathered.items)
