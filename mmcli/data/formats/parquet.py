"""Tables of Parquet files, by pyarrow (an extra): numbers, truth values, and lists of them of one length."""

from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcli.data.formats.columns import index_of, side_by_side
from mmcli.data.formats.opening import opened, refuse_bomb
from mmcli.data.formats.whole_numbers import is_rounded
from mmcli.errors import DataError
from mmcli.util.text import listed, shown

Array = NDArray[Any]

_MAGIC = b"PAR1"
_BATCH = 1 << 14  # rows


def is_parquet(start: bytes) -> bool:
    """Whether a file that begins with these bytes is Parquet."""
    return start.startswith(_MAGIC)


def column_names(file: Path) -> list[str]:
    """Names of the columns, in order.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    with opened(file) as stream:
        return list(_open(stream).schema_arrow.names)


def read_parquet(file: Path, key: str | None) -> Array:
    """Read a column, or all columns side by side, (N, D); null becomes NaN.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    with opened(file) as stream:
        source = _open(stream)
        from pyarrow import Table

        schema = source.schema_arrow
        wanted = list(range(len(schema.names))) if key is None else [index_of(key, schema.names)]
        odd = [schema.names[index] for index in wanted if not _is_numeric(schema.field(index).type)]
        if odd:
            remedy = "name a column of numbers by key" if key is None else "name another"
            raise DataError(f"no numbers in {listed(odd)}; {remedy}")
        if not wanted:
            raise DataError("has no columns; write it again")
        paths = [source.schema.column(leaf).path for leaf in range(len(source.schema))]
        leaves = [leaf for leaf, path in enumerate(paths) if key is None or f"{path}.".startswith(f"{key}.")]
        batches, num_bytes = [], 0
        # Metadata of the columns is not read: where it is damaged, pyarrow ends the process.
        for batch in source.iter_batches(_BATCH, columns=[paths[leaf] for leaf in leaves], use_threads=False):
            batches.append(batch)
            num_bytes += batch.nbytes
            refuse_bomb(num_bytes, file.stat().st_size, "write it with numpy.save")
        if not batches:
            raise DataError("no rows in it; write it again")
        table = Table.from_batches(batches)
        named = zip(table.column_names, table.columns, strict=True)
        chosen = [(name, _column(name, column.combine_chunks())) for name, column in named if key in (None, name)]
    names, columns = zip(*chosen, strict=True)
    return columns[0] if len(columns) == 1 else side_by_side(columns, names)


def _open(stream: BufferedReader) -> Any:
    """Open a Parquet file.

    Raises:
        DataError: pyarrow is missing, or the file is damaged.
    """
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise DataError("Parquet is read by pyarrow, which is not installed: pip install pyarrow") from None
    return ParquetFile(stream)


def _is_numeric(kind: Any) -> bool:
    """Whether a type is one of numbers, or of lists of them."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    return bool(numeric)


def _column(name: str, array: Any) -> Array:
    """(N, 1) of numbers, or (N, length) of lists.

    Raises:
        DataError: lists differ in length, or a number would be rounded.
    """
    from pyarrow import compute, types

    if not types.is_nested(array.type):
        return _numbers(name, array)[:, None]
    lengths = np.unique(compute.list_value_length(array.drop_null()).to_numpy(zero_copy_only=False))
    if len(lengths) != 1:
        held = f"lists of {lengths[0]} to {lengths[-1]} numbers" if len(lengths) else "no lists"
        raise DataError(f"{held} in column {shown(name, 60)}; every item has as many")
    inside = _column(name, array.flatten())  # leaves out null
    if not array.null_count:
        return inside.reshape(len(array), lengths[0])
    rows = np.full((len(array), lengths[0]), np.nan)
    rows[array.is_valid().to_numpy(zero_copy_only=False)] = inside.reshape(-1, lengths[0])
    return rows


def _numbers(name: str, array: Any) -> Array:
    """(N,) of a column without lists; null becomes NaN, and whole numbers stay exact.

    Raises:
        DataError: a number would be rounded.
    """
    from pyarrow import ArrowInvalid, float64, int8, int64, types, uint64

    if types.is_boolean(array.type):
        array = array.cast(int8())
    elif types.is_decimal(array.type) and array.type.scale > 0:
        array = array.cast(float64())
    elif types.is_decimal(array.type):
        try:
            array = array.cast(int64())
        except ArrowInvalid:  # beyond 2^63; beyond 2^64 is refused by pyarrow, with the number
            array = array.cast(uint64())
    if array.null_count and types.is_integer(array.type):
        present = array.fill_null(0).to_numpy(zero_copy_only=False)
        if (rounded := is_rounded(present)).any():
            row = int(np.argmax(rounded))
            where = f"{present[row]} at row {row} (from 0) of column {shown(name, 60)}"
            raise DataError(
                f"{where} is beyond 2^53, where float64 rounds whole numbers, and others are null, which is NaN; "
                "fill these, or write it smaller"
            )
    numbers: Array = array.to_numpy(zero_copy_only=False)
    return numbers
