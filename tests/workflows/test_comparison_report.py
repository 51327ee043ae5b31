"""`mmcli report RUN RUN ...`: a page about several runs."""

from pathlib import Path

import pytest
from written_runs import write_run

from mmcli.workflows.compare import compare_runs
from mmcli.workflows.comparison_report import comparison_report


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def report_of(*names):
    return comparison_report(compare_runs(map(Path, names)))


def test_tables_have_the_settings_that_differ_the_measures_and_the_spread():
    write_run("a", {"gmm": [0.25, 0.5]}, seed=0)
    write_run("b", {"gmm": [0.25, 1.0]}, seed=1)

    runs, spread = report_of("a", "b").sections[0].tables

    assert runs.header == ["run", "seed", "gmm ACC", "gmm ARI", "gmm NMI", "seconds", "status"]
    assert runs.rows == [
        ["a", "0", "0.5000", "0.2500", "0.2500", "3.0", "finished"],
        ["b", "1", "1.0000", "0.5000", "0.5000", "3.0", "finished"],
    ]
    assert spread.header == ["figure", "runs", "seeds", "mean", "minimum", "maximum", "deviation"]
    assert spread.rows[0] == ["gmm ACC", "2", "2", "0.7500", "0.5000", "1.0000", "0.3536"]
    assert [row[0] for row in spread.rows] == ["gmm ACC", "gmm ARI", "gmm NMI", "seconds"]


def test_measures_by_own_inputs_stand_beside_the_others():
    for seed in (0, 1):
        write_run(f"{seed}", {"gmm": [0.5, 0.5]}, seed=seed, has_own=True)

    runs, spread = report_of("0", "1").sections[0].tables

    assert runs.header[4:8] == ["gmm NMI", "gmm own ACC", "gmm own ARI", "gmm own NMI"]
    assert runs.rows[0][5:8] == ["1.0000"] * 3
    assert ["gmm own ACC", "2", "2", "1.0000", "1.0000", "1.0000", "0.0000"] in spread.rows


def test_measures_and_objectives_are_drawn_over_the_rounds():
    write_run("a", {"gmm": [0.25, 0.5]})
    write_run("b", {"gmm": [0.5, 0.75]}, sweeps=20)

    panels = {panel.name: panel for panel in report_of("a", "b").sections[1].panels}

    assert [*panels] == ["acc", "ari", "nmi", "bound"]
    (pane,) = panels["bound"].panes
    assert pane.y_label == "objective"
    assert [line.y.tolist() for line in pane.lines] == [[-10.0, -20.0]] * 2
    assert [line.label for line in panels["acc"].panes[0].lines] == ["gmm.sweeps 10", "gmm.sweeps 20"]


def test_without_labels_the_objectives_are_left():
    write_run("a", {"gmm": [None, None]})
    write_run("b", {"gmm": [None, None]}, seed=1)

    report = report_of("a", "b")

    assert [panel.name for panel in report.sections[1].panels] == ["bound"]
    assert [row[0] for row in report.sections[0].tables[1].rows] == ["seconds"]


def test_runs_that_have_not_finished_are_remarked_on_and_settings_in_common_listed():
    write_run("a", {"gmm": [0.5, 0.5]})
    write_run("b", {"gmm": [0.5]}, status="running")

    report = report_of("a", "b")

    assert report.title == "2 runs"
    assert report.remarks == ("Not finished: 1 run, with the results so far.",)
    assert report.settings["modules.gmm.num_classes"] == "3"
    assert report.sections[0].tables[0].rows[1][-1] == "running (round 1 of 2)"


def test_the_command_writes_one_page_and_its_figures(command):
    write_run("a", {"gmm": [0.5, 0.5]})
    write_run("<b>", {"gmm": [0.5, 0.25]}, seed=1)
    Path("log").touch()

    done = command("report", "a", "<b>", "log")

    assert done == (0, "report/report.html\n", "left out, no run directories: log\n")
    html = Path("report/report.html").read_text()
    assert "Report on runs of mmcli, side by side" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "The whole config" not in html
    assert Path("report/figures/acc.svg").exists()


@pytest.mark.parametrize("option", [("--data-root", "."), ("--trust-code",)])
def test_options_that_several_runs_have_no_use_for_are_refused(command, option):
    done = command("report", "a", "b", *option)

    assert done.code == 2
    assert f"{option[0]}: a page about several runs reads no data and no module types; leave it out" in done.err


def test_a_folder_of_other_things_is_refused(command):
    write_run("a", {"gmm": [0.5, 0.5]})
    write_run("b", {"gmm": [0.5, 0.5]})
    Path("report").mkdir()
    Path("report/mine.txt").touch()

    done = command("report", "a", "b")

    assert (done.code, done.out) == (2, "")
    assert "report: holds other things than a report; name another folder with -o" in done.err
