"""`mmcli track`: records of runs in TensorBoard, MLflow and W&B, each measure once, however often it is asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from written_runs import write_run

from mmcli.runs.history import HistoryLine
from mmcli.runs.packed import write_packed
from mmcli.runs.reader import RunFiles
from mmcli.runs.writer import RunDirectory
from mmcli.util.locks import locked
from mmcli.workflows import track
from mmcli.workflows.trackers import Scalar

LIVE = """\
seed: 0
rounds: 2
data:
  images: {file: a.npy}
modules:
  image: {type: observation, data: images}
  gmm: {type: gmm, inputs: [image]}
"""
STARTED = "2026-01-01T00:00:00+00:00"
STARTED_SECONDS = 1767225600.0


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run():
    """A run that has begun."""
    directory = RunDirectory.create(Path("run"))
    directory.start(LIVE, {"started": STARTED, "git": {"commit": "ab12", "dirty": False}, "versions": {"jax": "1.0"}})
    return directory


def update(run, number, acc):
    run.append_history(HistoryLine(number, "gmm", acc, acc / 2, acc / 2, -1.0, 1.5, 0.5)._asdict())


class Notebook:
    """Record in memory."""

    id, shown = "7", "7"

    def __init__(self):
        self.scalars, self.statuses = [], []

    def write(self, scalars):
        self.scalars += scalars

    def set_status(self, status):
        self.statuses.append(status)

    def rounds(self):
        return [scalar.step for scalar in self.scalars if scalar.name == "gmm/acc"]


def opened(run):
    notebook = Notebook()
    return notebook, track.Tracked(run, notebook, set())


def test_every_measure_of_an_update_has_the_time_of_its_end():
    line = HistoryLine(1, "gmm", 0.5, 0.25, 0.75, -10.0, 1.5, 0.5)

    found = list(track.scalars_of([line, line._replace(round=2, acc=None, bound=None)], 100.0))

    assert found == [
        *(Scalar(f"gmm/{name}", 1, value, 102.0) for name, value in (("acc", 0.5), ("ari", 0.25), ("nmi", 0.75))),
        *(Scalar(f"gmm/{name}", 1, value, 102.0) for name, value in (("objective", -10.0), ("seconds", 1.5))),
        *(Scalar(f"gmm/{name}", 2, value, 104.0) for name, value in (("ari", 0.25), ("nmi", 0.75), ("seconds", 1.5))),
    ]


def test_a_run_is_followed_until_it_has_finished(run):
    notebook, tracked = opened(run)
    seen = []
    with run.lock():
        update(run, 1, 0.5)

        def pause():
            seen.append(notebook.rounds())
            if len(seen) == 2:
                update(run, 2, 0.75)
                update(run, 2, 0.25)  # an earlier state was kept: the last line of the last round counts
                run.finish()

        track.follow([tracked], pause)

    assert seen[:2] == [[1], [1]]
    assert [(scalar.step, scalar.value) for scalar in notebook.scalars if scalar.name == "gmm/acc"] == [
        (1, 0.5),
        (2, 0.25),
    ]
    assert notebook.statuses[-1] == "finished"
    assert notebook.scalars[0].time == STARTED_SECONDS + 2.0


def test_the_last_round_waits_until_the_run_has_ended(run):
    notebook, tracked = opened(run)
    update(run, 1, 0.5)
    update(run, 2, 0.75)
    run.stop()
    tracked.update()
    assert notebook.rounds() == [1]

    run.note(status="failed", error="no memory")
    tracked.update()
    assert (notebook.rounds(), notebook.statuses) == ([1, 2], ["stopped", "failed"])


def test_runs_that_end_before_are_named_and_the_others_followed(run):
    other = RunDirectory.create(Path("other"))
    other.start(LIVE, {"started": STARTED})
    run.stop()
    second, tracked = opened(other)

    def pause():
        update(other, 1, 0.5)
        other.finish()

    with other.lock(), pytest.raises(track.UsageError) as raised:
        track.follow([opened(run)[1], tracked], pause)

    assert str(raised.value) == "run: this run was stopped; let it finish with --resume"
    assert second.rounds() == [1]


def test_a_package_that_is_not_installed_is_one_line_and_nothing_is_made(command, monkeypatch):
    write_run("run", {"gmm": [0.5]})
    before = sorted(Path().rglob("*"))
    for tool, package, extra in (
        ("tensorboard", "tensorboardX", "track"),
        ("mlflow", "mlflow-skinny", "mlflow"),
        ("wandb", "wandb", "wandb"),
    ):
        monkeypatch.setitem(sys.modules, "mlflow" if tool == "mlflow" else package, None)

        done = command("track", "run", "--to", tool)

        remedy = f"--to {tool} needs the package {package}: pip install '.[{extra}]' in the clone"
        assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {remedy}\n")
        assert sorted(Path().rglob("*")) == before


@pytest.mark.usefixtures("run")
def test_bad_runs_are_refused(command):
    done = write_run("done", {"gmm": [0.5]})
    write_packed(Path("packed.zip"), done, RunFiles.open(done).sums(), "")
    Path("run/track.json").write_text("[]")

    absent = command("track", "elsewhere", "--to", "tensorboard")
    packed = command("track", "packed.zip", "--to", "tensorboard")
    damaged = command("track", "run", "--to", "mlflow", "-o", "records.db")
    with locked(Path("done/track.lock")):
        busy = command("track", "done", "--to", "tensorboard")

    assert (absent.code, absent.err) == (
        2,
        "mmcli: error: elsewhere: no such directory; name one that `mmcli train` printed\n",
    )
    assert (damaged.code, damaged.err) == (
        4,
        "mmcli: error: run/track.json: damaged run: no ids by tool and place; train again, or restore the file\n",
    )
    assert (packed.code, packed.err) == (
        2,
        "mmcli: error: packed.zip: a packed run, which cannot keep the id of a record; unzip it\n",
    )
    assert busy.code == 2
    assert "done: in use by process" in busy.err


def events(folder):
    """Entries of the event files in a folder, by the format of TFRecord: length, checksum, content, checksum."""
    event_type = pytest.importorskip("tensorboardX.proto.event_pb2").Event
    for path in sorted(folder.glob("events.*")):
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            yield event_type.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def scalars(folder):
    """(name, round, value, time) of each scalar."""
    return [
        (value.tag, event.step, round(value.simple_value, 6), event.wall_time)
        for event in events(folder)
        for value in event.summary.value
        if value.HasField("simple_value")
    ]


def texts(folder):
    return {
        value.tag: value.tensor.string_val[0].decode()
        for event in events(folder)
        for value in event.summary.value
        if not value.HasField("simple_value")
    }


@pytest.fixture
def tensorboard():
    pytest.importorskip("tensorboardX", reason="the extra `track` is not installed")
    return Path("tensorboard")


def test_events_of_tensorboard_hold_each_update_once(tensorboard, run, command):
    update(run, 1, 0.5)
    first = command("track", "run", "--to", "tensorboard")
    again = command("track", "run", "--to", "tensorboard")
    held_before = scalars(tensorboard / "run")
    update(run, 2, 0.75)
    run.finish()
    last = command("track", "run", "run", "--to", "tensorboard")

    assert [(done.code, done.out, done.err) for done in (first, again, last)] == 3 * [(0, "tensorboard/run\n", "")]
    assert held_before == [
        ("gmm/acc", 1, 0.5, STARTED_SECONDS + 2),
        ("gmm/ari", 1, 0.25, STARTED_SECONDS + 2),
        ("gmm/nmi", 1, 0.25, STARTED_SECONDS + 2),
        ("gmm/objective", 1, -1.0, STARTED_SECONDS + 2),
        ("gmm/seconds", 1, 1.5, STARTED_SECONDS + 2),
    ]
    found = scalars(tensorboard / "run")
    assert found[:5] == held_before
    assert [(name, step, value) for name, step, value, _ in found[5:]] == [
        ("gmm/acc", 2, 0.75),
        ("gmm/ari", 2, 0.375),
        ("gmm/nmi", 2, 0.375),
        ("gmm/objective", 2, -1.0),
        ("gmm/seconds", 2, 1.5),
    ]
    described = texts(tensorboard / "run")
    assert '| modules.gmm.inputs | ["image"] |' in described["settings/text_summary"]
    assert "| git.commit | ab12 |" in described["tags/text_summary"]
    assert "| versions.jax | 1.0 |" in described["tags/text_summary"]


def test_what_was_cut_off_is_written_again(tensorboard, command):
    write_run("run", {"gmm": [0.5]})
    command("track", "run", "--to", "tensorboard")
    (file,) = (tensorboard / "run").iterdir()
    whole = scalars(tensorboard / "run")
    file.write_bytes(file.read_bytes()[:-3])

    done = command("track", "run", "--to", "tensorboard")

    _, second = sorted((tensorboard / "run").iterdir())
    assert done.code == 0
    assert len(second.read_bytes()) > 0
    second.rename("events.second")
    assert [found[:2] for found in scalars(Path())] == [whole[-1][:2]]


def test_runs_of_one_name_have_records_of_their_own(tensorboard, command):
    write_run("first/run", {"gmm": [0.5]})
    write_run("second/run", {"gmm": [0.75]})

    done = command("track", "first/run", "second/run", "--to", "tensorboard")

    assert done.out == "tensorboard/run\ntensorboard/run-2\n"
    assert [found[2] for found in scalars(tensorboard / "run-2") if found[0] == "gmm/acc"] == [0.75]
    ids = json.loads(Path("second/run/track.json").read_text())
    assert ids == {"tensorboard": {str(tensorboard.absolute()): "run-2"}}


@pytest.mark.usefixtures("tensorboard")
def test_a_place_that_is_none_is_one_line(command):
    write_run("run", {"gmm": [0.5]})
    Path("file").touch()

    done = command("track", "run", "--to", "tensorboard", "-o", "file")

    assert (done.code, done.err) == (2, "mmcli: error: file: no folder; name another with -o\n")


@pytest.fixture
def mlflow_client():
    # Not in dev: its requirements do not agree with the other versions of constraints.txt.
    pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    pytest.importorskip("sqlalchemy", reason="the extra `mlflow` is not installed")


@pytest.mark.usefixtures("mlflow_client")
def test_a_run_of_mlflow_holds_each_update_once(run):
    def mmcli(*arguments):  # in a process of its own: sqlalchemy warns of what mlflow does
        line = [sys.executable, "-m", "mmcli", *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    update(run, 1, 0.5)
    first = mmcli("track", "run", "--to", "mlflow", "-o", "records.db")
    update(run, 2, 0.75)
    run.finish()
    second = mmcli("track", "run", "--to", "mlflow", "-o", "records.db")
    third = mmcli("track", "run", "--to", "mlflow", "-o", "sqlite:///records.db")

    assert [(done.returncode, done.stderr) for done in (first, second, third)] == 3 * [(0, "")]
    assert first.stdout == second.stdout == third.stdout
    script = (
        "import json, sys\n"
        "from mlflow.tracking import MlflowClient\n"
        "client = MlflowClient('sqlite:///records.db')\n"
        f"run = client.get_run('{first.stdout.strip()}')\n"
        "acc = [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, 'gmm/acc')]\n"
        "print(json.dumps([run.info.status, run.info.run_name, acc, run.data.params, run.data.tags]))\n"
    )
    read = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, name, acc, params, tags = json.loads(read.stdout)
    assert (status, name, acc) == ("FINISHED", "run", [[1, 0.5], [2, 0.75]])
    assert (params["modules.gmm.type"], tags["git.commit"], tags["versions.jax"]) == ("gmm", "ab12", "1.0")


@pytest.fixture
def wandb():
    # Not in dev: 100 MB, and a service of its own that is started for each command.
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")


def mmcli(*arguments, **variables):
    """A command in a process of its own: wandb leaves a service and handlers behind."""
    line = [sys.executable, "-m", "mmcli", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=os.environ | variables)


READ = """
import json, sys
from wandb.proto.wandb_internal_pb2 import Record
content, place, entry, found = open(sys.argv[1], "rb").read(), 7, b"", {"history": [], "config": {}, "summary": {}}
while place < len(content):  # one block: pieces of a log of LevelDB behind each other
    length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
    assert kind == 1
    record = Record.FromString(content[place + 7 : place + 7 + length])
    place += 7 + length
    values = {"/".join(one.nested_key) or one.key: json.loads(one.value_json) for one in record.history.item}
    found["history"] += [{name: value for name, value in values.items() if name != "_runtime"}] if values else []
    found["config"] |= {one.key: json.loads(one.value_json) for one in record.run.config.update}
    found["summary"] |= {one.key or one.nested_key[0]: json.loads(one.value_json) for one in record.summary.update}
    found["exit"] = record.exit.exit_code if record.HasField("exit") else None
    found |= {"id": record.run.run_id, "project": record.run.project} if record.HasField("run") else {}
print(json.dumps(found))
"""


def read_offline(folder, run_id):
    line = [sys.executable, "-c", READ, str(folder / f"run-{run_id}.wandb")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.usefixtures("wandb")
def test_an_offline_run_of_wandb_holds_each_update_once(run):
    update(run, 1, 0.5)
    online = {"WANDB_MODE": "online", "WANDB_RUN_ID": "another", "WANDB_BASE_URL": "http://localhost:9"}
    first = mmcli("track", "run", "--to", "wandb", **online)
    again = mmcli("track", "run", "--to", "wandb")
    update(run, 2, 0.75)
    run.note(status="failed", error="no memory")
    last = mmcli("track", "run", "--to", "wandb", "-o", str(Path.cwd()))

    assert [(done.returncode, done.stderr) for done in (first, again, last)] == 3 * [(0, "")]
    run_id = json.loads(Path("run/track.json").read_text())["wandb"][str(Path.cwd())]
    assert first.stdout == again.stdout == f"wandb/offline-run-*-{run_id}\n"
    folders = sorted(Path("wandb").glob(f"offline-run-*-{run_id}"))
    assert len(folders) == 2  # again wrote nothing
    early, late = (read_offline(folder, run_id) for folder in folders)
    begun = STARTED_SECONDS + 2
    measures = {"gmm/acc": 0.5, "gmm/ari": 0.25, "gmm/nmi": 0.25, "gmm/objective": -1.0, "gmm/seconds": 1.5}
    assert early["history"] == [{"_step": 0, "_timestamp": begun, "round": 1, **measures}]
    measures |= {"gmm/acc": 0.75, "gmm/ari": 0.375, "gmm/nmi": 0.375}
    assert late["history"] == [{"_step": 1, "_timestamp": begun + 2, "round": 2, **measures}]
    assert [(one["id"], one["project"]) for one in (early, late)] == 2 * [(run_id, "mmcli")]
    assert (early["config"]["modules.gmm.inputs"], early["config"]["meta.git.commit"]) == ('["image"]', "ab12")
    assert [(one["summary"]["status"], one["exit"]) for one in (early, late)] == [("running", 0), ("failed", 1)]


@pytest.mark.usefixtures("wandb")
def test_records_of_wandb_that_cannot_be_read_or_made_are_one_line(command, monkeypatch):
    write_run("run", {"gmm": [0.5]})
    Path("file").touch()

    no_folder = command("track", "run", "--to", "wandb", "-o", "file")
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
        read_only = command("track", "run", "--to", "wandb")
    Path("run/track.json").write_text(json.dumps({"wandb": {str(Path.cwd()): "abc"}}))
    file = Path("wandb/offline-run-20260101_000000-abc/run-abc.wandb")
    file.mkdir(parents=True)
    unreadable = command("track", "run", "--to", "wandb")
    file.rmdir()
    file.write_bytes(b"something else")
    other = command("track", "run", "--to", "wandb")

    remedy = "file/wandb: cannot be written (Not a directory); name a place to write to with -o"
    assert (no_folder.code, no_folder.err) == (2, f"mmcli: error: {remedy}\n")
    remedy = "wandb: cannot be written (Permission denied); name a place to write to with -o"
    assert (read_only.code, read_only.err) == (2, f"mmcli: error: {remedy}\n")
    reason = f"{file}: cannot be read (Is a directory); remove its folder"
    assert (unreadable.code, unreadable.err) == (2, f"mmcli: error: {reason}\n")
    assert (other.code, other.err) == (2, f"mmcli: error: {file}: no record of wandb; remove its folder\n")
