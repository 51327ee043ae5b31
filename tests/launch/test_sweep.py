"""`mmcli sweep`: what is trained, what is kept, what is trained again, and what is printed."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sweeps import attempts, has_updated, status, wait_for

from mmcli.cli.sweep_display import SweepBoard
from mmcli.launch.jobs import Outcome
from mmcli.launch.sweep import Sweep
from mmcli.workflows import memory, process
from mmcli.workflows.sweep import summarise
from mmcli.workflows.sweep_plot import sweep_panel

SWEEP = Path("runs/x-sweep")


def test_all_points_are_trained_once(config, jobs, command):
    jobs()
    arguments = ("sweep", config, "--seeds", "0-1", "--grid", "modules.gmm.num_classes=2,3", "-j", "2")

    done = command(*arguments)

    assert done.code == 0
    assert done.out == (
        "                                      gmm     gmm\n"
        "point  modules.gmm.num_classes  seed  ACC     objective  seconds  status\n"
        "000    2                        0     0.5000  200.0      2.0      finished\n"
        "001    2                        1     0.6000  199.0      2.0      finished\n"
        "002    3                        0     0.5000  300.0      2.0      finished\n"
        "003    3                        1     0.6000  299.0      2.0      finished\n"
        "\n"
        "modules.gmm.num_classes  seeds                 mean    deviation  minimum  maximum  best\n"
        "2                        2      gmm ACC        0.5500  0.0707     0.5000   0.6000\n"
        "                                gmm ARI        0.2500  0.0000     0.2500   0.2500\n"
        "                                gmm NMI        0.5000  0.0000     0.5000   0.5000\n"
        "                                gmm objective  199.5   0.7        199.0    200.0    000\n"
        "                                seconds        2.0     0.0        2.0      2.0\n"
        "3                        2      gmm ACC        0.5500  0.0707     0.5000   0.6000\n"
        "                                gmm ARI        0.2500  0.0000     0.2500   0.2500\n"
        "                                gmm NMI        0.5000  0.0000     0.5000   0.5000\n"
        "                                gmm objective  299.5   0.7        299.0    300.0    002\n"
        "                                seconds        2.0     0.0        2.0      2.0\n"
        "\n"
        "highest objective         run\n"
        "gmm                300.0  runs/x-sweep/points/002\n"
    )
    first, *ends = done.err.splitlines()
    assert first == "sweep runs/x-sweep"
    assert [end[:4] for end in ends] == ["1/4 ", "2/4 ", "3/4 ", "4/4 "]
    endings = sorted(re.sub(r"[\d.]+ s$", "S", end[5:]) for end in ends)
    assert endings[3] == "003  gmm.num_classes 3, seed 1  finished in S"
    assert sorted(attempts()) == ["000", "001", "002", "003"]

    again = command(*arguments)

    assert (again.code, again.out, again.err) == (0, done.out, "sweep runs/x-sweep\n")
    assert len(attempts()) == 4


def test_configs_are_frozen_and_another_command_is_refused(config, jobs, command):
    jobs(**{"1": "fail"})
    assert command("sweep", config, "--seeds", "0,1", "--set", "rounds=1").code == 6
    jobs()
    config.write_text(config.read_text().replace("num_classes: 2", "num_classes: 5"))

    other = command("sweep", config, "--seeds", "0,1")
    fewer = command("sweep", config, "--seeds", "0")
    seeds = command("sweep", config, "--seeds", "0,2", "--set", "modules.gmm.num_classes=2")
    keys = command("sweep", config, "--seeds", "0,1", "--grid", "modules.gmm.num_classes=2")
    done = command("sweep", SWEEP)

    refusal = "mmcli: error: runs/x-sweep: a sweep of another config, grid or seeds ({}); "
    refusal += "`mmcli sweep runs/x-sweep` continues it, and -o names another directory\n"
    assert (other.code, other.err) == (2, refusal.format("modules.gmm.num_classes: 2 before, 5 now"))
    assert (fewer.code, fewer.err) == (2, refusal.format("2 points before, 1 now"))
    assert (seeds.code, seeds.err) == (2, refusal.format("seed: 1 before, 2 now"))
    assert (keys.code, keys.err) == (2, refusal.format("other keys of the grid"))
    assert done.code == 0
    assert sorted(attempts()) == ["000", "001", "001"]
    assert "num_classes: 2" in (SWEEP / "points/001/config.yaml").read_text()
    manifest = json.loads((SWEEP / "sweep.json").read_text())
    assert (manifest["config"], manifest["seeds"], manifest["grid"]) == (str(config.absolute()), "0,1", {})
    assert f"file: {config.absolute().parent / 'points.npy'}" in (SWEEP / "configs/000.yaml").read_text()


def test_a_failed_point_keeps_its_error_and_its_log_and_stops_nothing(config, jobs, command):
    jobs(**{"0": "fail", "1": "diverge"})

    done = command("sweep", config, "--seeds", "0-2", "-j", "1")

    assert done.code == 6
    assert done.out.splitlines()[2:5] == [
        "000    0                        0.0      failed (round 0): no luck",
        "001    1     0.6000  199.0      2.0      failed (round 1): gmm: a number became NaN",
        "002    2     0.7000  198.0      2.0      finished",
    ]
    assert done.err == (
        "sweep runs/x-sweep\n"
        "1/3  000  seed 0  failed: no luck\n"
        "2/3  001  seed 1  failed: gmm: a number became NaN\n"
        f"{done.err.splitlines()[3]}\n"
        "mmcli: error: 2 of 3 points failed: 000, 001; "
        "logs are in runs/x-sweep/logs, and `mmcli sweep runs/x-sweep` tries them again\n"
    )
    assert (SWEEP / "logs/000.log").read_text() == "mmcli: error: no luck\n"
    assert command("sweep", SWEEP, "--status")[:2] == done[:2]

    jobs()
    assert command("sweep", SWEEP).code == 0
    again = attempts()
    assert again[:3] == ["000", "001", "002"]
    assert sorted(again[3:]) == ["000", "001"]  # two at a time


def test_the_first_failure_can_stop_all(config, jobs, command):
    jobs(**{"0": "sleep", "1": "fail after 000"})

    done = command("sweep", config, "--seeds", "0-3", "-j", "2", "--fail-fast")

    assert done.code == 6
    assert [line.split()[-1] for line in done.out.splitlines()[2:6]] == ["1)", "luck", "waiting", "waiting"]
    assert status("000") == "stopped"
    assert set(attempts()) == {"000", "001"}


def test_a_signal_stops_the_runs_and_the_same_command_continues(config, jobs, process, command):
    jobs(**{"1": "sleep", "2": "sleep"})
    sweep = process("sweep", config, "--seeds", "0-3", "-j", "2")
    wait_for(lambda: (status("001"), status("002")) == ("running", "running"))

    sweep.send_signal(signal.SIGTERM)
    out, err = sweep.communicate(timeout=60)

    assert (sweep.returncode, out) == (143, "")
    assert err.splitlines()[-1] == (
        "mmcli: stopped by SIGTERM; 1 of 4 points finished, runs under way are saved; "
        "continue with: mmcli sweep runs/x-sweep"
    )
    assert [status(name) for name in ("000", "001", "002", "003")] == ["finished", "stopped", "stopped", None]
    jobs()
    assert command("sweep", config, "--seeds", "0-3").code == 0
    assert sorted(attempts()) == ["000", "001", "001", "002", "002", "003"]


def test_a_sweep_that_was_killed_continues_and_waits_for_what_outlived_it(config, jobs, process, command):
    jobs(**{"0": "wait"})
    sweep = process("sweep", config, "--seeds", "0-1", "-j", "1")
    wait_for(lambda: has_updated("000"))
    sweep.kill()
    sweep.communicate()

    assert command("sweep", SWEEP, "--status").out.splitlines()[2].endswith("running (round 1)")
    second = process("sweep", SWEEP, "-j", "2")
    wait_for(lambda: status("001") == "finished")
    in_use = command("sweep", SWEEP)
    Path("go").touch()
    second.communicate(timeout=60)

    assert second.returncode == 0
    assert (in_use.code, in_use.out) == (2, "")
    assert re.search(r"runs/x-sweep: in use by process \d+ on .*; wait for it, or stop it", in_use.err)
    assert status("000") == "finished"
    assert sorted(attempts()) == ["000", "000", "001"]  # the second attempt at 000 found it finished


def test_a_killed_job_is_a_failure_of_its_point(config, jobs, process, command):
    jobs(**{"0": "sleep"})
    sweep = process("sweep", config, "--seeds", "0-1", "-j", "2")
    wait_for(lambda: has_updated("000"))
    holder = re.search(r"pid (\d+)", (SWEEP / "points/000/lock").read_text())

    os.kill(int(holder[1]), signal.SIGKILL)
    _, err = sweep.communicate(timeout=60)

    assert sweep.returncode == 6
    assert "000  seed 0  failed: ended by SIGKILL" in err
    assert command("sweep", SWEEP, "--status").out.splitlines()[2].endswith("failed (round 1): ended by SIGKILL")
    (SWEEP / "logs/000.code").unlink()
    assert command("sweep", SWEEP, "--status").out.splitlines()[2].endswith("interrupted (round 1)")


def test_a_run_on_data_that_changed_is_no_result(config, jobs, command):
    jobs(**{"1": "other data"})

    done = command("sweep", config, "--seeds", "0-1", "--json")

    record = json.loads(done.out)
    assert done.code == 6
    assert record["points"][1]["error"] == (
        f"learned from data that changed since the sweep began: {Path('points.npy').absolute()}; "
        "restore them, and remove runs/x-sweep/points/001"
    )
    assert record["summary"][0]["points"] == ["000"]


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda: (SWEEP / "configs/001.yaml").write_text("{}"), "configs/001.yaml: changed since the sweep began; "),
        ((SWEEP / "configs/001.yaml").unlink, "configs/001.yaml: No such file or directory; "),
        (lambda: (SWEEP / "sweep.json").write_text("[]"), "sweep.json: damaged: TypeError: "),
        (lambda: (SWEEP / "sweep.json").write_text('{"points": [{}]}'), "sweep.json: damaged: TypeError: "),
        (lambda: (SWEEP / "sweep.json").write_text("{"), "sweep.json: damaged: JSONDecodeError: "),
    ],
)
def test_a_damaged_sweep_is_refused(config, jobs, command, damage, error):
    jobs()
    command("sweep", config, "--seeds", "0-1", "--emit", "slurm")
    damage()

    done = command("sweep", SWEEP, "--status")

    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert done.err.startswith(f"mmcli: error: runs/x-sweep/{error}")


def test_a_sweep_killed_while_it_was_made_is_made(config, jobs, command):
    jobs()
    (SWEEP / "configs").mkdir(parents=True)
    (SWEEP / "configs/000.yaml").write_text("half")

    assert command("sweep", config, "--seeds", "0").code == 0


def test_a_damaged_run_fails_its_point_only(config, jobs, command):
    jobs()
    command("sweep", config, "--seeds", "0-1")
    (SWEEP / "points/000/meta.json").write_text("{")

    done = command("sweep", SWEEP, "--status")

    assert done.code == 6
    assert "runs/x-sweep/points/000/meta.json: damaged run" in done.out.splitlines()[2]
    assert done.out.splitlines()[3].endswith("finished")


def test_runs_share_the_memory_of_the_machine(config, jobs, command, monkeypatch):
    jobs(**{"0": "fail"})
    monkeypatch.setattr(memory, "shared_limits", lambda: iter([memory.Limit(1e9, "this machine has")]))
    monkeypatch.setattr(process, "num_cores", lambda: 64)

    refused = command("sweep", config, "--seeds", "0-3", "-j", "9")
    done = command("sweep", config, "--seeds", "0-3", "--fail-fast")

    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "mmcli: error: -j 9: 9 runs at a time would take about 4.1 GB of memory, and this machine has 1.0 GB; "
        "at most 2 fit\n"
    )
    assert done.code == 6
    assert set(attempts()) <= {"000", "001"}


def test_csv_is_in_long_form(config, jobs, command):
    jobs(**{"1": "fail"})

    done = command("sweep", config, "--seeds", "0-1", "--grid", "modules.gmm.sweeps=5", "--csv")

    rows = list(csv.DictReader(done.out.splitlines()))
    assert [(row["point"], row["module"], row["measure"], row["value"]) for row in rows] == [
        ("000", "gmm", "acc", "0.5"),
        ("000", "gmm", "ari", "0.25"),
        ("000", "gmm", "nmi", "0.5"),
        ("000", "gmm", "objective", "200.0"),
        ("000", "", "seconds", "2.0"),
        ("001", "", "", ""),
    ]
    last = [rows[-1][key] for key in ("seed", "modules.gmm.sweeps", "status", "error")]
    assert last == ["1", "5", "failed", "no luck"]


def test_json_has_points_summary_and_the_best_by_objective(config, jobs, command):
    jobs()

    record = json.loads(command("sweep", config, "--seeds", "3,1", "--json").out)

    assert record["sweep"] == "runs/x-sweep"
    assert record["points"][1] == {
        "point": "001",
        "run": "runs/x-sweep/points/001",
        "seed": 1,
        "settings": {},
        "status": "finished",
        "last_round": 1,
        "error": None,
        "modules": {"gmm": {"acc": 0.6, "ari": 0.25, "nmi": 0.5, "objective": 199.0}},
        "seconds": 2.0,
    }
    (summary,) = record["summary"]
    assert summary["modules"]["gmm"]["objective"] == {
        "mean": 198.0,
        "minimum": 197.0,
        "maximum": 199.0,
        "deviation": pytest.approx(2**0.5),
    }
    assert summary["best"] == record["best"]
    # ACC is highest with seed 3.
    assert record["best"]["gmm"] == {"point": "001", "run": "runs/x-sweep/points/001", "seed": 1, "objective": 199.0}


def test_the_plot_is_over_the_first_key_and_over_rounds_without_one(config, jobs, command):
    jobs()
    grid = ("--grid", "modules.gmm.num_classes=2,3", "--grid", "modules.gmm.sweeps=5,6")

    assert command("sweep", config, "--seeds", "0-1", *grid, "--plot", "grid.svg").code == 0
    assert command("sweep", config, "--seeds", "0-1", "-o", "seeds", "--plot", "seeds.png").code == 0

    assert "<svg" in Path("grid.svg").read_text()
    assert Path("seeds.png").read_bytes().startswith(b"\x89PNG")
    (pane,) = sweep_panel(summarise(Sweep.open(SWEEP))).panes
    assert (pane.x_names, pane.x_label, pane.y_label) == (("2", "3"), "gmm.num_classes", "ACC")
    assert [line.label for line in pane.lines] == ["gmm.sweeps 5", "gmm.sweeps 6"]
    line = pane.lines[0]
    assert [line.x.tolist(), line.y.tolist()] == [[0, 1], pytest.approx([0.55, 0.55])]
    assert [line.low.tolist(), line.high.tolist()] == [[0.5, 0.5], [0.6, 0.6]]
    shutil.rmtree(SWEEP / "points")
    nothing = command("sweep", SWEEP, "--status", "--plot", "none.png")
    assert (nothing.code, nothing.err) == (
        2,
        "mmcli: error: --plot: no point of this sweep has finished with anything measured yet\n",
    )


def test_the_board(config, jobs, command):
    jobs(**{"0": "diverge"})
    command("sweep", config, "--seeds", "0-3", "-j", "1", "--fail-fast")
    sweep = Sweep.open(SWEEP)
    console = Console(width=100, record=True, file=io.StringIO())
    board = SweepBoard(sweep, {point.name: point for point in sweep.points}, 0, console)
    for point in sweep.points[:3]:
        board.started(sweep.job(point, 1))
    board.ended(Outcome("001", 0, 60.0, None))
    board.ended(Outcome("002", 3, 60.0, "no [luck]"))

    console.print(board.render())

    text = console.export_text()
    assert "1/4  001  seed 1  finished in 60.0 s\n2/4  002  seed 2  failed: no [luck]\n" in text
    assert re.search(r"000 +seed 0 +gmm +1 +0:00:00\n", text)
    assert re.search(r"1 of 4 finished, 1 failed +0:00:00 elapsed +0:02:00 left", text)


@pytest.mark.slow
def test_real_runs_have_the_bytes_of_train_and_share_what_is_compiled(config, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("cache").absolute()))
    kept = Path("cache/mmcli/compiled")
    mmcli = (sys.executable, "-m", "mmcli")
    sweep = subprocess.run(
        [*mmcli, "sweep", config, "--seeds", "0-1", "-j", "2"], capture_output=True, text=True, check=False
    )
    assert sweep.returncode == 0, sweep.stderr
    compiled = {path.name for path in kept.iterdir()}
    alone = [*mmcli, "train", config, "--seed", "1", "--threads", "1", "-o", "alone"]

    train = subprocess.run(alone, capture_output=True, text=True, check=False)

    assert train.returncode == 0, train.stderr
    assert compiled == {path.name for path in kept.iterdir()}  # all of it was there
    for name in ("params.npz", "class_learn.txt"):
        theirs, ours = (path / "module001_gmm" / name for path in (SWEEP / "points/001", Path("alone")))
        assert theirs.read_bytes() == ours.read_bytes()
    assert np.loadtxt("alone/module001_gmm/acc_learn.txt") == 1.0
