"""Text of numbers: what np.loadtxt reads comes back the same, names name columns, and every fault has its line."""

import gzip
import io
import os
import zipfile
from contextvars import Context

import numpy as np
import pytest

from mmcli.data.formats import array_names, cache, line_of, lines, read_array, text
from mmcli.errors import DataError
from mmcli.util import atomic
from mmcli.util.progress import looks_on
from mmcli.util.user_cache import cache_folder


@pytest.fixture
def write(tmp_path):
    def write(content, name="f"):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return write


@pytest.fixture(params=[1 << 20, 7], ids=["one block", "blocks of 7 bytes"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(lines, "_BLOCK", request.param)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "content",
    [
        "1 2 3\n4 5 6\n",
        "1,2,3\n4,5,6",
        "1\t2\t3\r\n4\t5\t6\r\n",
        "1 2 3\r4 5 6\r",
        " 1.5   -2e-3\t+.25 \n\n# a comment\n   \n 4. 5E2 6 # more\n\n",
        "# x y z\n1, 2 ,3\n 4,5,\t6\n",
        "7\n8\n9\n",
        "\ufeff1 2\n",
        "1 nan inf\n-inf NaN 3\n",
    ],
)
def test_it_reads_what_numpy_reads(write, content, pack):
    lines = io.StringIO(content.lstrip("\ufeff"), newline=None)
    expected = np.loadtxt(lines, delimiter="," if "," in content else None, ndmin=2)

    found = read_array(write(pack(content.encode())), None)

    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("high", [2.0**24 + 1, -(2.0**31), 1e39, 1e6 + 0.01])
def test_what_float32_may_not_hold_is_float64(write, high):
    found = read_array(write(f"1 2\n3 4\n5 {high!r}\n6 7\n"), None)

    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[1, 2], [3, 4], [5, high], [6, 7]])


def test_a_matrix_of_many_blocks_comes_back(write, monkeypatch):
    monkeypatch.setattr(lines, "_BLOCK", 1000)
    matrix = np.random.default_rng(0).random((300, 7)).astype(np.float32)
    stream = io.BytesIO()
    np.savetxt(stream, matrix)

    found = read_array(write(stream.getvalue()), None)

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, matrix)


NAMED = '# made by hand\n\n"x",size, kind\n1,2,0\n3,4,1\n'


@pytest.mark.usefixtures("blocks")
def test_a_line_of_names_names_the_columns(write):
    file = write(NAMED)

    assert array_names(file) == ["x", "size", "kind"]
    np.testing.assert_array_equal(read_array(file, None), [[1, 2, 0], [3, 4, 1]])
    np.testing.assert_array_equal(read_array(file, "kind"), [[0], [1]])
    assert [line_of(file, row) for row in range(3)] == [4, 5, None]


def test_without_names_there_are_none(write):
    assert array_names(write("1 2\n")) == []
    assert array_names(write("# nothing\n")) == []
    assert line_of(write("# a comment\n1 2\n\n3 4\n"), 1) == 4


HINT = "write numbers (nan where one is missing)"


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ("1 2\n3\n", None, "line 2: 1 in a row, but 2 in line 1; every item has as many numbers"),
        ("# c\n1 2\n\n3 4\n5 6 7\n8 9\n", None, "line 5: 3 in a row, but 2 in line 2; every item has as many numbers"),
        ("1 2\n" * 9 + "1 2 3\n" * 9, None, "line 10: 3 in a row, but 2 in line 1; every item has as many numbers"),
        ("a,b\n1,2,3\n", None, "line 2: 3 in a row, but 2 in line 1; every item has as many numbers"),
        ("1 2\n3 four\n", None, f"line 2: four at column 1 (from 0) is no number; {HINT}"),
        ("1 2\n\n\n3 4\n5 x\ny 6\n", None, f"line 5: x at column 1 (from 0) is no number; {HINT}"),
        ("1,2\n3,\n", None, f"line 2: nothing at column 1 (from 0) is no number; {HINT}"),
        ("1_000 2\n", None, f"line 1: 1_000 at column 0 (from 0) is no number; {HINT}, or nothing but names"),
        ("id 2\n3 4\n", None, f"line 1: id at column 0 (from 0) is no number; {HINT}, or nothing but names"),
        ("1 2\n3 \x7f4\n", None, f"line 2: \\x7f4 at column 1 (from 0) is no number; {HINT}"),
        ("1 2\n3 0x1f\n", None, f"line 2: 0x1f at column 1 (from 0) is no number; {HINT}"),
        ("cat\ndog\n", None, f"line 2: dog at column 0 (from 0) is no number; {HINT}"),
        (
            ",x,y\n0,1,2\n",
            None,
            "line 1: column 0 (from 0) has no name; name every column (pandas: index=False), or none",
        ),
        ("# only comments\n\n", None, "no numbers in it; write an item a line"),
        ("x,y\n", None, "no numbers in it; write an item a line"),
        (
            "1 2\n",
            "x",
            "a text without a line of names holds one array without a name; remove the key",
        ),
        (NAMED, "kinds", "no column kinds (did you mean kind?); it has x, size, kind"),
        ("x x\n1 2\n", "x", "2 columns of the name x; give each its own"),
    ],
)
def test_a_fault_is_told_in_one_line(write, content, key, message):
    with pytest.raises(DataError) as caught:
        read_array(write(content), key)

    assert str(caught.value) == message


def test_an_error_names_file_and_line(write):
    with pytest.raises(DataError) as caught:
        read_array(write("1 2\n3\n"), None)

    assert caught.value.of("a.txt") == "a.txt:2: 1 in a row, but 2 in line 1; every item has as many numbers"
    assert DataError("is empty").of("a.txt") == "a.txt: is empty"


def test_a_line_without_end_is_not_waited_for(write, monkeypatch):
    monkeypatch.setattr(lines, "_LONGEST", 1 << 20)

    with pytest.raises(DataError) as caught:
        read_array(write(b"1 2\n" + b"3 " * (2 << 20)), None)

    assert str(caught.value) == "line 2: longer than 1 MB; an item is a line"


@pytest.mark.parametrize("line", [b"0 0 0 0\n", b"\n", b"# nothing\n"])
def test_a_gzip_bomb_is_refused(write, monkeypatch, line):
    monkeypatch.setattr("mmcli.data.formats.opening.SUSPECT_BYTES", 4 << 20)

    with pytest.raises(DataError) as caught:
        read_array(write(gzip.compress(line * (8 << 20))), None)

    assert "MB or more, more than 250 times its size, as a bomb does; if it is none, gunzip it first" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda packed: packed[:-9], "cut short: the end of the gzip file is missing; copy or download it again"),
        (lambda packed: packed[:-8] + bytes(8), "damaged gzip file (CRC check failed"),
    ],
)
def test_a_damaged_gzip_file_is_told(write, damage, message):
    with pytest.raises(DataError) as caught:
        read_array(write(damage(gzip.compress(b"1 2\n3 4\n"))), None)

    assert str(caught.value).startswith(message)


class Kept:
    """A long text, how often it was read, and where its copy is."""

    def __init__(self, file, folder):
        self.file, self.folder, self.num_read = file, folder, 0

    def read(self):
        def counted(file):
            self.num_read += 1
            return text.read_table(file)

        return cache.kept(self.file, counted).array

    @property
    def copies(self):
        return sorted(self.folder.rglob("*.npz"))


@pytest.fixture
def long_text(write, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "WORTH", 8)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Kept(write("1 2\n3 4\n"), tmp_path / "cache" / "mmcli")


def test_a_long_text_is_read_once(long_text):
    found = [long_text.read() for _ in range(2)]

    assert long_text.num_read == 1
    assert len(long_text.copies) == 1
    np.testing.assert_array_equal(found, [[[1, 2], [3, 4]]] * 2)


def test_a_changed_text_is_read_anew(long_text):
    long_text.read()
    times = long_text.file.stat()
    long_text.file.write_text("1 2\n3 5\n")
    os.utime(long_text.file, ns=(times.st_atime_ns, times.st_mtime_ns))

    np.testing.assert_array_equal(long_text.read(), [[1, 2], [3, 5]])
    long_text.file.write_text("1 2\n3 4\n")
    np.testing.assert_array_equal(long_text.read(), [[1, 2], [3, 4]])
    assert long_text.num_read == 2


def test_a_text_that_changes_while_it_is_read_is_not_kept(long_text):
    def read(file):
        table = text.read_table(file)
        file.write_text("5 6\n")
        return table

    cache.kept(long_text.file, read)

    assert long_text.copies == []


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-40], lambda content: content.replace(b"\0\0\x40", b"\0\0\x41"), lambda _: b""]
)
def test_a_damaged_copy_is_not_used_and_is_replaced(long_text, damage):
    long_text.read()
    (copy,) = long_text.copies
    good = copy.read_bytes()
    copy.write_bytes(damage(good))

    np.testing.assert_array_equal(long_text.read(), [[1, 2], [3, 4]])
    assert long_text.num_read == 2
    assert zipfile.ZipFile(copy).testzip() is None


def test_a_cache_that_cannot_be_written_is_done_without(long_text, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "replace", full)

    np.testing.assert_array_equal(long_text.read(), [[1, 2], [3, 4]])
    monkeypatch.setenv("XDG_CACHE_HOME", str(long_text.file))
    np.testing.assert_array_equal(long_text.read(), [[1, 2], [3, 4]])
    assert long_text.copies == []


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for named, expected in (("/x", "/x/mmcli"), ("here", f"{tmp_path}/.cache/mmcli"), ("", f"{tmp_path}/.cache/mmcli")):
        monkeypatch.setenv("XDG_CACHE_HOME", named)
        assert str(cache_folder()) == expected


def test_whoever_looks_on_is_told_how_far_a_long_file_is(write, monkeypatch, capsys):
    monkeypatch.setattr("mmcli.util.progress.LONG", 10_000_000)
    monkeypatch.setattr("mmcli.util.progress.SECONDS_A_LINE", 0)
    file = write(f"1 2 # {993 * 'x'}\n" * 12_000)
    context = Context()
    context.run(text.read_table, file)
    assert capsys.readouterr().err == ""

    context.run(looks_on.set, True)
    context.run(text.read_table, file)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 2
    assert lines == sorted(lines, key=lambda line: int(line.split()[2]))
    assert lines[-1] == "reading f: 12 of 12 MB"
