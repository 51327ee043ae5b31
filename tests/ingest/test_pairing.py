"""`mmcli data pair`: each item once, with one of its own label or in its own row."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest


def arrays_of(file: Path | str) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two files whose rows say which item they are: of labels 0, 1, 2 there are 4, 3, 2 and 2, 5, 1."""
    monkeypatch.chdir(tmp_path)
    first, second = np.repeat([0, 1, 2], [4, 3, 2]), np.repeat([0, 1, 2], [2, 5, 1])
    np.savez("a.npz", images=np.arange(9.0)[:, None] + [0, 100], labels=first, image_paths=np.arange(9).astype(str))
    np.savez("b.npz", speech=np.arange(8)[:, None] + [0, 200], labels=second, hac_lags=np.array([5, 2]))
    return tmp_path


def test_items_are_paired_by_label_each_once(command, folder):
    done = command("data", "pair", "a.npz", "b.npz", "-o", "out.npz")

    assert done == (
        0,
        "out.npz\n",
        "a.npz: 6 of 9 items used, 3 left\nb.npz: 6 of 8 items used, 2 left\nout.npz: 6 pairs, 3 labels\n",
    )
    out, a, b = (arrays_of(folder / name) for name in ("out.npz", "a.npz", "b.npz"))
    assert set(out) == {"images", "image_paths", "speech", "labels", "hac_lags", "pair_rows"}
    assert Counter(out["labels"].tolist()) == {0: 2, 1: 3, 2: 1}
    rows = out["pair_rows"]
    assert all(len(set(column)) == 6 for column in rows.T.tolist())
    for side, file in enumerate((a, b)):
        np.testing.assert_array_equal(file["labels"][rows[:, side]], out["labels"])
    np.testing.assert_array_equal(out["images"], a["images"][rows[:, 0]])
    np.testing.assert_array_equal(out["image_paths"], a["image_paths"][rows[:, 0]])
    np.testing.assert_array_equal(out["speech"], b["speech"][rows[:, 1]])
    np.testing.assert_array_equal(out["hac_lags"], [5, 2])


def test_the_seed_decides_the_bytes(command, folder):
    for name, seed in (("c", 1), ("d", 1), ("e", 2)):
        assert command("data", "pair", "a.npz", "b.npz", "-o", f"{name}.npz", "--seed", seed).code == 0
    c, d, e = ((folder / f"{name}.npz").read_bytes() for name in "cde")
    assert c == d != e


def test_held_out_pairs_are_of_each_label_and_of_other_items(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = np.repeat([3, 7], [40, 60])
    for name, array in (("a", "x"), ("b", "y"), ("c", "z")):
        np.savez(f"{name}.npz", labels=labels, **{array: np.arange(100)[:, None]})

    done = command("data", "pair", "a.npz", "b.npz", "c.npz", "-o", "out.npz", "--held-out", 0.2)

    assert done.out == "out.npz\nout_test.npz\n"
    assert done.err.splitlines()[3:] == ["out.npz: 80 pairs, 2 labels", "out_test.npz: 20 pairs, 2 labels"]
    train, test = arrays_of("out.npz"), arrays_of("out_test.npz")
    assert Counter(test["labels"].tolist()) == {3: 8, 7: 12}
    for array in "xyz":
        together = np.concatenate([train[array], test[array]]).ravel()
        np.testing.assert_array_equal(np.sort(together), np.arange(100))


def test_by_row_takes_tables_and_labels_of_their_own(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("data1.txt", np.eye(4))
    np.savetxt("data2.txt", np.arange(8).reshape(4, 2))
    np.savetxt("category.txt", [1, 0, 1, 2])

    done = command("data", "pair", "images=data1.txt", "data2.txt", "labels=category.txt", "-o", "out.npz")

    assert done.code == 0, done.err
    out = arrays_of("out.npz")
    assert set(out) == {"images", "data2", "labels", "pair_rows"}
    np.testing.assert_array_equal(out["images"], np.eye(4))
    np.testing.assert_array_equal(out["labels"], [1, 0, 1, 2])


def test_a_table_brings_its_column_of_labels(command, folder):
    (folder / "c.csv").write_text("x,labels,y\n1,0,2\n3,1,4\n")

    assert command("data", "pair", "a.npz", "c.csv", "-o", "out.npz").code == 0

    out = arrays_of("out.npz")
    order = np.argsort(out["labels"])
    np.testing.assert_array_equal(out["c"][order], [[1, 2], [3, 4]])


def test_labels_are_matched_by_name(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.arange(3)[:, None], labels=[0, 1, 2], label_names=["ant", "bee", "cat"])
    np.savez("b.npz", y=np.arange(3)[:, None], labels=["cat", "dog", "ant"])

    done = command("data", "pair", "a.npz", "b.npz", "-o", "out.npz")

    assert done.err.splitlines()[-1] == "out.npz: 2 pairs, 2 labels"
    out = arrays_of("out.npz")
    order = np.argsort(out["labels"])
    assert out["label_names"].tolist() == ["ant", "bee", "cat"]
    assert out["labels"][order].tolist() == [0, 2]
    assert out["x"][order].ravel().tolist() == [0, 2]
    assert out["y"][order].ravel().tolist() == [2, 0]


def test_names_are_kept_by_the_file_that_has_them(command, tmp_path, monkeypatch):
    """Numbers are paired with names that are the same numbers, in whatever order the names are numbered."""
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.array([[2], [10], [1]]), labels=[2, 10, 1])
    np.savez("b.npz", y=np.array([[1], [10], [2], [0]]), labels=[0, 1, 2, 3], label_names=["1", "10", "2", "x"])

    assert command("data", "pair", "a.npz", "b.npz", "-o", "out.npz").code == 0

    out = arrays_of("out.npz")
    np.testing.assert_array_equal(out["x"], out["y"])
    names = out["label_names"][out["labels"]]
    np.testing.assert_array_equal(names.astype(int), out["x"].ravel())


def test_items_without_a_label_are_not_paired_by_label_and_stay_so_by_row(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.arange(4)[:, None], labels=["cat", "", "dog", ""])
    np.savez("b.npz", y=np.arange(4)[:, None], labels=["cat", "dog", "", ""])

    by_label = command("data", "pair", "a.npz", "b.npz", "-o", "label.npz")
    by_row = command("data", "pair", "a.npz", "b.npz", "--by", "row", "-o", "row.npz")

    assert by_label.err.splitlines() == [
        "a.npz: 2 of 4 items used, 2 left, 2 without a label",
        "b.npz: 2 of 4 items used, 2 left, 2 without a label",
        "label.npz: 2 pairs, 2 labels",
    ]
    assert by_row.err.splitlines()[-1] == "row.npz: 4 pairs, 2 labels, 1 without a label"
    assert arrays_of("row.npz")["labels"].tolist() == ["cat", "dog", "dog", ""]
    held = command("data", "pair", "row.npz", "b.npz", "--by", "row", "-o", "again.npz", "--held-out", "0.5")
    assert held.code == 2  # both hold y
    assert command("data", "pair", "row.npz", "n=b.npz", "--by", "row", "-o", "again.npz").code == 0
    assert arrays_of("again.npz")["labels"].tolist() == ["cat", "dog", "dog", ""]


def test_labels_of_any_whole_number_are_paired(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    low, high = -(2**63), 2**63 - 1
    np.savez("a.npz", x=np.arange(3)[:, None], labels=[low, -1, high])
    np.savez("b.npz", y=np.arange(3)[:, None], labels=[high, low, -1])

    assert command("data", "pair", "a.npz", "b.npz", "-o", "out.npz").code == 0

    out = arrays_of("out.npz")
    assert sorted(out["labels"].tolist()) == [low, -1, high]
    np.testing.assert_array_equal((out["x"] + 1) % 3, out["y"])


@pytest.mark.usefixtures("folder")
def test_names_tell_arrays_apart(command):
    np.savez("c.npz", images=np.ones((9, 1)), labels=np.arange(9) % 3)

    assert command("data", "pair", "left=a.npz", "c.npz", "-o", "out.npz").code == 0

    out = arrays_of("out.npz")
    assert {"left_images", "left_image_paths", "images", "labels"} <= set(out)


@pytest.mark.usefixtures("folder")
def test_a_pair_can_be_paired_again(command):
    assert command("data", "pair", "a.npz", "b.npz", "-o", "ab.npz").code == 0
    np.savez("c.npz", z=np.ones((3, 1)), labels=np.arange(3))

    assert command("data", "pair", "ab.npz", "c.npz", "-o", "out.npz").code == 0

    assert arrays_of("out.npz")["pair_rows"].shape == (3, 2)
    assert "the row of each item in its file, for the record" in command("data", "show", "out.npz").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.npz"], "mmcli: error: one file has nothing to be paired with; name two or more"),
        (["a.npz", "gone.npz"], "mmcli: error: gone.npz: no such file"),
        (["a.npz", "x-y=b.npz"], "mmcli: error: x-y=b.npz: a name is of letters, digits and _"),
        (
            ["a.npz", "c.npz"],
            "mmcli: error: c.npz and a.npz: both hold an array images; distinguish them by NAME=FILE, as in",
        ),
        (["a.npz", "none.npz", "--by", "label"], "none.npz: has no labels; give it an array named labels, or pair"),
        (["a.npz", "none.npz"], "a.npz and none.npz: 9 and 4 rows; --by row pairs as many with as many"),
        (["a.npz", "b.npz", "--by", "row"], "a.npz and b.npz: 9 and 8 rows; --by row pairs as many with as many"),
        (
            ["a.npz", "other.npz", "--by", "row"],
            "a.npz and other.npz: row 4 (from 0) is labelled 1 and 0; pair --by label",
        ),
        (["a.npz", "far.npz"], "no label is in all files: a.npz has 0, 1, 2; far.npz has 8, 9"),
        (["a.npz", "b.npz", "--held-out", "0.01"], "--held-out 0.01: none of 6 pairs would be held out; take another"),
        (["a.npz", "b.npz", "--held-out", "0.99"], "--held-out 0.99: all of 6 pairs would be held out; take another"),
        (
            ["a.npz", "b.npz", "--held-out", "1"],
            "mmcli: error: Invalid value for '--held-out': 1.0 is not in the range",
        ),
        (["a.npz", "b.npz", "-o", "b.npz"], "mmcli: error: b.npz: is one of the files to be paired; name another with"),
        (["a.npz", "b.npz", "-o", "out.zip"], "mmcli: error: out.zip: arrays go to an .npz; name it so"),
        (["a.npz", "pickle.npz"], "pickle.npz: array x: holds Python objects, which mmcli never unpickles; save"),
        (["a.npz", "half.npz"], "half.npz: 0.5 at row 0 (from 0); labels are whole numbers; number the classes"),
        (
            ["a.npz", "square.npz"],
            "2 dimensions (2, 2); labels have 1; these rows are one-hot: array.argmax(axis=1)",
        ),
        (["a.npz", "large.npz"], f"large.npz: {2**63} at row 1 (from 0); labels are below 2^63; number the classes"),
        (["cat.npz", "twice.npz"], "twice.npz: two labels of one name, ant; give every label a name of its own"),
        (["cat.npz", "bare.npz"], "cat.npz has cat, dog; bare.npz has 0, 1; give bare.npz label_names"),
        (["a.npz", "long.npz"], "long.npz: 3 labels, but no array of as many rows"),
        (
            ["a.npz", "named.npz"],
            "named.npz: 1 at row 1 (from 0); label_names names the labels 0 to 0; add",
        ),
        (["a.npz", "empty.npz"], "empty.npz: holds no items"),
        (["a.npz", "whole.npz"], "whole.npz: holds no array of items"),
        (
            ["cat.npz", "dog.npz", "few=none2.npz"],
            "none2.npz has 0, 1; give none2.npz label_names",
        ),
    ],
)
def test_bad_input_is_refused_in_a_line(command, folder, arguments, message):
    np.savez("c.npz", images=np.ones((9, 1)), labels=np.zeros(9, int))
    np.savez("none.npz", z=np.ones((4, 1)))
    np.savez("none2.npz", v=np.ones((2, 1)), labels=[0, 1])
    np.savez("other.npz", z=np.ones((9, 1)), labels=[0, 0, 0, 0, 0, 0, 0, 2, 2])
    np.savez("far.npz", z=np.ones((2, 1)), labels=[8, 9])
    np.savez("pickle.npz", x=np.array([{}], dtype=object))
    np.savez("half.npz", x=np.ones((2, 1)), labels=[0.5, 1])
    np.savez("square.npz", x=np.ones((2, 1)), labels=[[0, 1], [1, 0]])
    np.savez("long.npz", x=np.ones((2, 1)), labels=[0, 1, 0])
    np.savez("named.npz", x=np.ones((2, 1)), labels=[0, 1], label_names=["ant"])
    np.savez("large.npz", x=np.ones((2, 1)), labels=np.array([0, 2**63], np.uint64))
    np.savez("twice.npz", x=np.ones((2, 1)), labels=[0, 1], label_names=["ant", "ant"])
    np.savez("bare.npz", v=np.ones((2, 1)), labels=[0, 1])
    np.savez("empty.npz", x=np.ones((0, 1)))
    np.savez("whole.npz", hac_lags=[5, 2])
    np.savez("cat.npz", z=np.ones((2, 1)), labels=[0, 1], label_names=["cat", "dog"])
    np.savez("dog.npz", w=np.ones((2, 1)), labels=[0, 1], label_names=["dog", "cat"])
    before = (folder / "b.npz").read_bytes()

    done = command("data", "pair", *arguments, *([] if "-o" in arguments else ["-o", "out.npz"]))

    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("out.npz").exists()
    assert (folder / "b.npz").read_bytes() == before
