"""Rows of an observation by one protocol, whatever holds them: an array, packed or sparse rows, a file, or two forms.

Data go from hand to hand as arrays of numpy and scipy; `as_rows` and `as_block` put them behind the protocols, and are
the only places that ask what they are.

N rows, D columns.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmcli.data.rows.dense import DenseRows
from mmcli.data.rows.packed import PackedRows
from mmcli.data.rows.sparse import HostRows, SparseRows
from mmcli.data.rows.streamed import StreamedRows


class Rows(Protocol):
    """(N, D) rows of any kind."""

    @property
    def is_sparse(self) -> bool:
        """Whether only values that are not zero are stored."""

    @property
    def is_streamed(self) -> bool:
        """Whether they stay in a file."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that they take."""

    @property
    def num_stored(self) -> int:
        """Numbers that are kept of them."""

    def most_entries(self, bounds: Sequence[int]) -> int:
        """Most entries of sparse rows between two bounds, at least 1; 0 for others."""

    def first(self, num_rows: int) -> Any:
        """The first rows, held as all are."""

    def blocks(self, size: int, /) -> Iterator[Any]:
        """All rows in their order, `size` at a time, fewer at the end."""

    def parts(self, bounds: Sequence[int]) -> Iterator[Any]:
        """All rows in their order, those between two bounds at a time; bounds ascend from 0 to N."""


class Block(Protocol):
    """(N, D) rows in memory."""

    @property
    def stored(self) -> NDArray[Any]:
        """Values that are stored: (N, D), or the entries."""

    @property
    def dense(self) -> NDArray[Any]:
        """All values, (N, D)."""

    def position(self, index: int) -> tuple[int, ...]:
        """Row and column of the value number `index` of `stored`, flattened."""

    def all_nan(self) -> NDArray[np.bool_]:
        """(N,) which rows hold NaN and nothing else."""

    def masked(self, keep: NDArray[np.bool_]) -> HostRows:
        """The rows with zeros where they are not kept, (N,)."""

    def as_type(self, dtype: DTypeLike) -> HostRows:
        """The rows as `dtype`; dense ones in C order."""


class Forms(NamedTuple):
    """The same rows twice, where some modules take them as they are and others in standard units."""

    plain: Any  # (N, D) rows of any kind
    standard: Any

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        rows, columns = self.plain.shape
        return rows, columns


SentRows: TypeAlias = "HostRows | PackedRows | StreamedRows | Forms"


class _BothForms:
    """Two forms behind one protocol."""

    is_sparse = False  # one of them is points, which are dense

    def __init__(self, forms: Forms) -> None:
        self._plain, self._standard = as_rows(forms.plain), as_rows(forms.standard)

    @property
    def is_streamed(self) -> bool:
        return self._plain.is_streamed

    @property
    def num_bytes(self) -> int:
        return self._plain.num_bytes + self._standard.num_bytes

    @property
    def num_stored(self) -> int:
        return self._plain.num_stored

    def most_entries(self, _bounds: Sequence[int]) -> int:
        return 0

    def first(self, num_rows: int) -> Forms:
        return Forms(self._plain.first(num_rows), self._standard.first(num_rows))

    def blocks(self, size: int) -> Iterator[Forms]:
        return map(Forms, self._plain.blocks(size), self._standard.blocks(size))

    def parts(self, bounds: Sequence[int]) -> Iterator[Forms]:
        return map(Forms, self._plain.parts(bounds), self._standard.parts(bounds))


def as_rows(rows: SentRows) -> Rows:
    """Rows of any kind behind the protocol."""
    if isinstance(rows, StreamedRows | PackedRows):
        return rows
    return _BothForms(rows) if isinstance(rows, Forms) else _held(rows)


def as_block(rows: HostRows) -> Block:
    """Rows in memory behind the protocol."""
    return _held(rows)


def form_of(rows: Any, *, standard: bool) -> Any:
    """The form of rows that a module takes; rows in one form as they are."""
    if not isinstance(rows, Forms):
        return rows
    return rows.standard if standard else rows.plain


def _held(rows: HostRows) -> DenseRows | SparseRows:
    return DenseRows(rows) if isinstance(rows, np.ndarray) else SparseRows(rows)
