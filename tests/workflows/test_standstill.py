"""Threads that stand still: they are told from those that compute, and neither they nor a signal are waited for."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmcli.cli import main, signals
from mmcli.engine import schedule
from mmcli.errors import StalledError
from mmcli.util import workers
from mmcli.util.workers import PATIENCE, Watch, result, worker

LIMIT = 10.0  # seconds from a signal to the end of the process
MODEL = """\
rounds: 2
checkpoint_every: 9
data:
  points: {file: x.npz, key: points}
modules:
  seen: {type: observation, data: points}
  gmm:  {type: gmm, inputs: [seen], num_classes: 2, sweeps: 2, chains: 1}
"""
# The command line, with threads that stand still where a function would compute.
STUCK = """\
import functools, sys, threading
from mmcli.engine import predictor, runner, saving, schedule
from mmcli.cli.main import main

def stand_still(*_):
    sys.stderr.write("stands still\\n")
    threading.Event().wait()

def compile_stuck(*arguments):
    compiled, calls = compile_module(*arguments), iter(range(99))
    advance = lambda *given: stand_still() if next(calls) >= {free_calls} else compiled.advance(*given)
    return compiled._replace(advance=advance)

compile_module, runner.compile_module = runner.compile_module, compile_stuck
predictor.Predictor._predict_batch = stand_still
schedule.train_rounds = functools.partial(schedule.train_rounds, still_seconds={seconds})
predictor.Predictor.predict = functools.partialmethod(predictor.Predictor.predict, still_seconds={seconds})
{more}
print("said before", end="")
sys.argv = ["mmcli", *{line!r}.split()]
main()
"""


@pytest.fixture
def folder(tmp_path):
    points = np.random.default_rng(0).normal(size=(20, 2))
    np.savez(tmp_path / "x.npz", points=points)
    (tmp_path / "model.yaml").write_text(MODEL)
    return tmp_path


@pytest.fixture
def start(folder):
    """Start a command whose threads will stand still after some calls, or where its items are predicted."""

    def command(line, seconds=600.0, free_calls=0, more=""):
        script = STUCK.format(line=line, seconds=seconds, free_calls=free_calls, more=more)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen([sys.executable, "-c", script], cwd=folder, **pipes))
        return processes[-1]

    processes: list[subprocess.Popen[str]] = []
    yield command
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def run(folder):
    """A finished run of the model."""
    line = [sys.executable, "-m", "mmcli", "train", "model.yaml", "-o", "run"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def read_until_still(process):
    """What it wrote to stderr before its threads stood still."""
    lines = []
    for line in process.stderr:
        if line == "stands still\n":
            return lines
        lines.append(line)
    raise AssertionError("".join(lines))


def end(process, number):
    """Seconds from a signal to the end, stdout and stderr."""
    process.send_signal(number)
    begun = time.monotonic()
    out, err = process.communicate(timeout=60)
    return time.monotonic() - begun, out, err


def test_a_run_whose_threads_stand_still_is_ended_and_goes_on(start, folder):
    out, err = start("train model.yaml -o run --threads 1", seconds=1.5).communicate(timeout=60)

    assert err.splitlines()[-1] == (
        "mmcli: error: module gmm, round 1: its threads stand still: no processor time used for 1.5 s; the last "
        "checkpoint is safe; resume with: mmcli train run/config.yaml -o run --resume (and --threads 1, where it "
        "stands still again)"
    )
    assert out == "said before"
    meta = json.loads((folder / "run/meta.json").read_text())
    assert (meta["status"], meta["error"][:20]) == ("failed", "module gmm, round 1:")
    line = [sys.executable, "-m", "mmcli", "train", "run/config.yaml", "-o", "run", "--resume"]
    again = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("more", "kept", "said"),
    [
        ("", "000001-000000", "all is saved"),
        (
            "saving.save = stand_still",
            "000000-000000",
            "its threads stand still; the last checkpoint is safe",
        ),
    ],
    ids=["the update", "the save too"],
)
def test_a_run_whose_threads_stand_still_ends_at_a_signal(start, folder, more, kept, said):
    process = start("train model.yaml -o run --threads 1", free_calls=2, more=more)
    read_until_still(process)

    seconds, out, err = end(process, signal.SIGTERM)

    assert (process.returncode, out) == (128 + signal.SIGTERM, "said before")
    assert seconds < LIMIT
    assert err.splitlines()[-1] == (
        f"mmcli: stopped by SIGTERM in round 2, module gmm; {said}; "
        "resume with: mmcli train run/config.yaml -o run --resume"
    )
    assert max(path.stem for path in (folder / "run/checkpoint").iterdir()) == kept
    assert json.loads((folder / "run/meta.json").read_text())["status"] == "stopped"


QUESTIONS = ["evaluate run --data points=x.npz", "generate run --to points --class 0 -o made.npz"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_whose_threads_stand_still_ends(start, run, question):
    assert run.exists()
    ended = start(question, seconds=1.5)
    stopped = start(question)
    read_until_still(stopped)

    seconds, out, err = end(stopped, signal.SIGTERM)
    told = ended.communicate(timeout=60)

    assert (stopped.returncode, out, err) == (128 + signal.SIGTERM, "said before", "")
    assert seconds < LIMIT
    assert ended.returncode == StalledError.exit_code == 5
    error = (
        "mmcli: error: its threads stand still: no processor time used for 1.5 s; run the command again "
        "(with PJRT_NPROC=1 in its environment, for one thread, where it stands still again)"
    )
    assert told == ("said before", f"stands still\n{error}\n")


@pytest.mark.parametrize("number", signals.SIGNALS, ids=lambda number: number.name)
def test_every_signal_saves_and_the_run_goes_on(train, monkeypatch, number):
    learn = schedule.train_rounds

    def learn_and_be_stopped(*data, **options):
        for event in learn(*data, **options):
            if event.moment.updates == 2:
                os.kill(os.getpid(), number)
            yield event

    def leave(code):
        raise SystemExit(code)

    monkeypatch.setattr(schedule, "train_rounds", learn_and_be_stopped)
    monkeypatch.setattr(main, "leave", leave)  # for the sake of this process
    stopped = train("-o", "run")
    monkeypatch.setattr(schedule, "train_rounds", learn)
    again = train("-o", "run", "--resume")

    assert stopped.code == 128 + number
    assert f"stopped by {number.name} in round" in stopped.err
    assert again.code == 0
    assert "resuming after 1 updates and 1 iterations of the next" in again.err  # its files were not written yet


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_that_is_ignored_from_the_start_stays_so(number):
    before = signal.signal(number, signal.SIG_IGN)  # as nohup does, and a shell for what runs in the background
    try:
        with signals.stop_requests() as stop:
            os.kill(os.getpid(), number)
            assert stop() is None
        assert number not in signals.handled()
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.fixture
def looks(monkeypatch):
    """Look at a watch of 10 s once for each (seconds since the look before, processor time by now, moving)."""

    def look(watch, *seen):
        for seconds, used, is_moving in seen:
            clock["now"] += seconds
            monkeypatch.setattr(workers, "processor_time", lambda used=used, moving=is_moving: (used, moving))
            watch.look()

    clock = {"now": 0.0}
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: clock["now"]))
    return look


STILL = (PATIENCE, 5.0, False)


def test_no_processor_time_for_as_long_as_the_limit_is_a_standstill(looks):
    watch = Watch(10)
    looks(watch, *[STILL] * 20)

    with pytest.raises(StalledError, match=r"^its threads stand still: no processor time used for 10 s$"):
        looks(watch, STILL)


@pytest.mark.parametrize(
    "seen",
    [
        [(PATIENCE, 0.02 * n, False) for n in range(200)],  # a twenty-fifth of a processor
        [*[STILL] * 20, (PATIENCE, 6.0, False), *[(PATIENCE, 6.0, False)] * 19],
        [(PATIENCE, 5.0, True)] * 200,  # others keep all processors, or a disk is slow
        [STILL, (8 * 3600.0, 5.0, False), *[STILL] * 18],  # suspended for the night
        [STILL, *[(11.0, 5.0, False)] * 18],  # and again and again
    ],
    ids=["slow", "begins anew", "waits for its turn", "suspended", "suspended often"],
)
def test_what_is_no_standstill(looks, seen):
    looks(Watch(10), *seen)


def test_idle_threads_that_wake_up_are_no_progress(looks):
    with pytest.raises(StalledError):
        looks(Watch(10), *[(PATIENCE, 5.0 + 0.0002 * n, n % 5 == 0) for n in range(40)])


def test_a_device_that_is_no_processor_is_not_watched(looks):
    looks(Watch(None), *[STILL] * 9999)


@pytest.mark.parametrize("tasks", [workers.TASKS, Path("nowhere")], ids=["Linux", "elsewhere"])
def test_threads_that_compute_are_told_from_those_that_wait(monkeypatch, tasks):
    monkeypatch.setattr(workers, "PATIENCE", 0.05)
    monkeypatch.setattr(workers, "TASKS", tasks)
    goes_on = threading.Event()

    def compute():
        until = time.thread_time() + 0.6
        while time.thread_time() < until:
            pass
        return "computed"

    with worker() as thread:
        assert result(thread.submit(compute), 0.3) == "computed"
        assert not workers.are_busy()
        with pytest.raises(StalledError):
            result(thread.submit(goes_on.wait), 0.3)
        assert workers.are_busy()
        goes_on.set()


@pytest.mark.skipif(not workers.TASKS.is_dir(), reason="threads cannot be told apart")
def test_a_thread_that_only_looks_on_is_no_progress(monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.05)
    goes_on = threading.Event()

    def draw():
        while not goes_on.is_set():
            pass

    bar = threading.Thread(target=draw)
    bar.start()
    try:
        with worker() as thread, pytest.raises(StalledError):
            result(thread.submit(goes_on.wait), 0.3)
    finally:
        goes_on.set()
        bar.join()
