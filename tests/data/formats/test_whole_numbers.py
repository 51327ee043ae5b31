"""Whole numbers beyond 2^53 are exact or refused, whatever the format."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from mmcli.data.formats import array_names, read_array
from mmcli.data.formats.whole_numbers import is_rounded
from mmcli.errors import DataError

BIG = 2**53 + 1


def refusal(file, key=None):
    with pytest.raises(DataError) as caught:
        read_array(file, key)
    return str(caught.value)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "f"


@pytest.mark.parametrize(
    ("values", "rounded"),
    [
        (np.array([2**53, -(2**53), 2**62, 5]), []),
        (np.array([2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]), [0, 1, 2]),
        (np.array([2**64 - 1, 2**63, 2**53 + 2], np.uint64), [0]),
        (np.array([1e300, 0.1]), []),
        (np.array([True]), []),
    ],
)
def test_what_float64_rounds_is_found(values, rounded):
    assert np.flatnonzero(is_rounded(values)).tolist() == rounded


@pytest.mark.parametrize("values", [[2**63, 2**63 + 3], [-(2**63), 2**63 - 1], [BIG, 0]])
def test_a_text_of_whole_numbers_is_exact(file, values):
    file.write_text("".join(f"{value} 7\n" for value in values))

    found = read_array(file, None)

    assert found.dtype.kind in "iu"
    assert found[:, 0].tolist() == values


def test_a_column_of_whole_numbers_is_exact_beside_others(file):
    file.write_text(f"x,digit\n0.5,{BIG}\n1.5,{2**64 - 1}\n")

    assert read_array(file, "digit").ravel().tolist() == [BIG, 2**64 - 1]
    assert read_array(file, "x").ravel().tolist() == [0.5, 1.5]
    assert refusal(file) == (
        f"line 2: {BIG} at column 1 (from 0) is beyond 2^53, where float64 rounds whole numbers; write it smaller, "
        "or name one column by key"
    )


def test_a_header_of_numbers_above_whole_numbers(file):
    file.write_text("0,1,2\n" + f"{BIG},1,0\n" * 20)

    assert array_names(file) == ["0", "1", "2"]
    assert read_array(file, None).tolist() == [[BIG, 1, 0]] * 20


@pytest.mark.parametrize("values", [[-1, 2**63 + 1], [2**64 + 1, 5], [BIG, 0.5, 1], [BIG, 10**400]])
def test_a_text_of_numbers_that_no_type_holds_is_refused(file, values):
    file.write_text("9\n" + "".join(f"{value}\n" for value in values))

    assert " at column 0 (from 0) is beyond 2^53, where float64 rounds whole numbers; write it smaller" in refusal(file)


@pytest.mark.parametrize("values", [[-1, 2**63], [2**64, 1]])
def test_powers_of_two_are_exact_in_float64(file, values):
    file.write_text("".join(f"{value}\n" for value in values))

    assert read_array(file, None).ravel().tolist() == values


@pytest.mark.parametrize("kind", ["int64", "uint64", pa.decimal128(30, 0)])
def test_a_column_of_parquet_is_exact(file, kind):
    values = [BIG, 2**63 - 1]
    pq.write_table(pa.table({"x": pa.array([Decimal(v) if "dec" in str(kind) else v for v in values], kind)}), file)

    assert read_array(file, None).ravel().tolist() == values


def test_decimals_of_parquet_are_numbers(file):
    pq.write_table(pa.table({"x": pa.array([Decimal("0.25"), None], pa.decimal128(5, 2))}), file)

    np.testing.assert_array_equal(read_array(file, "x"), [[0.25], [np.nan]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [BIG, 1], "y": [0.5, 1]}, f"{BIG} at row 0 (from 0) of column x is beyond 2^53, where float64 rounds"),
        ({"x": pa.array([1, 2**63 + 1], "uint64"), "y": [1, -1]}, f"{2**63 + 1} at row 1 (from 0) of column x is"),
        (
            {"x": [None, BIG]},
            f"{BIG} at row 1 (from 0) of column x is beyond 2^53, where float64 rounds whole numbers, ",
        ),
        ({"x": pa.array([Decimal(2**70)], pa.decimal128(30, 0))}, "cannot be read: "),
    ],
)
def test_a_table_of_parquet_that_would_be_rounded_is_refused(file, columns, message):
    pq.write_table(pa.table(columns), file)

    assert refusal(file).startswith(message)


@pytest.mark.parametrize(
    ("values", "indices", "message"),
    [
        ([BIG, 1], [2, 0], f"{BIG} at row 0, column 2 (from 0) is beyond 2^53, where float64 rounds whole numbers;"),
        ([2**53, 1], [1, 1], "entries that are there twice sum to 2^53 or more, where float64 rounds;"),
    ],
)
def test_a_sparse_matrix_that_would_be_rounded_is_refused(file, values, indices, message):
    parts = {"data": np.array(values), "indices": np.array(indices), "indptr": np.array([0, 2])}
    with file.open("wb") as stream:
        np.savez(stream, format=b"csr", shape=np.array([1, 3]), **parts)

    assert refusal(file).startswith(message)


def test_a_sparse_matrix_of_exact_numbers_is_read(file):
    with file.open("wb") as stream:
        sparse.save_npz(stream, sparse.csr_array(np.array([[2**60, 0, 3]])))

    assert read_array(file, None).toarray().tolist() == [[2**60, 0, 3]]
