"""Figure of recordings: the length and loudness of each, by speaker."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from mmcli.plotting.panels import Scatter
from mmcli.util.text import counted, shown

Rows = Mapping[str, NDArray[np.int64]]  # of groups of items, by name

SECONDS, DECIBELS, SPEAKERS = "speech_seconds", "speech_decibels", "speakers"


def is_speakers(name: str, array: Any) -> bool:
    """Whether an array holds the names of the speakers of recordings."""
    return name.endswith(SPEAKERS) and array.ndim == 1 and array.dtype.kind == "U"


class Sounds(NamedTuple):
    """What N recordings of a file were like."""

    prefix: str  # that `mmcli data pair` gave to the names of the arrays
    seconds: NDArray[Any]  # (N,)
    decibels: NDArray[Any]  # (N,) of full scale
    speakers: NDArray[Any] | None  # (N,) text


def make_sound_panels(arrays: Mapping[str, Any], members_of: Mapping[int, Rows]) -> Iterator[Scatter]:
    """Make a panel of each array of lengths that has one of loudness beside it.

    Args:
        arrays: of a data file.
        members_of: rows of each label, by the number of all rows; they group recordings of unknown speakers.
    """
    for sounds in _find(arrays):
        num_items = len(sounds.seconds)
        members = members_of.get(num_items, {"": np.arange(num_items)})
        groups = members if sounds.speakers is None else _rows(sounds.speakers)
        yield _panel(sounds, groups)


def _find(arrays: Mapping[str, Any]) -> Iterator[Sounds]:
    """Recordings of a data file."""
    for name, seconds in arrays.items():
        prefix = name.removesuffix(SECONDS)
        decibels, speakers = arrays.get(prefix + DECIBELS), arrays.get(prefix + SPEAKERS)
        if name.endswith(SECONDS) and _is_measure(seconds) and _is_measure(decibels) and len(seconds) == len(decibels):
            if speakers is not None and speakers.shape != seconds.shape:
                speakers = None
            yield Sounds(prefix, seconds, decibels, speakers)


def _is_measure(array: Any) -> TypeGuard[NDArray[Any]]:
    """Whether an array holds a finite number for each of one or more recordings."""
    return array is not None and array.ndim == 1 and array.size > 0 and bool(np.isfinite(array).all())


def _panel(sounds: Sounds, groups: Rows) -> Scatter:
    """Panel of recordings in the order of their groups."""
    seconds, decibels = sounds.seconds, sounds.decibels
    rows = list(groups.values())
    lengths = f"{seconds.min():.2f} to {seconds.max():.2f} s, {seconds.sum() / 60:.1f} min in all"
    by = "label" if sounds.speakers is None else "speaker"
    what = counted(len(seconds), "recording") + ("" if by == "label" else f" of {counted(len(groups), by)}")
    loudness = f"{decibels.min():.0f} to {decibels.max():.0f} dB"
    return Scatter(
        name=f"{sounds.prefix}recordings",
        title=f"{what}: {lengths}, {loudness}",
        alt=f"Scatter of lengths and loudness of {what}: {lengths}; {loudness}.",
        note=f"By {by}; the name stands at the median." if len(groups) > 1 else "",
        points=np.column_stack([seconds, decibels])[np.concatenate(rows)],
        groups=np.repeat(np.arange(len(rows)), list(map(len, rows))),
        names=dict(enumerate(groups)),
        x_label="length (s)",
        y_label="loudness (dB of full scale)",
    )


def _rows(speakers: NDArray[Any]) -> Rows:
    """Rows of each speaker, by name, in alphabetical order."""
    return {shown(str(name)): np.flatnonzero(speakers == name) for name in np.unique(speakers)}
