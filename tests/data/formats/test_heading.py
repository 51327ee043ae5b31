"""The first line of a text is names or an item by the whole of the file, and where it may be either, that is asked."""

import numpy as np
import pytest

from mmcli.data.formats import array_names, cache, heading, heading_doubt, line_of, read_array
from mmcli.errors import DataError

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(240, 3))
COUNTS = RNG.integers(0, 5, (240, 12))
ONE_HOT = np.eye(2, dtype=int)[np.arange(240) % 2]


def lines(first, rows, sep=",", fmt=None):
    """Text as pandas writes it: whole numbers plain, others with a point."""
    write = fmt or (lambda value: repr(value.item()))
    return "\n".join([first, *(sep.join(map(write, row)) for row in np.asarray(rows))]) + "\n"


@pytest.fixture
def write(tmp_path):
    def write(content):
        (tmp_path / "f").write_text(content)
        return tmp_path / "f"

    return write


YEARS = ",".join(map(str, range(1990, 2001)))
NAMED = {
    "pandas, points": (lines("0,1,2", POINTS), POINTS),
    "pandas, points in a plane": (lines("0,1", POINTS[:, :2]), POINTS[:, :2]),
    "pandas, counts": (lines(",".join(map(str, range(12))), COUNTS), COUNTS),
    "pandas, counts of few columns": (lines("0,1,2", COUNTS[:, :3] + [20, 10, 0]), COUNTS[:, :3] + [20, 10, 0]),
    "pandas, a few items of many columns": (lines(",".join(map(str, range(12))), COUNTS[:2]), COUNTS[:2]),
    "pandas, by semicolons": (lines("0;1;2", POINTS, ";"), POINTS),
    "pandas, by tabs": (lines("0\t1\t2", POINTS, "\t"), POINTS),
    "years above shares": (lines(YEARS, RNG.random((20, 11))), None),
    "years above counts": (lines(YEARS, COUNTS[:, :11]), COUNTS[:, :11]),
    "frequencies above levels": (lines("125,250,500", POINTS), POINTS),
    "in quotes": (lines('"0","1"', ONE_HOT), ONE_HOT),
    "a name beside numbers": (lines("label,0,1", COUNTS[:, :3]), COUNTS[:, :3]),
}


@pytest.mark.parametrize("name", NAMED)
def test_numbers_that_name_columns_are_no_item(write, name):
    content, expected = NAMED[name]
    file = write(content)

    found = read_array(file, None)

    num_items = len(content.splitlines()) - 1
    assert len(found) == num_items
    if expected is not None:
        np.testing.assert_array_equal(np.asarray(found, np.float32), np.asarray(expected, np.float32))
    last = array_names(file)[-1]
    np.testing.assert_array_equal(read_array(file, last), found[:, -1:])
    assert line_of(file, 0) == 2


ITEMS = {
    "numbers without names": lines("1.5,-2.0,0.25", POINTS),
    "labels that begin at 0": lines("0", COUNTS[:, :1]),
    "rows that ascend": lines("1,2,3", np.arange(4, 304).reshape(100, 3)),
    "an item of one-hot labels": lines("1,0", ONE_HOT),
    "an item of counts": lines("3,1,2", COUNTS[:, :3]),
    "one item": "0,1,2\n",
    "two items": "1,2\n3,4\n",
    "five items": lines("1,2,4", COUNTS[:4, :3]),
}


@pytest.mark.parametrize("name", ITEMS)
def test_a_first_line_that_is_an_item_is_read(write, name):
    content = ITEMS[name]

    found = read_array(write(content), None)

    first = np.array(content.splitlines()[0].split(","), np.float32)
    np.testing.assert_array_equal(found[0], first)
    assert len(found) == len(content.splitlines())
    assert array_names(write(content)) == []


EITHER = {
    "one-hot labels under 0,1": lines("0,1", ONE_HOT),
    "numbers that count on": lines("0,1,2", np.arange(3, 303).reshape(100, 3)),
    "few items under 0,1,2": lines("0,1,2", COUNTS[:3, :3]),
    "one column of labels under 0, none of them 0": lines("0", COUNTS[:, :1] + 1),
    "one column of shares under 0": lines("0", POINTS[:, :1]),
    "frequencies above counts": lines("125,250,500", COUNTS[:, :3][~(np.diff(COUNTS[:, :3]) > 0).all(axis=1)]),
    "years above what may be years": lines("1990,1991,1992", [[2000, 1980, 1990], [1980, 2000, 1995]] * 9),
    "frequencies above few levels": lines("125,250,500", POINTS[:3]),
}


DOUBTFUL = {
    "one column of labels under 0": lines("0", COUNTS[:, :1]),
    "one column of counts under a year": lines("1990", COUNTS[:, :1]),
    "two years above counts": lines("1990,1991", COUNTS[:, :2]),
    "years above counts, some of which ascend": lines("1990,1991,1992", [[1, 2, 3], *COUNTS[:, :3].tolist()]),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_an_item_that_may_be_names_is_remarked_on(write, name):
    content = DOUBTFUL[name]
    file = write(content)
    first, *rest = content.splitlines()

    assert len(read_array(file, None)) == len(rest) + 1
    assert heading_doubt(file) == (
        f"{file}:1: {first} may name the columns of {len(rest)} items, or be the first of {len(rest) + 1}; "
        "read as an item; header: true or header: false (--header or --no-header of mmcli data) decides"
    )
    assert heading_doubt(file, header=True) is heading_doubt(file, header=False) is None


@pytest.mark.parametrize("name", ["numbers without names", "an item of one-hot labels", "one item", "five items"])
def test_an_item_that_can_be_no_names_is_not(write, name):
    assert heading_doubt(write(ITEMS[name])) is None
    assert heading_doubt(write(NAMED["pandas, points"][0])) is None


@pytest.mark.parametrize("name", EITHER)
def test_where_both_readings_are_possible_none_is_taken(write, name):
    content = EITHER[name]
    file = write(content)
    first, *rest = content.splitlines()

    for read in (lambda: read_array(file, None), lambda: read_array(file, "1"), lambda: array_names(file)):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value) == (
            f"line 1: {first} may name the columns of {len(rest)} items, or be the first of {len(rest) + 1}; "
            "set header: true or header: false (--header or --no-header of mmcli data)"
        )
    as_names, as_items = (read_array(file, None, header) for header in (True, False))
    assert (len(as_names), len(as_items)) == (len(rest), len(rest) + 1)
    np.testing.assert_array_equal(as_items[1:], as_names)
    np.testing.assert_array_equal(as_items[0], np.array(first.split(","), float))
    assert array_names(file, header=True) == first.split(",")
    assert (line_of(file, 0, header=True), line_of(file, 0, header=False)) == (2, 1)


def test_a_long_text_keeps_its_reading(write, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "WORTH", 8)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = write(NAMED["pandas, points"][0])

    for _ in range(2):
        assert array_names(file) == ["0", "1", "2"]
        assert len(read_array(file, None)) == 240
        assert len(read_array(file, None, header=False)) == 241
        assert len(read_array(file, None, header=True)) == 240
    assert len(sorted((tmp_path / "cache").rglob("*.npz"))) == 3


def test_a_first_line_beyond_float32_is_kept(write):
    found = read_array(write(lines("20000001,20000003", COUNTS[:, :2])), None)

    assert found[0].tolist() == [20000001, 20000003]


def test_a_typing_mistake_in_the_first_item_is_no_name(write):
    for first in ("NA,2,3", "l.5,2,3", "nan?,1,2", "?,1,2"):
        with pytest.raises(DataError, match=r"^line 1: .* is no number; write numbers .*, or nothing but names$"):
            read_array(write(lines(first, COUNTS[:, :3])), None)


def test_a_row_beyond_is_told_only_of_what_it_is(write):
    with pytest.raises(DataError) as caught:
        read_array(write("0,1,2\n1,2\n"), None)

    assert str(caught.value) == "line 2: 2 in a row, but 3 in line 1; every item has as many numbers"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1;2\n3;4\n", [[1, 2], [3, 4]]),
        ("1,5;2\n3;4,25\n", [[1.5, 2], [3, 4.25]]),
        ("x;y\n1,5;2\n", [[1.5, 2]]),
        ('"a;b","c"\n1,2\n', [[1, 2]]),
        ("-1,5e3;2\n", [[-1500, 2]]),
    ],
)
def test_semicolons_separate_numbers_with_decimal_commas(write, content, expected):
    np.testing.assert_array_equal(read_array(write(content), None), expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,5;2.5\n", "line 1: decimal commas and points in one file; write all numbers with points"),
        ("1.234;2\n1;2,5\n", "line 2: decimal commas and points in one file; write all numbers with points"),
        ("x y\n1,5 2,5\n", "line 2: 1,5 at column 0 (from 0) is no number; between decimal commas numbers are"),
        ("1,5\t2,5\n", "line 1: 5\\t2 at column 1 (from 0) is no number; between decimal commas numbers are"),
    ],
)
def test_decimal_commas_of_two_readings_are_refused(write, content, message):
    with pytest.raises(DataError) as caught:
        read_array(write(content), None)

    assert str(caught.value).startswith(message)


TABLE = 'name,size,digit,note\n"a, b",1.5,0,# x\nanna,2.5,1,"c, d"\n'


def test_a_column_of_numbers_is_read_beside_text(write):
    file = write(TABLE)

    np.testing.assert_array_equal(read_array(file, "size"), [[1.5], [2.5]])
    np.testing.assert_array_equal(read_array(file, "digit"), [[0], [1]])
    with pytest.raises(DataError) as caught:
        read_array(file, "name")
    assert str(caught.value) == (
        "line 2: a, b at column 0 (from 0) is no number; between decimal commas numbers are separated by semicolons"
    )
    with pytest.raises(DataError, match="or name another column by key"):
        read_array(write("name,x\nanna,1\n"), None)
    with pytest.raises(DataError, match="line 3: 3 in a row, but 2 in line 1"):
        read_array(write("name,x\nanna,1\nb,2,3\n"), "x")


def test_a_column_of_a_long_text_is_kept(write, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "WORTH", 8)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = write(TABLE)

    for _ in range(2):
        assert read_array(file, "size").tolist() == [[1.5], [2.5]]
        assert read_array(file, "digit").tolist() == [[0], [1]]
    assert len(sorted((tmp_path / "cache").rglob("*.npz"))) == 2


def test_a_text_index_is_named_by_its_remedy(write):
    with pytest.raises(DataError, match=r"line 1: column 0 \(from 0\) has no name; name every column \(pandas"):
        read_array(write(",0,1\nanna,0.5,1.5\n"), None)


def test_a_verdict_needs_lines():
    found = heading.read_heading("0,1,2", "1,2,3", 1, None)

    assert found.is_names is None
    assert heading.Evidence(found).verdict() is False
