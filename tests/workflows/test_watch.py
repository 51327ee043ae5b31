"""`mmcli watch`: the progress of a run of another process, and how it ends."""

import os
from pathlib import Path

import pytest

from mmcli.errors import DamagedRunError, UsageError
from mmcli.runs.history import HistoryLine
from mmcli.runs.writer import RunDirectory
from mmcli.workflows.watch import elapsed_seconds, watch

CONFIG = """\
seed: 0
rounds: 2
data:
  images: {file: a.npy}
modules:
  image: {type: observation, data: images}
  vae: {type: vae, inputs: [image]}
  gmm: {type: gmm, inputs: [vae]}
"""


class Notebook:
    """Watcher that keeps what it receives."""

    def __init__(self):
        self.start = None
        self.updates = []
        self.progress = []

    def started(self, run, aside, rounds, modules):
        self.start = (run, aside, rounds, modules)

    def advanced(self, round_number, module, done, iterations):
        self.progress.append((round_number, module, done / iterations))

    def updated(self, line):
        self.updates.append((line.round, line.module))

    def noted(self, line):
        raise AssertionError(line)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that has begun."""
    monkeypatch.chdir(tmp_path)
    directory = RunDirectory.create(Path("run"))
    directory.start(CONFIG, {})
    return directory


def update(run, number, module, seconds=4.0):
    run.append_history(HistoryLine(number, module, None, None, None, -1.0, seconds, 0.0)._asdict())


def steps(*actions):
    """A pause in which another process does the next of these."""
    rest = list(actions)

    def pause():
        rest.pop(0)()

    return pause


def test_updates_are_passed_on_as_they_come_until_the_run_has_finished(run):
    notebook = Notebook()
    with run.lock():
        update(run, 1, "vae")

        def second():
            update(run, 1, "gmm")
            update(run, 2, "vae")
            assert notebook.updates == [(1, "vae")]

        def last():
            update(run, 2, "gmm")
            run.finish()

        watch(run.path, notebook, steps(lambda: None, second, last))

    assert notebook.start == (Path("run"), None, 2, ["vae", "gmm"])
    assert notebook.updates == [(1, "vae"), (1, "gmm"), (2, "vae"), (2, "gmm")]


def test_the_share_of_an_update_is_estimated_by_the_round_before(run):
    notebook = Notebook()
    with run.lock():
        update(run, 1, "vae", seconds=1000.0)
        update(run, 1, "gmm", seconds=2.0)
        history = run.path / "history.jsonl"

        def minutes_later():
            written = history.stat()
            os.utime(history, ns=(written.st_atime_ns, written.st_mtime_ns - 500_000_000_000))

        watch(run.path, notebook, steps(minutes_later, run.finish))

    first, later, _ = (share for *_, share in notebook.progress)
    assert {place[:2] for place in notebook.progress} == {(2, "vae")}
    assert later - first == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda run: run.fail("no memory"), "run: this run failed (no memory); train again"),
        (lambda run: run.stop(), "run: this run was stopped; let it finish with --resume"),
    ],
)
def test_a_run_that_ends_before_it_finished_is_an_error(run, end, error):
    with run.lock(), pytest.raises(UsageError) as raised:
        watch(run.path, Notebook(), steps(lambda: end(run)))

    assert str(raised.value) == error


def test_a_run_that_was_killed_is_noticed_at_the_second_look(run):
    with pytest.raises(UsageError) as raised:
        watch(run.path, Notebook(), steps(lambda: None))

    assert str(raised.value) == (
        "run: no process trains this run any more; resume it with: mmcli train run/config.yaml -o run --resume"
    )


def test_an_update_that_a_resumed_run_repeats_is_passed_on_again(run):
    notebook = Notebook()
    with run.lock():
        update(run, 1, "vae")
        update(run, 1, "gmm")

        def resumed():
            (run.path / "history.jsonl").unlink()

        def finished():
            update(run, 1, "vae")
            run.finish()

        watch(run.path, notebook, steps(resumed, finished))

    assert notebook.updates == [(1, "vae"), (1, "gmm"), (1, "vae")]


def test_a_config_without_modules_that_learn_is_damaged(run):
    (run.path / "config.yaml").write_text("seed: 0\nrounds: 2\n")

    with pytest.raises(DamagedRunError, match="no rounds, or no module that learns"):
        watch(run.path, Notebook(), steps())


def test_the_time_that_a_run_took_is_read_where_it_is_recorded(run):
    assert 0 <= elapsed_seconds(run.path) < 100

    run.note(started="2026-01-01T00:00:00+00:00", ended="2026-01-01T01:00:00+00:00")
    assert elapsed_seconds(run.path) == 3600

    run.note(started="never")
    assert elapsed_seconds(run.path) == 0


def test_the_command_prints_lines_and_the_status(run, command):
    update(run, 1, "vae")
    update(run, 1, "gmm")
    run.finish()

    done = command("watch", "run")
    missing = command("watch", "elsewhere")

    assert (done.code, done.out) == (0, "finished\n")
    assert done.err.splitlines() == [
        "run directory run",
        "round 1/2  vae             bound -1.00000  4.0 s",
        "round 1/2  gmm             bound -1.00000  4.0 s",
    ]
    assert (missing.code, missing.err) == (
        2,
        "mmcli: error: elsewhere: no such directory; name one that `mmcli train` printed\n",
    )
