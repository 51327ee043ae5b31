"""`mmcli data table`: real columns standardised, categories one-hot, missing cells kept."""

from pathlib import Path

import numpy as np
import pytest

TABLE = """\
age,height,sex,weight,site,labels
20,1.5,f,50,x,sick
40,1.5,m,,x,well
20,1.7,,70,x,
40,1.9,f,NA,x,well
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(TABLE)
    return tmp_path


def arrays_of(file: str) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)


def test_each_column_becomes_what_modules_can_observe(command):
    done = command("data", "table", "a.csv", "-o", "a.npz")

    assert done.code == 0
    assert done.err.splitlines() == [
        "1 column of one value left out: site",
        "a.npz: 4 items, 3 real columns, 1 column of categories, arrays reals, weight, sex",
    ]
    out = arrays_of("a.npz")
    height = np.array([1.5, 1.5, 1.7, 1.9])
    expected = np.column_stack([[-1, 1, -1, 1], (height - 1.65) / height.std()])
    np.testing.assert_allclose(out["reals"], expected, rtol=1e-6)
    np.testing.assert_allclose(out["weight"], [[-1], [np.nan], [1], [np.nan]])
    np.testing.assert_array_equal(out["sex"], [[1, 0], [0, 1], [np.nan, np.nan], [1, 0]])
    assert out["labels"].tolist() == ["sick", "well", "", "well"]
    assert all(out[name].dtype == np.float32 for name in ("reals", "weight", "sex"))


def test_another_table_gets_the_same_columns(command):
    assert command("data", "table", "a.csv", "-o", "a.npz").code == 0
    Path("b.csv").write_text("sex;weight;height;age;extra\nm;60;1,65;;1\nother;70;1,65;30;2\n")

    done = command("data", "table", "b.csv", "-o", "b.npz", "--like", "a.npz")

    assert done.err == (
        "reals: 1 row with a missing cell are missing\nsex: unknown categories are missing: other\n"
        "b.npz: 2 items, 3 real columns, 1 column of categories, arrays reals, weight, sex, no labels\n"
    )
    out = arrays_of("b.npz")
    np.testing.assert_allclose(out["reals"], [[np.nan, np.nan], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(out["weight"], [[0], [1]])
    np.testing.assert_array_equal(out["sex"], [[0, 1], [np.nan, np.nan]])
    assert set(out) == set(arrays_of("a.npz")) - {"labels"}


def test_options_choose_labels_categories_and_columns(command):
    options = ("--labels", "sex", "--categories", "age", "--drop", "height, weight,labels")

    done = command("data", "table", "a.csv", "-o", "a.npz", *options)

    assert done.err.splitlines()[-1] == "a.npz: 4 items, 0 real columns, 1 column of categories, arrays age"
    out = arrays_of("a.npz")
    np.testing.assert_array_equal(out["age"], [[1, 0], [0, 1], [1, 0], [0, 1]])
    assert out["labels"].tolist() == ["f", "m", "", "f"]
    assert command("data", "table", "a.csv", "-o", "b.npz", "--like", "a.npz", "--labels", "sex").code == 0
    np.testing.assert_array_equal(arrays_of("b.npz")["age"], out["age"])


def test_a_config_trains_on_it(command):
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{y},{'' if x > 1 else 'ab'[int(x > 0)]}" for x, y in zip(*rng.normal(size=(2, 30)), strict=True)]
    Path("c.csv").write_text("\n".join(["x,y,kind", *rows]))
    assert command("data", "table", "c.csv", "-o", "c.npz").code == 0
    Path("c.yaml").write_text(
        "data:\n  reals: {file: c.npz, key: reals}\n  kind: {file: c.npz, key: kind, missing: nan}\n"
        "modules:\n  real: {type: observation, data: reals}\n  kind: {type: observation, data: kind}\n"
        "  gmm: {type: gmm, inputs: [real], num_classes: 2}\n"
        "  mlda: {type: mlda, inputs: [kind, gmm], num_classes: 2}\n"
    )

    assert command("check", "c.yaml").code == 0


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x,y\n1,2\n3\n", [], "t.csv:3: 1 cell in this line, but 2 columns"),
        ("x,x\n1,2\n", [], "t.csv:1: two columns are named x; name them differently"),
        ("x,\n1,2\n", [], "t.csv:1: column 2 has no name; the first line names all columns"),
        (
            "1,2\n3,4\n",
            [],
            "t.csv:1: numbers alone in the first line, which names the columns; write their names above",
        ),
        ("x\n", [], "t.csv: has no line of names and items below; write both"),
        ("x,y\n1,2\nfew,3\n2,4\n", [], "t.csv:3: column x holds few among numbers; mend it, or make categories of"),
        ("x\n1\n1\n", [], "t.csv: no column is left; give one that varies"),
        (
            "x\n" + "\n".join(f"n{i}" for i in range(101)),
            [],
            "t.csv: column x holds 101 different texts, as n0, n1; leave it out by --drop, or name it by",
        ),
        ("a b,a_b\nu,u\nv,v\n", [], "t.csv: columns a b and a_b would be one array; rename one"),
        ("reals\nu\nv\n", [], "t.csv: column reals: an array cannot have that name; rename the column"),
        ("x\n1\n2\n", ["--drop", "y"], "mmcli: error: no column y; there are x"),
        ("x\n1\n2\n", ["--like", "a.npz"], "t.csv: no column age; there are x"),
        ("x\n1\n2\n", ["--like", "t.csv"], "t.csv: was not made by mmcli data table; name one that was"),
        ("x\n1\n2\n", ["--like", "a.npz", "--drop", "x"], "mmcli: error: the columns are those of a.npz; leave out"),
        (TABLE.replace("50", "fifty").replace("70", ""), ["--like", "a.npz"], "column weight holds no numbers"),
        ("x\n\xe9\n", [], "t.csv: cannot be read as a table: 'utf-8' codec can't decode"),
    ],
)
def test_bad_input_is_refused_in_a_line(command, text, options, message):
    assert command("data", "table", "a.csv", "-o", "a.npz").code == 0
    Path("t.csv").write_bytes(text.encode("latin-1"))

    done = command("data", "table", "t.csv", "-o", "t.npz", *options)

    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("t.npz").exists()
