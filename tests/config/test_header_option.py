"""`header` of a data source, and texts under a line of numbers, from the config to the arrays that modules observe."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmcli.config.graph import build_graph
from mmcli.config.reader import dump_config, load_config
from mmcli.data.dataset import load_datasets
from mmcli.data.selection import Request, choose
from mmcli.errors import ConfigError, DataError

N = 240
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(N, 3))
CLASSES = np.arange(N) % 4

CONFIG = """\
data:
  points: {file: p.csv}
  truth: {file: y.csv}
modules:
  p: {type: observation, data: points}
  gmm: {type: gmm, inputs: [p], num_classes: 4, labels: truth}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """What DataFrame(a).to_csv(index=False) writes of points and of their classes."""
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("0,1,2\n" + "".join(f"{x!r},{y!r},{z!r}\n" for x, y, z in POINTS.tolist()))
    Path("y.csv").write_text("0\n" + "".join(f"{label}\n" for label in CLASSES))
    return tmp_path


def config_of(text=CONFIG):
    Path("x.yaml").write_text(text)
    return load_config("x.yaml")


def load(text=CONFIG):
    config = config_of(text)
    return load_datasets(config, build_graph(config))


def problem_of(text=CONFIG):
    with pytest.raises(DataError) as caught:
        load(text)
    return str(caught.value)


def test_a_header_of_labels_is_asked_about_where_it_makes_one_row_more(folder):
    assert problem_of() == (
        f"x.yaml:3:10: data.truth: {folder}/y.csv: 241 rows, but data.points has 240; "
        "row t of every array must be item t; if the first line of truth names its columns, set header: true"
    )

    found = load(CONFIG.replace("y.csv", "y.csv, header: true"))

    assert found.num_items == N
    np.testing.assert_array_equal(found.labels["gmm"].numbers, CLASSES)
    np.testing.assert_allclose(found.as_observed("p"), POINTS, atol=1e-6)


def test_a_column_is_named_by_its_number():
    text = CONFIG.replace("file: p.csv", 'file: p.csv, key: "2"').replace("y.csv", "y.csv, header: true")

    np.testing.assert_allclose(load(text).as_observed("p"), POINTS[:, 2:], atol=1e-6)


def test_a_header_that_no_other_data_decide_is_noted(folder):
    text = CONFIG.replace("p.csv", "y.csv").replace("gmm, inputs", "mlda, inputs")

    assert load(text).notes == tuple(
        f"x.yaml:{line}: data.{name}: {folder}/y.csv:1: 0 may name the columns of 240 items, or be the first of 241; "
        "read as an item; header: true or header: false (--header or --no-header of mmcli data) decides"
        for line, name in (("2:11", "points"), ("3:10", "truth"))
    )
    assert load(text.replace("y.csv", "y.csv, header: true")).notes == ()


def test_labels_without_a_header_need_nothing_said():
    Path("y.csv").write_text("".join(f"{label}\n" for label in CLASSES))

    assert load().num_items == N
    assert load().notes == ()
    np.testing.assert_array_equal(load(CONFIG.replace("y.csv", "y.csv, header: false")).labels["gmm"].numbers, CLASSES)


def test_where_both_readings_are_possible_the_line_is_named(folder):
    Path("p.csv").write_text("0,1\n" + "1,0\n0,1\n" * (N // 2))
    Path("y.csv").write_text("".join(f"{label}\n" for label in CLASSES))

    assert problem_of() == (
        f"x.yaml:2:11: data.points: {folder}/p.csv:1: 0,1 may name the columns of 240 items, or be the first of 241; "
        "set header: true or header: false (--header or --no-header of mmcli data)"
    )
    assert load(CONFIG.replace("p.csv", "p.csv, header: true")).num_items == N


def test_a_wrong_value_under_a_header_is_told_by_its_line(folder):
    lines = Path("p.csv").read_text().splitlines()
    lines[5] = "1.5,nan,2.5"
    Path("p.csv").write_text("\n".join(lines))

    for text in (CONFIG, CONFIG.replace("p.csv", "p.csv, header: true")):
        assert f"{folder}/p.csv:6: nan at row 4, column 1 (from 0); " in problem_of(text)


def test_header_stays_in_the_config_of_a_run():
    config = config_of(CONFIG.replace("y.csv", "y.csv, header: true").replace("p.csv", "p.csv, header: false"))

    assert "header: true" in dump_config(config)
    Path("again.yaml").write_text(dump_config(config))
    assert load_config("again.yaml") == config
    assert "header:" not in dump_config(config_of())


@pytest.mark.parametrize(
    ("value", "problem"),
    [("1", "data.truth.header: must be true or false (got 1)"), ("yes", 'must be true or false (got "yes")')],
)
def test_header_is_true_or_false(value, problem):
    with pytest.raises(ConfigError) as caught:
        config_of(CONFIG.replace("y.csv", f"y.csv, header: {value}"))

    assert problem in str(caught.value)


def test_header_is_for_texts(folder):
    np.save("p.npy", POINTS)

    assert problem_of(CONFIG.replace("p.csv", "p.npy, header: true")).splitlines()[0] == (
        f"x.yaml:2:11: data.points: {folder}/p.npy: a .npy file has no first line that could name its columns; "
        "remove header"
    )


def test_data_of_the_command_line_that_is_no_text_needs_no_header(folder):
    config = config_of(CONFIG.replace("p.csv", "p.csv, header: true"))
    np.save("p.npy", POINTS)

    of_array = choose(config, Request(named=["points=p.npy"]), without=()).sources["points"]
    of_text = choose(config, Request(named=["points=p.csv"]), without=()).sources["points"]

    assert of_array == replace(config.data["points"], file=(folder / "p.npy").resolve(), header=None)
    assert of_text == config.data["points"]


def test_observed_whole_numbers_beyond_2_to_the_53rd_are_refused(folder):
    large = np.zeros((N, 3), np.int64)
    large[7, 1] = 2**53 + 1
    np.save("p.npy", large)
    Path("y.csv").write_text("".join(f"{label}\n" for label in CLASSES))

    assert problem_of(CONFIG.replace("p.csv", "p.npy")) == (
        f"x.yaml:2:11: data.points: {folder}/p.npy: 9007199254740993 at row 7, column 1 (from 0); beyond 2^53 float64 "
        "rounds whole numbers; subtract an offset, or scale the array"
    )
    large[7, 1] = 2**53
    np.save("p.npy", large)
    assert load(CONFIG.replace("p.csv", "p.npy")).num_items == N
