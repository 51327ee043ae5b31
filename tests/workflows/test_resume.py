"""`mmcli train --resume`: it starts, goes on, or has nothing to do; and what it refuses."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny import NUM_ITEMS, tiny_arrays

from mmcli.cli.display import Lines
from mmcli.engine import schedule
from mmcli.errors import DivergedError, StoppedError
from mmcli.runs.checkpoints import Shelf
from mmcli.workflows import check
from mmcli.workflows import train as experiment

RUN = Path("run")


@pytest.fixture
def broken_off(train, monkeypatch):
    """A run of the fake model that was interrupted after its third update of four."""
    learn = schedule.train_rounds

    def learn_three(*data, **options):
        for event in learn(*data, **options):
            if event.moment.updates == 3:
                yield event
                raise KeyboardInterrupt
            yield event

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "train_rounds", learn_three)
        train("-o", "run")


def contents(run):
    """Bytes of all files but those that hold times."""
    timed = {"meta.json", "SHA256SUMS"}
    paths = [path for path in run.rglob("*") if path.is_file() and path.parent.name != "checkpoint"]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths if path.name not in timed}


def test_where_there_is_nothing_it_starts(train):
    done = train("-o", "run", "--resume")

    assert (done.code, done.out) == (0, "run\n")
    assert "going on" not in done.err
    assert len((RUN / "history.jsonl").read_text().splitlines()) == 4


@pytest.mark.usefixtures("broken_off")
def test_an_unfinished_run_goes_on_and_ends_like_one_that_never_stopped(train):
    (RUN / "history.jsonl").write_text("of an update that was never saved\n")
    (RUN / ".meta.json.17.tmp").touch()
    started = json.loads((RUN / "meta.json").read_text())["started"]

    done = train("-o", "run", "--resume")
    train("-o", "whole")

    assert (done.code, done.out) == (0, "run\n")
    assert done.err.splitlines()[:2] == ["run directory run", "resuming after 3 updates and 0 iterations of the next"]
    assert contents(RUN) == contents(Path("whole"))
    meta = json.loads((RUN / "meta.json").read_text())
    assert (meta["status"], meta["started"]) == ("finished", started)


@pytest.mark.parametrize("left", [".meta.json.17.tmp", ".config.yaml.17.tmp", "checkpoint/.000000-000000.17.tmp"])
def test_what_a_run_left_that_was_killed_at_its_very_start_goes(train, left):
    (RUN / left).parent.mkdir(parents=True)
    (RUN / left).touch()
    (RUN / "meta.json").write_text('{"status": "running"}')

    done = train("-o", "run", "--resume")

    assert (done.code, done.out) == (0, "run\n")
    assert not (RUN / left).exists()


def test_a_finished_run_has_nothing_to_do(train):
    train("-o", "run")
    before = {path: path.stat().st_mtime_ns for path in RUN.rglob("*") if path.is_file()}

    done = train("-o", "run", "--resume")

    assert (done.code, done.out) == (0, "run\n")
    assert done.err == "run directory run\nfinished before; more rounds would extend it\n"
    assert {path: path.stat().st_mtime_ns for path in RUN.rglob("*") if path.is_file()} == before


def test_more_rounds_extend_a_finished_run(train, command):
    train("-o", "run")
    command("evaluate", "run")
    for name in ("evaluation_recog.json", "module003_gmm/class_recog.txt", "module003_gmm/confusion_recog.png"):
        (RUN / name).touch()

    done = train("-o", "run", "--resume", "--rounds", "3")
    train("-o", "whole", "--rounds", "3")

    assert done.code == 0
    assert contents(RUN) == contents(Path("whole"))  # what was evaluated before is gone


def test_another_config_is_refused_with_what_differs(train):
    train("-o", "run")

    done = train("-o", "run", "--resume", "--seed", "1", "--rounds", "1", "--set", "modules.vae.epochs=201")

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == (
        "mmcli: error: run: this run has another config: seed (0 before, 1 now); rounds (2 before, 1 now); "
        "modules.vae.epochs (200 before, 201 now); name another directory with -o"
    )


@pytest.mark.parametrize(
    ("setting", "difference"),
    [
        ("data.images.missing=nan", 'data.images.missing (left out before, "nan" now)'),
        ("data.words.known=kinds", 'data.words.known (left out before, "kinds" now)'),
        ("test.images.file=held.npy", 'test.images.file (left out before, "'),
        ("checkpoint_every=2", "checkpoint_every (1 before, 2 now)"),
        ("modules.mlda.inputs=[gmm, word]", "modules.mlda.inputs (['word', 'gmm'] before, ['gmm', 'word'] now)"),
    ],
)
def test_what_can_differ(train, tiny_config, setting, difference):
    np.savez(tiny_config.with_name("tiny.npz"), **(tiny_arrays() | {"labels": np.arange(NUM_ITEMS) % 2}))  # a mask too
    train("-o", "run")

    done = train("-o", "run", "--resume", "--set", setting)

    assert done.code == 2
    assert f"this run has another config: {difference}" in done.err


@pytest.mark.parametrize("num_asked", range(1, 30, 2))
def test_a_run_can_be_stopped_between_any_two_of_its_files(train, num_asked):
    asked = itertools.count(1)

    with pytest.raises(StoppedError, match=r"^stopped by SIGTERM in round [12], module (gmm|mlda); all is saved;"):
        experiment.train(
            check.check(Path("tiny.yaml")),
            Lines(),
            lambda: signal.SIGTERM if next(asked) >= num_asked else None,
            output=RUN,
        )
    done = train("-o", "run", "--resume")
    train("-o", "whole")

    assert done.code == 0, done.err
    assert contents(RUN) == contents(Path("whole"))


@pytest.mark.usefixtures("broken_off")
def test_what_the_first_round_left_and_nothing_writes_again_has_to_be_whole(train):
    (RUN / "module003_gmm" / "class_first.txt").write_text("mud\n")

    done = train("-o", "run", "--resume")

    assert done.code == 4
    assert "run/module003_gmm/class_first.txt: damaged run: its SHA-256" in done.err


def test_what_evaluate_and_report_write_leaves_a_run_whole(train, command):
    train("-o", "run")

    codes = [command(name, "run").code for name in ("evaluate", "report", "evaluate", "compare")]

    assert codes == [0, 0, 0, 0]
    assert train("-o", "run", "--resume").code == 0


@pytest.mark.usefixtures("broken_off")
def test_a_run_that_was_broken_off_is_reported_and_compared(train, command):
    reported, compared = command("report", "run"), command("compare", "run")

    assert (reported.code, reported.out) == (0, "run/report/report.html\n")
    assert "failed (round 2 of 2): interrupted" in compared.out
    assert train("-o", "run", "--resume").code == 0


@pytest.mark.usefixtures("broken_off")
def test_other_data_are_refused(train, tiny_config):
    with np.load(tiny_config.with_name("tiny.npz")) as arrays:
        changed = {name: arrays[name] for name in arrays}
    changed["words"][0, 0] += 1
    np.savez(tiny_config.with_name("tiny.npz"), **changed)

    done = train("-o", "run", "--resume")

    data = tiny_config.with_name("tiny.npz")
    assert done.code == 2
    assert done.err.endswith(f"{data}: not the file that run learned from (SHA-256 differs); bring it back\n")


@pytest.mark.usefixtures("broken_off")
def test_a_damaged_newest_checkpoint_falls_back_and_says_so(train):
    newest = RUN / "checkpoint" / "000003-000000.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])

    done = train("-o", "run", "--resume")
    train("-o", "whole")

    assert done.code == 0
    assert done.err.splitlines()[1:3] == [
        f"{newest}: damaged (its SHA-256 differs from the recorded one); the one before it is whole",
        "resuming after 2 updates and 0 iterations of the next",
    ]
    assert contents(RUN) == contents(Path("whole"))


@pytest.mark.usefixtures("broken_off")
def test_no_checkpoint_is_whole(train):
    for path in (RUN / "checkpoint").iterdir():
        path.write_bytes(b"mud")

    done = train("-o", "run", "--resume")

    assert done.code == 4
    assert done.err.splitlines()[-1].endswith("there is no other; --force sets the run aside and begins again")


@pytest.mark.parametrize("name", ["config.yaml", "module003_gmm/class_learn.txt", "history.jsonl", "SHA256SUMS"])
def test_a_finished_run_that_was_changed_is_refused(train, name):
    train("-o", "run")
    (RUN / name).write_text("mud\n")

    done = train("-o", "run", "--resume")

    assert done.code == 4
    assert done.err.count("damaged run: ") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume"], "--resume needs -o DIR: without it every run has a directory of its own"),
        (["--resume", "--force", "-o", "run"], "--force and --resume are mutually exclusive; choose one"),
        (["--resume", "-o", "thesis"], "thesis: no run directory, so --resume leaves it alone; name another with -o"),
    ],
)
def test_what_resume_cannot_do(train, options, message):
    Path("thesis").mkdir()
    Path("thesis/thesis.tex").touch()

    done = train(*options)

    assert (done.code, done.err) == (2, f"mmcli: error: {message}\n")


def test_a_run_that_diverged_keeps_its_last_good_checkpoint(train, monkeypatch):
    learn = schedule.train_rounds

    def diverge(*data, **options):
        for event in learn(*data, **options):
            if event.moment.updates == 3:
                raise DivergedError("module gmm, round 2: a number became NaN")
            yield event

    monkeypatch.setattr(schedule, "train_rounds", diverge)
    done = train("-o", "run")

    assert done.code == 3
    assert sorted(path.name for path in (RUN / "checkpoint").iterdir()) == [
        "000001-000000.safetensors",
        "000002-000000.safetensors",
    ]
    monkeypatch.setattr(schedule, "train_rounds", learn)
    assert train("-o", "run", "--resume").code == 0


def test_checkpoints_can_be_rarer(train):
    train("-o", "run", "--set", "checkpoint_every=4")

    assert sorted(path.name for path in (RUN / "checkpoint").iterdir()) == [
        "000000-000000.safetensors",
        "000004-000000.safetensors",
    ]


def test_force_leaves_a_run_at_work_alone(train):
    train("-o", "run")
    hold = "from mmcli.runs.writer import RunDirectory; from pathlib import Path; import sys\n"
    hold += "with RunDirectory(Path('run')).lock(): print(flush=True); sys.stdin.read()"
    line = [sys.executable, "-c", hold]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        forced, resumed = train("-o", "run", "--force"), train("-o", "run", "--resume")
        process.kill()

    message = f"run: in use by process {process.pid} on {os.uname().nodename}; wait for it, or stop it\n"
    assert (forced.code, resumed.code, resumed.err) == (2, 2, f"mmcli: error: {message}")
    assert forced.err.endswith(message)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_between_two_iterations_and_the_run_goes_on_to_the_same_bytes(trained, tiny_config, number):
    line = [sys.executable, "-m", "mmcli", "train", "tiny.yaml", "-o", "run", "--resume"]
    process = subprocess.Popen(line, cwd=tiny_config.parent, stderr=subprocess.PIPE, text=True)
    for _ in range(2):
        process.stderr.readline()  # the run directory, the first update
    process.send_signal(number)
    stopped = process.communicate()[1]
    resumed = subprocess.run(line, cwd=tiny_config.parent, capture_output=True, text=True, check=False)

    assert process.returncode == 128 + number
    assert f"stopped by {number.name} in round 1" in stopped
    assert resumed.returncode == 0, resumed.stderr
    ours, theirs = contents(tiny_config.parent / "run"), contents(trained.run)
    timed = {"history.jsonl", "config.yaml", "evaluation.json"}  # of config.yaml the paths of the data differ
    assert {name: ours[name] for name in ours.keys() - timed} == {
        name: content for name, content in theirs.items() if name not in timed and not name.endswith(".png")
    }


def test_a_second_interrupt_ends_at_once(tiny_config):
    line = [sys.executable, "-m", "mmcli", "train", "tiny.yaml", "--rounds", "1000000"]
    with subprocess.Popen(line, cwd=tiny_config.parent, stderr=subprocess.PIPE, text=True) as process:
        process.stderr.readline()
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)

    assert process.returncode == -signal.SIGINT


def test_a_run_that_an_older_mmcli_began_is_not_resumed_but_left_as_it_is(train):
    train("-o", "run")
    shelf = Shelf(Path("run/checkpoint"))
    last, _ = shelf.load()
    shelf.save(last._replace(version=2))

    extended, again = train("-o", "run", "--resume", "--rounds", 3), train("-o", "run", "--resume")

    assert extended.code == 2
    assert "run: begun by an older mmcli, whose modules learn otherwise; finish it with that version" in extended.err
    assert again.code == 0
    assert "finished before" in again.err
