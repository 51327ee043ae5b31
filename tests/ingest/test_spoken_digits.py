"""The text form of Spoken Arabic Digit, and its zip: what is read, and what is refused in one line with its place."""

import io
import zipfile

import numpy as np
import pytest

from mmcli.errors import DataError
from mmcli.ingest.fetch.spoken_digits import ARCHIVE, TEST, TRAIN, read_spoken_digits, read_utterances

FRAME = " ".join(f"{value}.5" for value in range(13))


def read(text):
    return list(read_utterances(io.BytesIO(text.encode("latin-1"))))


def lines(*counts, end="\n", blank="            ", last=""):
    """Text of utterances of so many frames, as UCI writes it."""
    return "".join(f"{blank}{end}" + f"{FRAME}{end}" * count for count in counts) + last


@pytest.mark.parametrize(
    "text",
    [
        lines(4, 93),
        lines(4, 93, end="\r\n"),
        lines(4, 93, blank="", last="\n \n\n"),
        lines(4, 93, blank="\n\t\n  "),
        lines(4, 93)[:-1],
        lines(4, 93).lstrip(),
        lines(4, 93).replace(" ", "  ").replace("12.5", "+1.25e1"),
    ],
    ids=["blanks", "crlf", "ended", "many", "unended", "unbegun", "spaced"],
)
def test_utterances_are_what_blank_lines_separate(text):
    first, second = read(text)

    assert (first.shape, second.shape) == ((4, 13), (93, 13))
    assert first.dtype == np.float64
    np.testing.assert_array_equal(second, np.tile(np.arange(13) + 0.5, (93, 1)))


def test_text_of_blanks_has_no_utterance():
    assert read("") == read(" \n\r\n") == []


MEND = "mend the line, or get the file again"
TWELVE = FRAME.rsplit(" ", 1)[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (TWELVE, "12 numbers, but a frame has 13 MFCCs"),
        (f"{FRAME} 1", "14 numbers, but a frame has 13 MFCCs"),
        ("1", "1 number, but a frame has 13 MFCCs"),
        (f"{TWELVE} one", "'one' is no finite number"),
        (f"{TWELVE} 1,5", "'1,5' is no finite number"),
        (f"{TWELVE} 1_0", "'1_0' is no finite number"),
        (f"{TWELVE} NaN", "'NaN' is no finite number"),
        (f"{TWELVE} -inf", "'-inf' is no finite number"),
        (f"{TWELVE} 1e999", "'1e999' is no finite number"),
        ("\x00\x1b[31m\xff", r"'\x00\x1b[31mÿ' is no finite number"),
        ("x" * 100_000, "'" + "x" * 36 + "... is no finite number"),
    ],
    ids=["12", "14", "1", "word", "comma", "underscore", "nan", "infinity", "overflow", "binary", "long"],
)
def test_a_line_that_is_no_frame_is_named(line, reason):
    with pytest.raises(DataError) as caught:
        read(f"{lines(5)}{line}\n{FRAME}\n")
    assert str(caught.value) == f"line 7: {reason}; {MEND}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lines(5, 3), "line 8: an utterance of 3 frames begins here"),
        (lines(5, 1, 5), "line 8: an utterance of 1 frame begins here"),
        (lines(94), "line 2: an utterance of 94 frames begins here"),
    ],
)
def test_an_utterance_is_of_4_to_93_frames(text, reason):
    with pytest.raises(DataError) as caught:
        read(text)
    assert str(caught.value) == f"{reason}; UCI's have 4 to 93; get the file again"


def failure(place):
    with pytest.raises(DataError) as caught:
        read_spoken_digits(place)
    return str(caught.value)


def test_the_numbers_of_utterances_and_frames_are_checked(tmp_path):
    (tmp_path / TRAIN.name).write_text(lines(4, 5))
    (tmp_path / TEST.name).write_text(lines(4))

    reason = "2 utterances, 9 frames; UCI's has 6,600 and 263,256; get it again"
    assert failure(tmp_path) == f"{tmp_path / TRAIN.name}: {reason}"


def test_a_text_with_too_many_utterances_is_not_read_to_its_end(tmp_path):
    (tmp_path / TRAIN.name).write_text(f"{FRAME}\n" * 4 + lines(*[4] * 6600, 1))
    (tmp_path / TEST.name).write_text("")

    reason = "6,601 utterances, 26,404 frames or more; UCI's has 6,600 and 263,256; get it again"
    assert failure(tmp_path) == f"{tmp_path / TRAIN.name}: {reason}"


def test_the_line_of_a_file_is_named(tmp_path):
    (tmp_path / TRAIN.name).write_text(lines(4) + TWELVE)
    (tmp_path / TEST.name).write_text(lines(4))

    assert failure(tmp_path) == f"{tmp_path / TRAIN.name}:6: 12 numbers, but a frame has 13 MFCCs; {MEND}"


def test_what_is_missing_is_named(tmp_path):
    assert failure(tmp_path / "a") == f"{tmp_path / 'a'}: no such file or folder"
    where = f"and no {ARCHIVE}; get it from archive.ics.uci.edu/dataset/195"
    assert failure(tmp_path) == f"{tmp_path}: no {TRAIN.name} and no {TEST.name}, {where}"
    (tmp_path / TRAIN.name).write_text("")
    assert failure(tmp_path) == f"{tmp_path}: no {TEST.name}, {where}"


def test_a_text_that_is_too_large_is_not_read(tmp_path):
    for text in (TRAIN, TEST):
        with (tmp_path / text.name).open("wb") as file:
            file.truncate(1 << 40)  # takes no room

    assert failure(tmp_path) == f"{tmp_path / TRAIN.name}: 1099512 MB; UCI's has less than 67; get it again"


def test_a_text_that_is_no_file(tmp_path):
    (tmp_path / TRAIN.name).mkdir()
    (tmp_path / TEST.name).write_text("")

    assert failure(tmp_path) == f"{tmp_path / TRAIN.name}: is a directory; name a file that holds an array"


@pytest.fixture
def archive(tmp_path):
    """Write a zip of members, and give its path."""

    def archive(members):
        path = tmp_path / "any.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members:
                file.writestr(name, content)
        return path

    return archive


def test_a_zip_without_a_text(archive):
    path = archive([("documentation.html", "")])

    assert failure(path) == f"{path}: holds no {TRAIN.name}; get it from archive.ics.uci.edu/dataset/195"


def test_a_zip_with_two_of_a_text(archive):
    path = archive([(f"a/{TRAIN.name}", ""), (f"b/{TRAIN.name}", ""), (TEST.name, "")])

    assert failure(path) == f"{path}: holds 2 {TRAIN.name}; get it from archive.ics.uci.edu/dataset/195"


def test_nothing_of_a_zip_is_extracted(archive, tmp_path):
    path = archive([(f"../../{TRAIN.name}", lines(4, 5)), (TEST.name, lines(4)), ("../evil.txt", "evil")])

    reason = "2 utterances, 9 frames; UCI's has 6,600 and 263,256; get it again"
    assert failure(path) == f"{path}: {TRAIN.name}: {reason}"
    assert list(tmp_path.iterdir()) == [path]
    assert not (tmp_path.parent / "evil.txt").exists()


def test_the_line_of_a_member_is_named(archive):
    path = archive([(f"folder/{TRAIN.name}", lines(4) + TWELVE), (TEST.name, "")])

    assert failure(path) == f"{path}: {TRAIN.name}:6: 12 numbers, but a frame has 13 MFCCs; {MEND}"


def test_a_zip_bomb_is_not_unpacked(archive):
    path = archive([(TRAIN.name, bytes(100 << 20)), (TEST.name, "")])

    assert failure(path) == f"{path}: {TRAIN.name}: 105 MB; UCI's has less than 67; get it again"


def test_a_damaged_zip(archive):
    path = archive([(TRAIN.name, lines(4, 5)), (TEST.name, lines(4))])
    content = path.read_bytes()
    path.write_bytes(content.replace(content[14:18], b"\0\0\0\0"))  # the CRC-32 of the first member, both times

    assert failure(path) == f"{path}: cannot be read: Bad CRC-32 for file '{TRAIN.name}'"
    path.write_bytes(content[: len(content) // 2])
    assert failure(path) == f"{path}: cannot be read: File is not a zip file"


def test_a_zip_with_a_password(archive):
    path = archive([(TRAIN.name, lines(4, 5)), (TEST.name, lines(4))])
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory, which is what counts
    path.write_bytes(content)

    reason = f"File '{TRAIN.name}' is encrypted, password required for extraction"
    assert failure(path) == f"{path}: cannot be read: {reason}"
