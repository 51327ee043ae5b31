"""Access to the arrays of data sources, wherever they are: in files, or in memory."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmcli.config.model import DataSource
from mmcli.data.formats import heading_doubt, line_of, opening, stream_array
from mmcli.data.labels import Labels, make_labels, read_labels
from mmcli.data.memory import AGAIN, ArrayData, row_source
from mmcli.data.rows.sparse import HostRows
from mmcli.data.rows.streamed import RowSource
from mmcli.errors import DataError


class Access:
    """Arrays by their source, each file opened once.

    A source raises DataError where it is an array in memory that was not given.
    """

    def __init__(self, arrays: Mapping[str, ArrayData]) -> None:
        self._arrays = arrays
        self._read: dict[DataSource, RowSource] = {}

    def rows(self, source: DataSource) -> RowSource:
        """Rows of an observation, or a mask; errors as of `stream_array`."""
        if source not in self._read:
            is_file = source.array is None
            self._read[source] = (
                stream_array(source.file, source.key, source.header) if is_file else row_source(self._array(source))
            )
        return self._read[source]

    def labels(self, source: DataSource, known: NDArray[np.bool_] | None) -> Labels:
        """Labels; arguments and errors as of `read_labels`."""
        if source.array is None:
            return read_labels(source.file, source.key, known, source.header)
        return make_labels(self._array(source), known=known)

    def line_of(self, source: DataSource, row: int) -> int | None:
        """The line of a text, from 1, that holds a row, from 0; None for what is no text."""
        return line_of(source.file, row, source.header) if source.array is None else None

    def heading_doubt(self, source: DataSource) -> str | None:
        """Remark on a text whose first line may name its columns; None where one reading is left."""
        return heading_doubt(source.file, source.header) if source.array is None else None

    def digests(self, sources: Iterable[DataSource]) -> dict[str, str]:
        """SHA-256 of each file by its path, of an array by its name."""
        every = list(sources)
        files = sorted({source.file for source in every if source.array is None})
        arrays = {str(source.file): self._arrays[source.name].sha256 for source in every if source.array is not None}
        return {str(file): digest(file) for file in files} | arrays

    def _array(self, source: DataSource) -> HostRows:
        if source.name not in self._arrays:
            raise DataError(AGAIN)
        return self._arrays[source.name].array


def digest(file: Path) -> str:
    """SHA-256 of a data file in hex; errors as of `opening.digest`."""
    return opening.digest(file)
