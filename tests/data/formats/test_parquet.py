"""Parquet tables: columns of numbers and of lists, and what is said of others."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmcli.data.formats import array_names, line_of, read_array
from mmcli.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(**columns):
        pq.write_table(pa.table(columns), tmp_path / "f")
        return tmp_path / "f"

    return write


@pytest.mark.parametrize("kind", ["int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"])
def test_numbers_of_any_type_stand_side_by_side(write, kind):
    file = write(x=pa.array([1, 2, 3], kind), y=pa.array([4, 5, 6], "int8"))

    assert array_names(file) == ["x", "y"]
    np.testing.assert_array_equal(read_array(file, None), [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(read_array(file, "y"), [[4], [5], [6]])
    assert read_array(file, "y").dtype == np.int8
    assert line_of(file, 0) is None


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.int16(), 2), pa.large_list(pa.float16())])
def test_lists_of_one_length_are_rows(write, kind):
    file = write(name=["a", "b", "c"], x=pa.array([[1, 0], [0, 0], [1, 1]], kind))

    np.testing.assert_array_equal(read_array(file, "x"), [[1, 0], [0, 0], [1, 1]])


def test_a_name_may_hold_a_dot(write):
    file = write(**{"a": [1], "a.b": [[2, 3]]})

    np.testing.assert_array_equal(read_array(file, "a"), [[1]])
    np.testing.assert_array_equal(read_array(file, "a.b"), [[2, 3]])


def test_lists_and_numbers_mix(write):
    file = write(x=[[1, 2], [3, 4]], y=[5.5, 6.5])

    np.testing.assert_array_equal(read_array(file, None), [[1, 2, 5.5], [3, 4, 6.5]])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None, 3]), [[1], [np.nan], [3]]),
        (pa.array([True, None, False]), [[1], [np.nan], [0]]),
        (pa.array([[True, False], [None, True]]), [[1, 0], [np.nan, 1]]),
        (pa.array([[1, 2], None, [3, None]]), [[1, 2], [np.nan, np.nan], [3, np.nan]]),
        (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32(), 2)), [[1, 2], [np.nan, np.nan], [3, 4]]),
    ],
)
def test_what_is_null_is_nan(write, column, expected):
    np.testing.assert_array_equal(read_array(write(x=column), "x"), expected)


def test_several_row_groups_are_one_table(tmp_path):
    pq.write_table(pa.table({"x": range(10), "y": [[i, i] for i in range(10)]}), tmp_path / "f", row_group_size=3)

    np.testing.assert_array_equal(read_array(tmp_path / "f", None), np.arange(10)[:, None].repeat(3, axis=1))


@pytest.mark.parametrize(
    ("columns", "key", "message"),
    [
        ({"x": [1], "name": ["a"]}, None, "no numbers in name; name a column of numbers by key"),
        ({"x": [1], "name": ["a"]}, "name", "no numbers in name; name another"),
        ({"x": [1], "y": [2]}, "z", "no column z; it has x, y"),
        ({"x": [{"a": 1}]}, None, "no numbers in x; name a column of numbers by key"),
        ({"x": [[[1]]]}, None, "no numbers in x; name a column of numbers by key"),
        ({"x": [[1, 2], [3]]}, None, "lists of 1 to 2 numbers in column x; every item has as many"),
        ({"x": pa.array([None], pa.list_(pa.int8()))}, "x", "no lists in column x; every item has as many"),
        ({}, None, "has no columns; write it again"),
        ({"x": pa.array([], pa.int8())}, None, "no rows in it; write it again"),
        (
            {"x": np.zeros(20_000_000)},
            None,
            "unpacks to 67 MB or more, more than 250 times its size, as a bomb does",
        ),
    ],
)
def test_what_is_no_table_of_numbers_is_told(write, columns, key, message):
    with pytest.raises(DataError) as caught:
        read_array(write(**columns), key)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-20], lambda content: b"PAR1" + content[40:], lambda _: b"PAR1 is what it says"]
)
def test_a_damaged_file_gives_one_line(write, damage):
    file = write(x=np.arange(100.0), y=np.arange(100.0))
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(DataError, match=r"^cannot be read: [^\n]+$"):
        read_array(file, None)


def test_without_pyarrow_it_is_asked_for(write, monkeypatch):
    file = write(x=[1])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(DataError) as caught:
        read_array(file, None)

    assert str(caught.value) == "Parquet is read by pyarrow, which is not installed: pip install pyarrow"
