"""Labels: exact whole numbers and names of any file, items without one, the same labels in two files."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from mmcli.data.labels import Labels, LabelSet, free_numbers, make_labels, merged, read_labels, translated
from mmcli.errors import DataError

LOW, HIGH = -(2**63), 2**63 - 1
EXACT = "whole numbers exactly below 2^{}; number the classes, or save an .npz of int64 or text"


def whole(*numbers, without=()):
    """Labels that are numbers; those at the places `without` are not there."""
    labels = np.array(numbers)
    return make_labels(labels, known=~np.isin(np.arange(len(labels)), without))


def named(*texts):
    return make_labels(np.array(texts))


def said(labels):
    """What each item's label is called; "" where it has none."""
    return [
        LabelSet.of(labels).text(number) if given else ""
        for number, given in zip(labels.numbers.tolist(), labels.given.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("array", "numbers"),
    [
        (np.array([-1, 1, -1]), [-1, 1, -1]),
        (np.array([LOW, -1, HIGH]), [LOW, -1, HIGH]),
        (np.array([0, HIGH], np.uint64), [0, HIGH]),
        (np.array([True, False]), [1, 0]),
        (np.array([[3], [-4]], np.int8), [3, -4]),
        (np.array([-0.0, 5.0], np.float16), [0, 5]),
        (np.array([2.0**53 - 1, -(2.0**53) + 1]), [2**53 - 1, -(2**53) + 1]),
        (np.array(["7", "-1", "10"]), [7, -1, 10]),
        (np.array([str(LOW), str(HIGH)]), [LOW, HIGH]),
        (np.array([4]), [4]),
    ],
)
def test_any_whole_number_is_a_label(array, numbers):
    labels = make_labels(array)

    assert labels.numbers.tolist() == numbers
    assert labels.numbers.dtype == np.int64
    assert labels.given.all()
    assert not labels.names


@pytest.mark.parametrize(
    ("array", "names", "known", "texts"),
    [
        (np.array([1.0, np.nan, -1.0]), None, None, ["1", "", "-1"]),
        (np.array(["cat", "", "ant"]), None, None, ["cat", "", "ant"]),
        (np.array(["2", "", "-1"]), None, None, ["2", "", "-1"]),
        (np.array([-1, 1, 0]), None, [True, False, True], ["-1", "", "0"]),
        (np.array([0.5, 1.0, np.inf]), None, [False, True, False], ["", "1", ""]),  # what is not there may be anything
        (np.array([0, 2, 1]), np.array(["ant", "", "cat"]), None, ["ant", "cat", ""]),
        (np.array([0, 2, np.nan]), np.array(["ant", "bee", "cat"]), None, ["ant", "cat", ""]),
        (np.array(["ant", "cat"]), None, [True, False], ["ant", ""]),
        (np.full(3, np.nan), None, None, ["", "", ""]),
        (np.array([str(2**64), str(2**64 + 1)]), None, None, [str(2**64), str(2**64 + 1)]),  # exact, as names
    ],
)
def test_items_may_have_no_label(array, names, known, texts):
    labels = make_labels(array, names, None if known is None else np.array(known))

    assert said(labels) == texts
    assert labels.num_unlabelled == texts.count("")
    assert labels.texts() == texts


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([0, 2**63, 2**63 + 1], np.uint64), f"{2**63} at row 1 (from 0) and 1 more; labels are below 2^63"),
        (np.array([0, 2.0**53]), f"{2**53} at row 1 (from 0); float64 holds {EXACT.format(53)}"),
        (np.array([-(2.0**53), 0]), f"-{2**53} at row 0 (from 0); float64 holds {EXACT.format(53)}"),
        (np.array([1e300, 0]), "at row 0 (from 0); float64 holds"),
        (np.array([2**24], np.float32), f"{2**24} at row 0 (from 0); float32 holds {EXACT.format(24)}"),
        (np.array([2048], np.float16), f"2048 at row 0 (from 0); float16 holds {EXACT.format(11)}"),
        (np.array([0.5, 1, 1.5]), "0.5 at row 0 (from 0) and 1 more; labels are whole numbers; number the classes"),
        (np.array([0, np.inf]), "inf at row 1 (from 0); labels are whole numbers; number the classes"),
        (
            np.eye(3, dtype=int)[[0, 2, 1, 1]],
            "2 dimensions (4, 3); labels have 1; these rows are one-hot: array",
        ),
        (np.eye(3)[[0, 2, 1, 1]], "these rows are one-hot: array.argmax(axis=1)"),
        (np.eye(3, dtype=bool), "these rows are one-hot: array.argmax(axis=1)"),
        (sparse.csr_array(np.eye(3)), "array.toarray().argmax(axis=1) of one-hot rows"),
        (np.array([[0.2, 0.8], [1, 0]]), "these rows are shares of classes: array.argmax(axis=1)"),
        (np.array([[1, 0], [1, 1]]), "an item has one label, but row 1 (from 0) has 2 ones"),
        (np.array([[1, 0], [0, 0]]), "an item has one label, but row 1 (from 0) has 0 ones"),
        (np.array([[4, 5], [6, 7]]), "take the column that holds them, array[:, k], or name it by key"),
        (np.array([["a", "b"], ["c", "d"]]), "take the column that holds them, array[:, k], or name it by key"),
        (np.array([[0, 1, 2]]), "2 dimensions (1, 3); labels have 1: array.ravel()"),
        (np.array(3), "0 dimensions (); labels have 1, one an item"),
        (np.zeros((2, 2, 2)), "3 dimensions (2, 2, 2); labels have 1, one an item"),
        (np.array(["01", "1"]), "two labels of one name, 01, 1; give every label a name of its own"),
    ],
)
def test_what_is_no_label_is_refused_with_the_remedy(array, message):
    with pytest.raises(DataError) as refused:
        make_labels(array)

    assert message in str(refused.value)


def test_the_remedy_for_one_hot_labels_gives_them_back():
    right = np.array([0, 2, 1, 1])

    assert make_labels(np.eye(3)[right].argmax(axis=1)).numbers.tolist() == right.tolist()


@pytest.mark.parametrize(
    ("numbers", "names", "message"),
    [
        ([0, 3], ["ant", "bee"], "3 at row 1 (from 0); label_names names the labels 0 to 1; add what is missing there"),
        ([-1, 0], ["ant", "bee"], "-1 at row 0 (from 0); label_names names the labels 0 to 1"),
        ([0, 1], ["ant", "ant"], "two labels of one name, ant; give every label a name of its own"),
        ([0, 1], ["x", "x"], "two labels of one name, x;"),
        ([0, 1], [["ant", "bee"]], "label_names holds no names, but <U3 of shape (1, 2); save text (L,)"),
        ([0, 1], [3, 4], "label_names holds no names, but int64 of shape (2,); save text (L,)"),
    ],
)
def test_names_that_cannot_name_the_labels_are_refused(numbers, names, message):
    with pytest.raises(DataError) as refused:
        make_labels(np.array(numbers), np.array(names))

    assert message in str(refused.value)


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(DataError, match="3 labels, but their mask has 2"):
        make_labels(np.arange(3), known=np.ones(2, bool))


@pytest.mark.parametrize(
    ("labels", "learned", "numbers"),
    [
        (named("cat", "dog", "cat"), named("bird", "cat", "dog"), [1, 2, 1]),
        (named("dog", "emu", "cat"), named("bird", "cat", "dog"), [2, 10, 1]),  # emu is new: no number of a class
        (named("dog", "", "cat"), named("bird", "cat", "dog"), [2, 0, 1]),
        (named("10", "2", "x"), whole(1, 2, 10), [10, 2, 11]),
        (whole(2, 10), named("1", "10", "2", "x"), [2, 1]),
        (named("07", "x"), whole(7), [7, 10]),
        (whole(-1, 5), whole(1, -1), [-1, 5]),  # without names, numbers are what labels are called
    ],
)
def test_labels_of_two_files_are_the_same_where_they_are_called_the_same(labels, learned, numbers):
    found = translated(labels, LabelSet.of(learned), reserved=[9] if 10 in numbers and 11 not in numbers else [])

    assert found.numbers.tolist() == numbers
    assert said(found) == said(labels)


def test_names_and_numbers_that_have_nothing_in_common_are_refused():
    with pytest.raises(DataError, match=r"labels 0, 1 are none of cat, dog; where one file names its labels \(label_n"):
        translated(whole(0, 1), LabelSet.of(named("cat", "dog")), ())


def test_labels_of_several_places_are_filled_in_by_name():
    filled = merged([whole(4, 3, 0, 0, without=[2, 3]), named("4", "", "", "x"), named("", "", "ant", "x")])

    assert filled.texts() == ["4", "3", "ant", "x"]
    assert merged([whole(1, 2), whole(3, 4)]).numbers.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("taken", "free"), [([], [0, 1]), ([-5, 3], [4, 5]), ([-5], [-4, -3]), ([HIGH, 1], [0, 2]), ([HIGH - 1], [0, 1])]
)
def test_free_numbers_are_above_all_where_there_are_some(taken, free):
    assert free_numbers(taken, 2).tolist() == free


def test_labels_come_back_from_what_is_written_of_them(tmp_path):
    for labels in (whole(-1, HIGH), named("cat", "ant"), named("cat", ""), whole(LOW, 3, without=[1])):
        np.savez(tmp_path / "a.npz", **labels.arrays())
        assert read_labels(tmp_path / "a.npz", "labels").texts() == labels.texts()


def test_a_set_of_labels_comes_back_from_its_record():
    for labels in (whole(-1, HIGH, -1), named("cat", "ant"), named("", "")):
        assert LabelSet.from_record(LabelSet.of(labels).record()).by_text() == LabelSet.of(labels).by_text()
    for record in (None, {}, {"numbers": [0.5], "names": None}, {"numbers": [0], "names": []}, {"numbers": [True]}):
        with pytest.raises(ValueError, match="not the labels of a run"):
            LabelSet.from_record(record)


def test_classes_that_match_no_label_are_called_so():
    learned = LabelSet.of(named("cat", "dog"))

    assert [learned.class_text(number) for number in range(3)] == ["cat", "dog", "unmatched-2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
def test_labels_are_read_from_files_of_every_kind():
    np.savez("a.npz", labels=[1, 0], kinds=[1, 0], words=["b", ""], label_names=["ant", "bee"])
    np.save("b.npy", np.array(["b", "a"]))
    Path("c.csv").write_text("x,kind\n1,-1\n2,nan\n")
    Path("d.txt").write_text("3\n-4\n")

    found = [
        read_labels(Path(file), key)
        for file, key in (
            *(("a.npz", "labels"), ("a.npz", "kinds"), ("a.npz", "words")),
            *(("b.npy", None), ("c.csv", "kind"), ("d.txt", None)),
        )
    ]

    assert [said(labels) for labels in found] == [
        *(["bee", "ant"], ["1", "0"], ["b", ""]),
        *(["b", "a"], ["-1", ""], ["3", "-4"]),
    ]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.array(["a", 1], dtype=object),
            "Python objects, which mmcli never unpickles; save numbers, or text by arr",
        ),
        (np.array([b"a"]), "holds values of type |S1; save numbers, or text by array.astype(str)"),
    ],
)
def test_text_that_numpy_keeps_otherwise_is_refused_with_the_remedy(labels, message):
    np.savez("a.npz", labels=labels)

    with pytest.raises(DataError) as refused:
        read_labels(Path("a.npz"), "labels")

    assert message in str(refused.value)


def test_a_first_part_keeps_what_is_not_there():
    assert said(named("a", "", "b").of_rows(slice(2))) == ["a", ""]
    assert isinstance(named("a").of_rows(np.array([0])), Labels)
