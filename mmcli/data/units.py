"""Units of an observation's columns: a centre and a scale each, so that neither decides what is learned.

Derived and applied in float64, before conversion to float32: 1.7e9 + x and 1e-6 x keep x.

N rows, B of them in a block, D columns.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmcli.config.graph import Graph
from mmcli.data.rows.protocol import as_block
from mmcli.data.rows.sparse import HostRows
from mmcli.data.rows.streamed import StreamedRows
from mmcli.util.text import listed

OUTERMOST = 0.01  # share of a column's values at each end that is clipped
FARTHEST = 1e12  # scales from the centre; the fourth power still fits float32
LARGEST = 1e300  # sums and differences of two still fit float64
SAMPLE_ROWS, SAMPLE_VALUES = 20_000, 1 << 22  # sample that units are derived from
FEWEST_STEPS = 8.0  # steps of its type's resolution that a column has to spread over
MAX_LISTED = 6

Reported = TypeVar("Reported", NDArray[Any], StreamedRows)  # an array that a module reports


class Units(NamedTuple):
    """Centre and scale of the columns of the training data.

    Attributes:
        centre: (D,) float64.
        scale: (D,) float64; 0 where a column does not vary, and then it is 0 in standard units, whatever it holds.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def standard(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Convert rows (B, D) to standard units."""
        with np.errstate(over="ignore"):  # values too far away become infinite
            return self._standard(rows).astype(np.float32)

    def too_far(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """(B, D) bool, True where a value is too far from the rest for float32."""
        return np.abs(self._standard(rows)) > FARTHEST

    def restored(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Convert rows (B, D) from standard units to the units of the data."""
        return rows.astype(np.float64) * self.scale + self.centre

    def _standard(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Convert rows (B, D) to standard units in float64."""
        shifts = rows.astype(np.float64) - self.centre
        with np.errstate(over="ignore"):
            return np.divide(shifts, self.scale, out=np.zeros_like(shifts), where=self.scale > 0)


def stored_units(arrays: Mapping[str, NDArray[Any]], num_columns: int) -> Units:
    """Units from the arrays of `Units._asdict`.

    Raises:
        ValueError: they are not units of `num_columns` columns.
    """
    if arrays.keys() != set(Units._fields):
        raise ValueError("not a centre and a scale")
    units = Units(**arrays)
    for array in units:
        if array.shape != (num_columns,) or array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError("not a finite centre and scale of each column")
    if (units.scale < 0).any():
        raise ValueError("a scale below 0")
    return units


def in_data_units(
    graph: Graph, module: str, arrays: Mapping[str, Reported], units: Mapping[str, Units]
) -> dict[str, Reported]:
    """Arrays reported by a module, those in the units of its first input converted to the units of the data."""
    node = graph.nodes[module]
    first = node.parents[0]
    names = node.spec.in_input_units if first in units and node.is_standard(first) else ()

    def restored(array: Any) -> Any:
        if isinstance(array, StreamedRows):
            return array.mapped(units[first].restored, np.float64)
        return units[first].restored(array)

    return {name: restored(array) if name in names else array for name, array in arrays.items()}


class Survey:
    """Derives the units of an observation from its rows, block by block.

    Mean and standard deviation of winsorized values (the outermost at each end pulled in to the rest), so that one
    outlier does not squeeze all others together. Of many rows, those of a random sample.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        num_rows, num_columns = shape
        size = min(num_rows, SAMPLE_ROWS, max(SAMPLE_VALUES // num_columns, 256))
        # At random: every n-th row may be of one kind.
        picked = np.random.default_rng(0).choice(num_rows, size, replace=False, shuffle=False)
        self._is_picked = np.zeros(num_rows, bool)
        self._is_picked[picked] = True
        self._dtype = dtype
        self._first, self._num_known = 0, 0
        self._lowest, self._highest = np.full(num_columns, np.inf), np.full(num_columns, -np.inf)
        self._sample = [np.empty((0, num_columns))]

    def add(self, block: HostRows, known: NDArray[np.bool_]) -> None:
        """Add the next rows (B, D), those where `known` (B,) is True."""
        block = as_block(block).dense
        is_picked = self._is_picked[self._first : self._first + len(block)] & known
        self._first += len(block)
        self._sample.append(block[is_picked].astype(np.float64))
        there = block[known].astype(np.float64)
        self._num_known += len(there)
        self._lowest = np.minimum(self._lowest, there.min(axis=0, initial=np.inf))
        self._highest = np.maximum(self._highest, there.max(axis=0, initial=-np.inf))

    def units(self) -> Units:
        """Units of the rows so far; centre and scale 0 where no row is observed."""
        if not self._num_known:
            return Units(np.zeros_like(self._lowest), np.zeros_like(self._lowest))
        ordered = np.sort(np.concatenate(self._sample), axis=0)
        spans = [(self._lowest, self._highest)]
        if len(ordered):
            last = len(ordered) - 1
            outer = math.ceil(OUTERMOST * last)
            low, high = sorted((outer, last - outer))
            spans += [(ordered[0], ordered[last]), (ordered[low], ordered[high])]
        scale = np.zeros_like(self._lowest)
        for lowest, highest in spans:  # the narrowest span that is not empty gives a column's scale
            spread = highest - lowest
            mean, deviation = _moments(ordered, lowest, spread)
            # A value too rare for the sample counts as one row of all.
            deviation = np.where(deviation > 0, deviation, self._num_known**-0.5)
            centre, scale = lowest + spread * mean, np.where(spread > 0, spread * deviation, scale)
        return Units(centre, scale)

    def notes(self, units: Units) -> Iterator[str]:
        """Notes on columns whose values cannot be distinguished."""
        if not self._num_known:
            return
        constant = self._lowest == self._highest
        if constant.any():
            text = f"{_columns(constant)} the same in every row, so nothing is learned from "
            yield text + ("them" if constant.sum() > 1 else "it")
        largest = np.maximum(np.abs(self._lowest), np.abs(self._highest))
        kind = self._dtype if self._dtype.kind == "f" and self._dtype.itemsize < 8 else np.dtype(np.float64)
        with np.errstate(over="ignore"):
            step = np.spacing(largest.astype(kind)).astype(np.float64)
        is_exact = (self._dtype.kind != "f") & (largest < 2**53)
        coarse = ~constant & ~is_exact & (units.scale < FEWEST_STEPS * step)
        if coarse.any():
            worst = int(np.argmax(coarse))
            yield (
                f"{_columns(coarse)} stored too coarsely: near {largest[worst]:g} the next number in {kind} is "
                f"{step[worst]:g} away; subtract an offset before saving{', or save float64' * (kind.itemsize < 8)}"
            )


def _moments(
    ordered: NDArray[np.float64], lowest: NDArray[np.float64], spread: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (D,) of values clipped to a span, as shares of it: no square leaves float64."""
    if not len(ordered):
        return np.zeros_like(spread), np.zeros_like(spread)
    values = np.clip(ordered, lowest, lowest + spread) - lowest
    shares = np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)
    return shares.mean(axis=0), shares.std(axis=0)


def _columns(chosen: NDArray[np.bool_]) -> str:
    """Name columns with a verb: "columns 0, 3 and 5 (from 0) are"."""
    if chosen.all() and len(chosen) > 1:
        return f"all {len(chosen)} columns are"
    numbers = np.flatnonzero(chosen)
    names = [str(number) for number in numbers[:MAX_LISTED]]
    if len(numbers) > MAX_LISTED:
        return f"columns {', '.join(names)} and {len(numbers) - MAX_LISTED} more (from 0) are"
    return f"column{'s' * (len(names) > 1)} {listed(names)} (from 0) {'are' if len(names) > 1 else 'is'}"
