"""`mmcli compare --where --sort --group` and its CSV in long form."""

import csv
import json

import pytest
from written_runs import write_run

RUNS = ("a", "b", "c", "d")


@pytest.fixture(autouse=True)
def _runs(tmp_path, monkeypatch):
    """Three finished runs and one that runs, of two numbers of classes and of sweeps."""
    monkeypatch.chdir(tmp_path)
    write_run("a", {"gmm": [0.5, 0.5]}, num_classes=3, sweeps=10)
    write_run("b", {"gmm": [0.5, 0.75]}, num_classes=3, sweeps=20)
    write_run("c", {"gmm": [0.5, 0.25]}, num_classes=4, sweeps=20)
    write_run("d", {"gmm": [1.0]}, num_classes=4, sweeps=20, status="running")


@pytest.fixture
def compared(command):
    """The JSON of `mmcli compare` with options."""

    def compare(*options):
        done = command("compare", *RUNS, "--json", *options)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return compare


def names(record):
    return [run["run"] for run in record["runs"]]


def test_where_keeps_runs_of_one_of_the_values(compared):
    assert names(compared("--where", "modules.gmm.num_classes=4")) == ["c", "d"]
    both = compared("--where", "modules.gmm.num_classes=3,4", "--where", "modules.gmm.sweeps=20")
    assert names(both) == ["b", "c", "d"]
    assert names(compared("--where", "status=running")) == ["d"]
    assert names(compared("--where", "modules.gmm.inputs=[image],[other]")) == [*RUNS]


def test_what_differs_is_found_among_the_runs_that_are_left(compared):
    assert [*compared("--where", "modules.gmm.num_classes=3")["runs"][0]["settings"]] == ["modules.gmm.sweeps"]


def test_runs_are_sorted_by_a_figure_a_setting_or_a_status(compared):
    assert names(compared("--sort", "gmm.acc")) == ["c", "a", "b", "d"]
    assert names(compared("--sort", "gmm.acc", "--reverse")) == ["d", "b", "a", "c"]
    assert names(compared("--sort", "gmm.objective")) == ["a", "b", "c", "d"]
    assert names(compared("--sort", "modules.gmm.num_classes", "--reverse")) == ["c", "d", "a", "b"]
    assert names(compared("--sort", "status")) == ["a", "b", "c", "d"]


def test_runs_without_the_figure_come_last(command):
    write_run("e", {"gmm": [None, None]})

    forward = json.loads(command("compare", "e", *RUNS, "--json", "--sort", "gmm.acc").out)
    backward = json.loads(command("compare", "e", *RUNS, "--json", "--sort", "gmm.acc", "--reverse").out)

    assert names(forward) == ["c", "a", "b", "d", "e"]
    assert names(backward) == ["d", "b", "a", "c", "e"]


def test_groups_share_the_keys_asked_for_whatever_else_differs(compared):
    summary = compared("--group", "modules.gmm.num_classes")["summary"]

    assert [(group["settings"], group["runs"]) for group in summary] == [
        ({"modules.gmm.num_classes": 3}, ["a", "b"]),
        ({"modules.gmm.num_classes": 4}, ["c"]),
    ]
    assert summary[0]["modules"]["gmm"]["acc"] == {
        "mean": 0.625,
        "minimum": 0.5,
        "maximum": 0.75,
        "deviation": pytest.approx(0.1768, abs=1e-4),
    }
    assert summary[1]["modules"]["gmm"]["acc"]["deviation"] is None


def test_several_keys_make_a_group_for_each_combination(compared):
    summary = compared("--group", "modules.gmm.sweeps", "--group", "modules.gmm.num_classes")["summary"]

    assert [(*group["settings"].values(), group["runs"]) for group in summary] == [
        (10, 3, ["a"]),
        (20, 3, ["b"]),
        (20, 4, ["c"]),
    ]


def test_the_table_of_groups_has_a_column_for_each_key(command):
    done = command("compare", *RUNS, "--group", "modules.gmm.num_classes")

    heading = next(line for line in done.out.splitlines() if "deviation" in line)
    assert heading.split() == ["modules.gmm.num_classes", "runs", "seeds", "mean", "minimum", "maximum", "deviation"]


def test_the_long_form_has_a_figure_a_line(command):
    done = command("compare", *RUNS, "--csv", "--long", "--where", "modules.gmm.num_classes=3")

    rows = list(csv.DictReader(done.out.splitlines()))
    assert [(row["run"], row["modules.gmm.sweeps"], row["module"], row["measure"], row["value"]) for row in rows] == [
        ("a", "10", "gmm", "acc", "0.5"),
        ("a", "10", "gmm", "ari", "0.25"),
        ("a", "10", "gmm", "nmi", "0.25"),
        ("a", "10", "gmm", "objective", "-20.0"),
        ("a", "10", "", "seconds", "3.0"),
        ("b", "20", "gmm", "acc", "0.75"),
        ("b", "20", "gmm", "ari", "0.375"),
        ("b", "20", "gmm", "nmi", "0.375"),
        ("b", "20", "gmm", "objective", "-20.0"),
        ("b", "20", "", "seconds", "3.0"),
    ]
    assert {(row["status"], row["error"]) for row in rows} == {("finished", "")}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--where", "modules.gmm.sweep=10"], "no run has this key (did you mean modules.gmm.sweeps?)"),
        (["--where", "gmm"], "--where gmm: must be KEY=VALUE,VALUE,..., such as modules.gmm.num_classes=8,10"),
        (["--where", "status=failed"], "--where status=failed: no run is left"),
        (["--where", "seed=!!int x"], "--where seed=!!int x: [0]: not a value of type !!int; remove the tag"),
        (["--group", "status"], "--group status: no run has this key"),
        (["--sort", "gmm.accuracy"], "--sort gmm.accuracy: no run has this key (did you mean gmm.acc?)"),
        (["--reverse"], "--reverse needs --sort KEY"),
        (["--long"], "--long needs --csv"),
    ],
)
def test_options_that_name_nothing_are_refused(command, options, error):
    done = command("compare", *RUNS, *options)

    assert (done.code, done.out) == (2, "")
    assert error in done.err
