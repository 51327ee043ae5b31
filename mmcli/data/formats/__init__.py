"""Arrays from files of any supported format, recognised by their first bytes, whatever their names."""

from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmcli.data.formats import blocks, cache, csr, idx, npz, parquet, text
from mmcli.data.formats.columns import index_of
from mmcli.data.formats.opening import GZIP_MAGIC, opened, unpacked
from mmcli.data.rows.sparse import HostRows
from mmcli.data.rows.streamed import RowSource
from mmcli.errors import DataError

Array = NDArray[Any]


def read_array(file: Path, key: str | None, header: bool | None = None, *, texts: bool = False) -> HostRows:
    """Read an array of numbers from a file, as stored; from an IDX file, its items as rows (see `idx.as_items`).

    Text and Parquet are tables, (N, D); a column of one is (N, 1), and one of lists (N, length).

    Args:
        file: .npz, .npy, IDX or text (both plain or gzip), or Parquet.
        key: array of a .npz, or column of a table; None for the whole file, such as scipy.sparse.save_npz writes.
        header: whether the first line of a text names its columns; None: decided by the text.
        texts: whether an array of a .npz or .npy may hold text instead.

    Raises:
        DataError: what is wrong, without the name of the file; with the line of a text.
    """
    kind, types = _kind(file), npz.NUMBERS_AND_TEXT if texts else npz.NUMBERS
    _refuse_header(kind, header)
    match kind:
        case Kind.TEXT:
            return _text_array(file, key, header)
        case Kind.PARQUET:
            return parquet.read_parquet(file, key)
        case Kind.NPZ:
            with opened(file) as stream:
                is_sparse = key is None and csr.is_matrix(npz.member_names(stream))
                return csr.read_csr(stream) if is_sparse else npz.read_member(stream, key, types)
    if key is not None:
        raise DataError(f"{kind.value} holds one array without a name; remove the key")
    if kind is Kind.IDX:
        return idx.as_items(idx.read_idx(file))
    with opened(file) as stream:
        return npz.read_npy(stream, file.stat().st_size, types)


def stream_array(file: Path, key: str | None, header: bool | None = None) -> RowSource:
    """Read an array as `read_array`, but leave rows of .npz and .npy in the file, to be read block by block.

    Raises:
        DataError: as `read_array`; a damaged value and a wrong checksum are found as blocks are read.
    """
    kind = _kind(file)
    _refuse_header(kind, header)
    if (kind is Kind.NPZ and key is not None) or (kind is Kind.NPY and key is None):
        rows = blocks.stream(file, key)
        if rows is not None:
            return rows
    return read_array(file, key, header)


def array_names(file: Path, header: bool | None = None) -> list[str]:
    """Names of the arrays of a .npz, or of the columns of a table, in order; empty where there are none.

    A sparse matrix of scipy has no name; the names are those of the arrays beside it. `header` as for `read_array`.

    Raises:
        DataError: as in `read_array`.
    """
    try:
        if not file.is_file():
            return []
    except OSError:  # reading it reports why
        return []
    kind = _kind(file)
    _refuse_header(kind, header)
    match kind:
        case Kind.NPZ:
            with opened(file) as stream:
                names = npz.member_names(stream)
            return [name for name in names if name not in (*csr.PARTS, csr.IS_ARRAY)] if csr.is_matrix(names) else names
        case Kind.TEXT:
            return list(_text_names(file, header) or ())
        case Kind.PARQUET:
            return parquet.column_names(file)
    return []


def is_sparse(file: Path) -> bool:
    """Whether a file holds a sparse matrix of scipy, alone or beside other arrays.

    Raises:
        DataError: as `read_array`.
    """
    if _kind(file) is not Kind.NPZ:
        return False
    with opened(file) as stream:
        return csr.is_matrix(npz.member_names(stream))


def is_table(file: Path) -> bool:
    """Whether a whole file, its columns side by side, is one array.

    Raises:
        DataError: as `read_array`.
    """
    return _kind(file) in (Kind.TEXT, Kind.PARQUET)


def takes_header(file: Path) -> bool:
    """Whether the first line of a file could name its columns: true of text.

    Raises:
        DataError: as `read_array`.
    """
    return _kind(file) is Kind.TEXT


def line_of(file: Path, row: int, header: bool | None = None) -> int | None:
    """Line of a text, from 1, that holds a row, from 0; None where the file is no text.

    Raises:
        DataError: as `read_array`.
    """
    return text.line_of(file, row, header) if _kind(file) is Kind.TEXT else None


def heading_doubt(file: Path, header: bool | None = None) -> str | None:
    """Remark, file:line: text, on a text whose first line is read as an item and may name its columns; else None.

    Raises:
        DataError: as `read_array`.
    """
    if header is not None or _kind(file) is not Kind.TEXT or text.is_decided(file, header):
        return None
    return text.heading_doubt(file, _text_table(file, header))


class Kind(Enum):
    """Formats, by their names in messages."""

    NPZ = "a .npz file"
    NPY = "a .npy file"
    IDX = "an IDX file"
    PARQUET = "a Parquet file"
    TEXT = "a text file"


def _kind(file: Path) -> Kind:
    """Recognise the format of a file by its first bytes.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    with opened(file) as stream:
        start = stream.read(text.SAMPLE_SIZE)
        if not start:
            raise DataError("is empty; write it again")
        if is_gzip := start.startswith(GZIP_MAGIC):
            stream.seek(0)
            with unpacked(stream) as inside:
                start = inside.read(text.SAMPLE_SIZE)
    kinds = {Kind.IDX: idx.is_idx, Kind.TEXT: text.is_text}
    if not is_gzip:
        kinds = {Kind.NPZ: npz.is_npz, Kind.NPY: npz.is_npy, Kind.PARQUET: parquet.is_parquet} | kinds
    found = next((kind for kind, is_it in kinds.items() if is_it(start)), None)
    if found is None:
        what = "a gzip file of neither IDX nor text" if is_gzip else "neither .npz, .npy, IDX, Parquet nor text"
        raise DataError(f"{what}; write it with numpy.savez or numpy.save")
    return found


def _refuse_header(kind: Kind, header: bool | None) -> None:
    """Refuse a setting of `header` for a format without a first line.

    Raises:
        DataError: there is one.
    """
    if header is not None and kind is not Kind.TEXT:
        raise DataError(f"{kind.value} has no first line that could name its columns; remove header")


def _text_array(file: Path, key: str | None, header: bool | None) -> Array:
    """Array of a text.

    Raises:
        DataError: as in `read_array`.
    """
    if key is None:
        return _text_table(file, header).array
    names = _text_names(file, header)
    if names is None:
        raise DataError("a text without a line of names holds one array without a name; remove the key")
    column = index_of(key, names)
    try:
        return _text_table(file, header).array[:, [column]]
    except DataError:  # other columns may be text
        read = partial(_column_alone, index=column, header=header)
        return cache.kept(file, read, f"{_READINGS[header]}-{column}").array


_READINGS = {None: "", True: "-names", False: "-items"}


def _column_alone(file: Path, index: int, header: bool | None) -> text.Table:
    """One column of a text, as a table."""
    return text.Table(text.read_column(file, index, header), None)


def _text_table(file: Path, header: bool | None) -> text.Table:
    """All columns of a text."""
    return cache.kept(file, partial(text.read_table, header=header), _READINGS[header])


def _text_names(file: Path, header: bool | None) -> tuple[str, ...] | None:
    """Names of the columns of a text, which is read whole where its first line does not decide."""
    return text.column_names(file, header) if text.is_decided(file, header) else _text_table(file, header).names
