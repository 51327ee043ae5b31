"""Contents of a data file, and their possible roles in a graph."""

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mmcli.data.formats import heading_doubt
from mmcli.data.formats.whole_numbers import is_rounded
from mmcli.data.labels import LABEL_NAMES, LABELS
from mmcli.errors import DataError, ModuleError, UsageError
from mmcli.ingest.arrays import PAIR_ROWS, is_whole, read_arrays, refuse_header
from mmcli.ingest.panels import count_labels, is_labels, is_whole_numbers, make_panels
from mmcli.ingest.places import kind_at
from mmcli.ingest.sound_panels import DECIBELS, SECONDS, is_speakers
from mmcli.modules.registry import list_types
from mmcli.modules.spec import Kind, Options
from mmcli.util.atomic import write_named
from mmcli.util.text import counted, shown


class Holding(NamedTuple):
    """Summary of an array in a file.

    Attributes:
        shape: of the array; None where it cannot be read.
        dtype: numpy's name of its type.
        low: the smallest finite number, whole where the type is; None where there is none.
        high: the largest.
        zeros: share of the values of rows that are 0; None where there are no rows of values.
        meaning: its possible role in a graph, or why it cannot be read.
    """

    shape: tuple[int, ...] | None
    dtype: str
    low: float | int | None
    high: float | int | None
    zeros: float | None
    meaning: str


class Contents(NamedTuple):
    """Contents of a file.

    Attributes:
        file: its path.
        holdings: by the name of the array; of a file of one array, by "".
        labels: number of items of each label, or speaker, by the name of the array.
        notes: one line for each reading that is not the only one.
    """

    file: Path
    holdings: Mapping[str, Holding]
    labels: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        arrays = {name: holding._asdict() for name, holding in self.holdings.items()}
        return {"file": str(self.file), "arrays": arrays, "labels": self.labels, "notes": list(self.notes)}


def show(file: Path, plot: Path | None, header: bool | None = None) -> Contents:
    """Summarise a file, and draw it where asked for.

    Args:
        file: of any format that mmcli reads.
        plot: a .png for a picture of it: images of each class, or the mean row of each; None draws nothing.
        header: whether the first line of a text names its columns; None: decided by the text.

    Raises:
        UsageError: there is no such file, or the picture cannot be written.
        DataError: it cannot be read, or holds nothing that can be drawn.
    """
    if kind_at(file) is None:
        raise UsageError(f"{shown(str(file))}: no such file")
    if plot is not None and plot.suffix != ".png":
        raise UsageError(f"{shown(str(plot))}: the picture is a PNG; name it .png")
    try:
        arrays = read_arrays(file, header)
        refuse_header([file], header)
        doubt = heading_doubt(file, header)
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None
    readable = {name: array for name, array in arrays.items() if not isinstance(array, DataError)}
    names = readable.get(LABEL_NAMES)
    holdings = {name: describe(name, array) for name, array in arrays.items()}
    labels = {
        name: count_labels(array, names if name == LABELS else None)
        for name, array in readable.items()
        if not is_whole(name) and (is_labels(name, array) or is_speakers(name, array))
    }
    if plot is not None:
        from mmcli.plotting.draw import stacked  # imports matplotlib

        if not (panels := make_panels(readable)):
            raise DataError(f"{shown(str(file))}: holds no array of items by columns, so there is nothing to draw")
        write_named(plot, stacked(panels))
    return Contents(file, holdings, labels, () if doubt is None else (doubt,))


def describe(name: str, array: Any) -> Holding:
    """Summary of an array; `array` may be the error that reading it raised."""
    if isinstance(array, DataError):
        return Holding(None, "", None, None, None, str(array))
    if array.dtype.kind == "U":
        meaning = "labels" if is_labels(name, array) else "text, for the record"
        return Holding(array.shape, "text", None, None, None, _known_or(name, meaning))
    if issparse(array):
        return _describe_sparse(array)
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array.ravel()
    low, high = (finite.min().item(), finite.max().item()) if finite.size else (None, None)
    has_zeros = array.size and array.ndim > 1 and not is_whole(name)
    zeros = 1 - int(np.count_nonzero(array)) / array.size if has_zeros else None
    return Holding(array.shape, str(array.dtype), low, high, zeros, _known_or(name, _meaning(array, low, high)))


def _describe_sparse(array: Any) -> Holding:
    """Summary of a scipy matrix, computed without its implicit zeros."""
    zeros = 1 - int(array.count_nonzero()) / max(math.prod(array.shape), 1)
    values = np.append(array.data, 0)[:, None] if zeros else array.data[:, None]
    seen = describe("", values)
    return seen._replace(shape=array.shape, dtype=f"{array.dtype}, sparse", zeros=zeros)


def _known_or(name: str, meaning: str) -> str:
    """Meaning of an array whose name mmcli reserves; otherwise `meaning`."""
    if name == PAIR_ROWS:
        return "the row of each item in its file, for the record"
    if name.endswith((SECONDS, DECIBELS)):
        return f"{'length (s)' if name.endswith(SECONDS) else 'loudness (dB)'} of each recording, for the record"
    return "of the whole file" if is_whole(name) else meaning


def _meaning(array: NDArray[Any], low: float | None, high: float | None) -> str:
    """Possible role of an array of numbers in a graph, or the reason why it has none."""
    if array.ndim == 0:
        return "a single number"
    if not array.size or low is None or high is None:
        return "no numbers" if array.size else "empty"
    if np.isinf(array).any():
        return "holds infinity; mend it"
    if array.ndim > 2:
        return "more than 2 dimensions; reshape(len(array), -1)"
    if array.ndim == 2:
        return _meaning_of_rows(array, low, high)
    labels = "labels, or a mask of rows (known)" if low >= 0 and high <= 1 else "labels"
    return labels if is_labels("", array) else "numbers; reshape(-1, 1) makes them a column"


def _meaning_of_rows(array: NDArray[Any], low: float, high: float) -> str:
    """Modules that can observe an array (N, D)."""
    absent = np.isnan(array)
    of_rows = absent.all(axis=1)
    if is_rounded(array).any():
        return "whole numbers beyond 2^53, where float64 rounds; subtract an offset, or scale them"
    num_missing, num_holed = int(of_rows.sum()), int((absent.any(axis=1) & ~of_rows).sum())
    if num_holed:
        return f"NaN in some columns of {counted(num_holed, 'row')}; fill it, or drop the items"
    is_counts = low >= 0 and high > 1 and is_whole_numbers(array[~absent])
    name = "real values" if low < 0 else "0 to 1" if high <= 1 else "counts" if is_counts else "0 or more"
    kind = f"{name}: {', '.join(_takers(low, high, {Kind.COUNTS} if is_counts else set(Kind)))}"
    return f"{kind}; {counted(num_missing, 'row')} of NaN (missing: nan)" if num_missing else kind


def _takers(low: float, high: float, kinds: Collection[Kind]) -> list[str]:
    """Types that can observe values from `low` to `high` as one of the kinds, with the option that each needs."""
    plain, with_option = [], []
    specs, _ = list_types()
    for name, spec in specs.items():
        taken = next((kind for kind in spec.inputs.kinds if kind in specs["observation"].sends), None)
        if taken not in kinds or (taken is Kind.COUNTS and low < 0):
            continue
        defaults = spec.options.model_construct()
        try:
            if _within(spec.inputs.bounds(defaults), low, high):
                plain.append(name)
                continue
            with_option += [
                f"{name} with {option}: {choice}"
                for option, choice in _choices(spec.options)
                if _within(spec.inputs.bounds(defaults.model_copy(update={option: choice})), low, high)
            ]
        except ModuleError:  # bounds of another package's type fail, or depend on an option without a default
            continue
    return plain + with_option


def _choices(options: type[Options]) -> Iterator[tuple[str, Any]]:
    """Values of every option that accepts one of a few."""
    for option, field in options.model_fields.items():
        if get_origin(field.annotation) is Literal:
            yield from ((option, choice) for choice in get_args(field.annotation))


def _within(bounds: tuple[float, float] | None, low: float, high: float) -> bool:
    """Whether values from `low` to `high` are within bounds."""
    return bounds is None or (bounds[0] <= low and high <= bounds[1])
