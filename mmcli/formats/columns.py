"""Columns of a table by their names."""

from collections.abc import Sequence

from mmcli.errors import DataError
from mmcli.wording import listed, shown, suggestion


def index_of(key: str, names: Sequence[str]) -> int:
    """Where the column of a name stands, from 0.

    Raises:
        DataError: there is none, or more than one.
    """
    if key not in names:
        raise DataError(f"no column {shown(key, 60)}{suggestion(key, names)}; it has {listed(names)}")
    if names.count(key) > 1:
        raise DataError(f"{names.count(key)} columns of the name {shown(key, 60)}; give each its own")
    return names.index(key)
