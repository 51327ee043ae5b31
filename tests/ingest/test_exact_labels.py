"""Labels of any whole number stay what they are through `mmcli data`, and a header of numbers is asked about."""

import json
from pathlib import Path

import numpy as np
import pytest

BIG = 2**63


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = (np.arange(40) % 4).astype("u8") + np.uint64(BIG)
    np.savez("u1.npz", a=np.ones((40, 2)), labels=labels)
    np.savez("u2.npz", c=np.ones((40, 2)), labels=labels[::-1])


def show(command, *arguments):
    done = command("data", "show", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_labels_from_two_to_the_63rd_are_shown_exactly(command):
    found = show(command, "u1.npz")

    assert found["labels"]["labels"] == {str(BIG + k): 10 for k in range(4)}
    assert (found["arrays"]["labels"]["low"], found["arrays"]["labels"]["high"]) == (BIG, BIG + 3)
    text = command("data", "show", "u1.npz", "--plot", "plot.png").out
    assert f"{BIG} to {BIG + 3}" in text
    assert f"{BIG + 3} (10)" in text


@pytest.mark.parametrize("by", ["label", "row"])
def test_labels_from_two_to_the_63rd_are_refused_by_name(command, by):
    done = command("data", "pair", "u1.npz", "u2.npz", "-o", "out.npz", "--by", by)

    assert done.code == 2
    assert done.err.startswith(f"u1.npz: {BIG} at row 0 (from 0) and 39 more; labels are below 2^63; ")
    assert not Path("out.npz").exists()


@pytest.mark.parametrize("by", ["label", "row"])
def test_labels_beyond_two_to_the_53rd_are_paired_and_held_out_exactly(command, by):
    labels = np.load("u1.npz")["labels"] - np.uint64(1 << 62)
    np.savez("u1.npz", a=np.ones((40, 2)), labels=labels)
    np.savez("u2.npz", c=np.ones((40, 2)), labels=labels)

    done = command("data", "pair", "u1.npz", "u2.npz", "-o", "out.npz", "--by", by, "--held-out", 0.2)

    assert done.code == 0, done.err
    for name, num_each in (("out.npz", 8), ("out_test.npz", 2)):
        values, counts = np.unique(np.load(name)["labels"], return_counts=True)
        assert values.tolist() == [(1 << 62) + k for k in range(4)]
        assert counts.tolist() == [num_each] * 4


def test_labels_of_text_and_of_arrays_are_compared_exactly(command):
    big = 1 << 62
    np.savez("u1.npz", a=np.ones((40, 2)), labels=np.arange(40) % 4 + big)
    Path("a.csv").write_text("x,labels\n" + "".join(f"0.5,{big + k}\n" for k in (3, 1, 2, 0)))

    done = command("data", "pair", "a.csv", "u1.npz", "-o", "out.npz")

    assert done.code == 0, done.err
    assert sorted(np.load("out.npz")["labels"].tolist()) == [big + k for k in range(4)]
    assert show(command, "a.csv")["labels"]["labels"] == {str(big + k): 1 for k in range(4)}


def test_labels_of_two_types_are_compared_exactly(command):
    np.savez("a.npz", a=np.ones((2, 1)), labels=np.array([2**53 + 1, 5], np.int64))
    np.savez("b.npz", b=np.ones((2, 1)), labels=np.array([2**53, 5], np.uint64))

    done = command("data", "pair", "a.npz", "b.npz", "-o", "out.npz")

    assert done.code == 0
    assert np.load("out.npz")["labels"].tolist() == [5]
    by_row = command("data", "pair", "a.npz", "b.npz", "-o", "out.npz", "--by", "row")
    assert f"row 0 (from 0) is labelled {2**53 + 1} and {2**53}" in by_row.err


def test_labels_of_floats_beyond_2_to_the_53rd_are_refused(command):
    np.savez("a.npz", a=np.ones((2, 1)), labels=np.array([2.0**60, 5]))

    done = command("data", "pair", "a.npz", "u1.npz", "-o", "out.npz")

    text = f"a.npz: {2**60} at row 0 (from 0); float64 holds whole numbers exactly below 2^53; "
    assert done.code == 2
    assert done.err == text + "number the classes, or save an .npz of int64 or text\n"


def test_observed_numbers_beyond_2_to_the_53rd_are_named(command):
    np.savez("a.npz", a=np.full((3, 2), 2**53 + 1))

    meaning = show(command, "a.npz")["arrays"]["a"]["meaning"]

    assert meaning == "whole numbers beyond 2^53, where float64 rounds; subtract an offset, or scale them"


def test_a_header_of_numbers_is_asked_about_by_data_commands(command):
    Path("hot.csv").write_text("0,1\n" + "1,0\n0,1\n" * 10)
    np.save("other.npy", np.ones((20, 1)))

    asked = command("data", "show", "hot.csv")

    assert asked.code == 2
    assert asked.err.startswith("hot.csv:1: 0,1 may name the columns of 20 items, or be the first of 21; set header: ")
    assert show(command, "hot.csv", "--header")["arrays"][""]["shape"] == [20, 2]
    assert show(command, "hot.csv", "--no-header")["arrays"][""]["shape"] == [21, 2]
    pair = ("data", "pair", "hot.csv", "other.npy", "-o", "out.npz")
    assert command(*pair).code == 2
    assert command(*pair, "--header").code == 0
    assert np.load("out.npz")["hot"].shape == (20, 2)
    nothing = command("data", "show", "other.npy", "--header")
    assert nothing.code == 2
    assert nothing.err == "mmcli: error: --header is for texts, and none of the files is one; leave it out\n"


def test_a_column_of_labels_under_0_is_shown_with_both_readings(command):
    Path("y.csv").write_text("0\n" + "0\n1\n" * 10)  # DataFrame(labels).to_csv(index=False)
    doubt = (
        "y.csv:1: 0 may name the columns of 20 items, or be the first of 21; "
        "read as an item; header: true or header: false (--header or --no-header of mmcli data) decides"
    )

    shown = command("data", "show", "y.csv")

    assert (shown.code, shown.err) == (0, doubt + "\n")
    assert show(command, "y.csv")["notes"] == [doubt]
    for option, num_items in (("--header", 20), ("--no-header", 21)):
        record = show(command, "y.csv", option)
        assert (record["arrays"][""]["shape"], record["notes"]) == ([num_items, 1], [])


def test_a_column_under_0_beside_another_is_paired_with_both_readings(command):
    for name in ("x.csv", "y.csv"):
        Path(name).write_text("0\n" + "0\n1\n" * 10)
    np.save("other.npy", np.ones((21, 1)))

    doubtful = command("data", "pair", "x.csv", "y.csv", "-o", "out.npz", "--by", "row")
    decided = command("data", "pair", "x.csv", "other.npy", "-o", "out.npz", "--by", "row")

    assert doubtful.err.count("may name the columns of 20 items, or be the first of 21") == 2
    assert "may name" not in decided.out + decided.err
    assert decided.code == 0


def test_a_row_more_than_others_have_may_be_a_header(command):
    Path("y.csv").write_text("0\n" + "0\n1\n" * 10)
    np.save("other.npy", np.ones((20, 1)))
    pair = ("data", "pair", "labels=y.csv", "other.npy", "-o", "out.npz", "--by", "row")

    done = command(*pair)

    assert done.code == 2
    assert done.err.endswith("as many with as many; if the first line of y.csv names its columns, add --header\n")
    assert command(*pair, "--header").code == 0
    assert np.load("out.npz")["labels"].tolist() == [0, 1] * 10


def test_a_table_with_a_column_of_text_is_shown_column_by_column(command):
    Path("a.csv").write_text("name,size,labels\nanna,1.5,0\nbert,2.5,1\n")

    found = show(command, "a.csv")["arrays"]

    assert found["name"]["shape"] is None
    assert found["name"]["meaning"].startswith("line 2: anna at column 0 (from 0) is no number")
    assert found["size"]["shape"] == [2, 1]
    assert found["labels"]["shape"] == [2]


def test_paths_after_a_name_are_expanded(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("u1.npz", "u2.npz"):
        arrays = dict(np.load(name))
        np.savez(name, **arrays | {"labels": arrays["labels"] % 4})

    done = command("data", "pair", "a=~/u1.npz", "b=$HOME/u2.npz", "-o", "$HOME/out.npz")

    assert done.code == 0, done.err
    assert np.load("out.npz")["a_a"].shape == (40, 2)
    assert show(command, "~/out.npz")["arrays"]["b_c"]["shape"] == [40, 2]
