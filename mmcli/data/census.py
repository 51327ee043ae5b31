"""Number of words in the rows of counts, and whether it suits float32 and the modules.

B rows in a block, V words.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.config.graph import Node
from mmcli.data.rows.sparse import HostRows
from mmcli.errors import DataError

# Sums of a row: beyond these, scaling it to its weight leaves float32.
FEWEST_SCALED, MOST_SCALED = 1e-25, 1e35
MOST = 1e7  # words of an unscaled item: a share of them that no topic explains still fits float32
# Mean words of unscaled items that are informative without freezing the search for classes.
FEW, MANY = 1.0, 1e4


class _Row(NamedTuple):
    """Number of a row, from 0, and its words."""

    number: int
    words: float


class Census:
    """Accumulates word counts of rows, block by block; rows without words are missing and left out."""

    def __init__(self) -> None:
        self._first, self._num_rows, self._total = 0, 0, 0.0
        self._least, self._most = _Row(0, np.inf), _Row(0, 0.0)

    def add(self, block: HostRows, known: NDArray[np.bool_]) -> None:
        """Add the next rows (B, V), zeros where `known` (B,) is False."""
        words = np.asarray(block.sum(axis=1, dtype=np.float64)).ravel()
        there = np.flatnonzero(known & (words > 0))
        if len(there):
            for row in (there[words[there].argmin()], there[words[there].argmax()]):
                found = _Row(self._first + int(row), float(words[row]))
                self._least, self._most = min(self._least, found, key=_words), max(self._most, found, key=_words)
        self._num_rows += len(there)
        self._total += float(words[there].sum())
        self._first += len(words)

    def check(self, nodes: Sequence[Node]) -> Iterator[str]:
        """Notes on counts that are valid but may surprise the nodes that receive them.

        Raises:
            DataError: a row holds more or fewer words than a node can weigh.
        """
        for node in nodes:
            scaled_by = node.spec.inputs.scale_option
            remedy = f"set modules.{node.name}.{scaled_by}" if scaled_by else ""
            if not self._num_rows:
                return
            if node.spec.inputs.scales_counts(node.config.options):
                for row, is_wrong in (
                    (self._least, self._least.words < FEWEST_SCALED),
                    (self._most, self._most.words > MOST_SCALED),
                ):
                    if is_wrong:
                        text = f"row {row.number} (from 0) sums to {row.words:g}, beyond what float32 can scale"
                        raise DataError(f"{text} ({FEWEST_SCALED:g} to {MOST_SCALED:g}); scale the array")
                continue
            if self._most.words > MOST:
                text = (
                    f"row {self._most.number} (from 0) sums to {self._most.words:g}, more words than float32 can weigh"
                )
                raise DataError(f"{text} ({MOST:g}); scale the array{remedy and ', or '}{remedy}")
            mean = self._total / self._num_rows
            remedy = remedy or "scale the array"
            if mean < FEW:
                yield f"rows sum to {mean:.2g} on average, less than a word an item: priors decide; {remedy}"
            elif mean > MANY:
                yield f"rows sum to {mean:.2g} on average: so many words freeze the search for classes; {remedy}"


def _words(row: _Row) -> float:
    """Words of a row, as a sort key."""
    return row.words
