"""Observations of the same items, as a graph learns from them or is asked about them."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Given(NamedTuple):
    """Rows of N items.

    Attributes:
        observations: (N, width) float32 by name of the observation, dense or sparse, in memory or streamed, in the form
            or forms that modules take.
        known: (N,) bool, which rows of each are there.
        starts: (N,) bool, which rows are the first of a sequence, by name of each module of sequences.
    """

    observations: Mapping[str, Any]
    known: Mapping[str, Any]
    starts: Mapping[str, Any]

    @property
    def num_items(self) -> int:
        """N."""
        return len(next(iter(self.known.values())))
