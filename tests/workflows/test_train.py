"""`mmcli train`: what it prints, and the run directory that comes of it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmcli.config.reader import load_config
from mmcli.engine import schedule
from mmcli.engine.events import Update
from mmcli.report.signs import AGAIN
from mmcli.runs.history import OWN_MEASURES

RESULTS = {
    *(f"module002_vae/{name}" for name in ("params.npz", "z_learn.txt", "x_hat_learn.txt", "loss_learn.txt")),
    "module002_vae/z_first.txt",
    *(f"{folder}/class_first.txt" for folder in ("module003_gmm", "module004_mlda")),
    *(
        f"{folder}/{name}"
        for folder in ("module003_gmm", "module004_mlda")
        for name in (
            "params.npz",
            "loglik_learn.txt",
            *(f"{stem}_learn.txt" for stem in ("class", "name", "acc", "Pdz")),
        )
    ),
    "module003_gmm/mu_learn.txt",
    "module004_mlda/Pmdw0_learn.txt",
    "module004_mlda/Pmdw1_learn.txt",
}


def mmcli(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command line in a process of its own."""
    line = [sys.executable, "-m", "mmcli", *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)


def files(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_train_prints_the_run_directory_alone(train):
    done = train()

    assert done == (
        0,
        "runs/tiny-s0-001\n",
        (
            "run directory runs/tiny-s0-001\n"
            "round 1/2  gmm   ACC 0.750  bound -1234.50  0.2 s + 1.0 s compiling\n"
            "round 1/2  mlda  ACC 0.750  bound -1234.50  0.2 s + 1.0 s compiling\n"
            "round 2/2  gmm   ACC 0.750  bound -1234.50  0.2 s + 1.0 s compiling\n"
            "round 2/2  mlda  ACC 0.750  bound -1234.50  0.2 s + 1.0 s compiling\n"
        ),
    )


def test_classes_are_written_under_the_names_of_their_labels(train):
    train()

    folder = Path("runs/tiny-s0-001/module003_gmm")
    np.testing.assert_array_equal(np.loadtxt(folder / "class_learn.txt"), np.repeat([0, 1, 1, 2, 2, 0], [15, 5] * 3))
    assert (folder / "acc_learn.txt").read_text() == "0.75\n"


def test_classes_of_a_module_without_labels_stay_as_found(train, command, tiny_config):
    tiny_config.write_text(tiny_config.read_text().replace(", labels: kinds", ""))

    done = train()
    evaluated = command("evaluate", "runs/tiny-s0-001")

    folder = Path("runs/tiny-s0-001/module003_gmm")
    assert "ACC" not in done.err
    np.testing.assert_array_equal(np.loadtxt(folder / "class_learn.txt"), np.repeat([2, 0, 0, 1, 1, 2], [15, 5] * 3))
    assert not (folder / "acc_learn.txt").exists()
    assert evaluated.code == 2
    assert evaluated.err == (
        "mmcli: error: runs/tiny-s0-001: no module of this run names labels, "
        "so there is nothing to compare its classes with\n"
    )


def test_history_has_a_line_per_module_and_round(train):
    train()

    history = [json.loads(line) for line in Path("runs/tiny-s0-001/history.jsonl").read_text().splitlines()]

    assert [(line["round"], line["module"]) for line in history] == [
        (1, "gmm"),
        (1, "mlda"),
        (2, "gmm"),
        (2, "mlda"),
    ]
    assert list(history[0])[:8] == ["round", "module", "acc", "ari", "nmi", "bound", "seconds", "compile_seconds"]
    assert list(history[0])[8:] == [*OWN_MEASURES, "moved", "num_classes_used"]
    assert [line["moved"] for line in history] == [None, None, 0, 0]
    assert (history[0]["acc"], history[0]["bound"], history[0]["seconds"]) == (0.75, -1234.5, 0.25)


def test_signs_of_a_bad_run_are_the_last_lines(train, monkeypatch):
    learn = schedule.train_rounds

    def find_one_class(*data, **options):
        for event in learn(*data, **options):
            is_update = isinstance(event, Update) and event.module == "gmm"
            report = {"class": np.zeros(60, int), "Pdz": np.eye(3)[np.zeros(60, int)]}
            yield event._replace(report=report) if is_update else event

    monkeypatch.setattr(schedule, "train_rounds", find_one_class)

    assert train().err.splitlines()[5:] == [
        f"sign of a bad run: gmm: 2 of 3 classes without an item; {AGAIN}, or fewer classes",
        f"sign of a bad run: gmm: its class 0 joins classes 0, 1, 2 of mlda; {AGAIN}",
    ]


def test_meta_says_what_a_run_was_made_of(train, tiny_config):
    train("--threads", "2", "--seed", "7")

    meta = json.loads(Path("runs/tiny-s7-001/meta.json").read_text())

    data = tiny_config.parent / "tiny.npz"
    assert meta["data"] == {str(data): hashlib.sha256(data.read_bytes()).hexdigest()}
    assert (meta["seed"], meta["threads"], meta["status"]) == (7, 2, "finished")
    assert set(meta["versions"]) == {"mmcli", "python", "jax", "jaxlib", "numpy"}
    assert meta["device"]
    assert meta["command"] == "mmcli train tiny.yaml --threads 2 --seed 7"
    assert meta["packages"]["scipy"]
    assert meta["host"]


def test_options_go_into_the_config_of_the_run(train, tiny_config):
    train("--seed", "3", "--rounds", "1", "--set", "modules.vae.epochs=4", "-o", "there")

    written = load_config("there/config.yaml")

    asked = load_config(tiny_config, ["modules.vae.epochs=4"], seed=3, rounds=1)
    assert written == asked
    assert written.modules["vae"].options.model_dump()["epochs"] == 4


def test_runs_of_one_config_take_directories_of_their_own(train):
    assert [train().out for _ in range(2)] == ["runs/tiny-s0-001\n", "runs/tiny-s0-002\n"]


def test_a_run_is_not_overwritten_but_set_aside_on_request(train):
    train("-o", "run")
    (before := Path("run/mine.txt")).touch()

    refused = train("-o", "run")
    forced = train("-o", "run", "--force")

    assert (refused.code, refused.err) == (
        2,
        "mmcli: error: run: exists already; --resume resumes it, --force sets it aside\n",
    )
    assert (forced.code, forced.out) == (0, "run\n")
    aside = Path("run.old-001").absolute()
    assert forced.err.splitlines()[:2] == ["run directory run", f"the run that was there is now {aside}"]
    assert (aside / "mine.txt").exists()
    assert not before.exists()


@pytest.mark.slow
def test_a_run_directory_holds_what_the_design_promises(trained):
    assert trained.out == "runs/tiny-s0-001\n"
    described = {"config.yaml", "meta.json", "history.jsonl", "SHA256SUMS"}
    checkpoints = {"checkpoint/000005-000000.safetensors", "checkpoint/000006-000000.safetensors"}
    assert set(files(trained.run)) - {"evaluation.json"} == RESULTS | described | checkpoints
    assert "\x1b" not in trained.err
    assert "\r" not in trained.err
    heading, *lines = trained.err.splitlines()
    assert heading == "run directory runs/tiny-s0-001"
    assert [line.split()[:3] for line in lines] == [
        ["round", f"{number}/2", module] for number in (1, 2) for module in ("vae", "gmm", "mlda")
    ]


@pytest.mark.slow
def test_what_is_written_agrees_with_itself(trained):
    labels = np.repeat([0, 1, 2], 20)
    for folder in ("module003_gmm", "module004_mlda"):
        classes = np.loadtxt(trained.run / folder / "class_learn.txt", dtype=int)
        shares = np.loadtxt(trained.run / folder / "Pdz_learn.txt")
        assert float((trained.run / folder / "acc_learn.txt").read_text()) == np.mean(classes == labels)
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert np.loadtxt(trained.run / "module002_vae" / "z_learn.txt").shape == (60, 2)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(trained):
    again = mmcli("train", "tiny.yaml", cwd=trained.run.parents[1])

    repeated = files(trained.run.parents[1] / again.stdout.strip())
    first = files(trained.run)
    assert {name: repeated[name] for name in RESULTS | {"config.yaml"}} == {
        name: first[name] for name in RESULTS | {"config.yaml"}
    }


@pytest.mark.slow
def test_labels_measure_and_never_teach(trained, tiny_config):
    arrays = dict(np.load(tiny_config.with_name("tiny.npz")))
    arrays["labels"] = np.random.default_rng(1).permutation(arrays["labels"])
    np.savez(tiny_config.with_name("tiny.npz"), **arrays)

    other = files(tiny_config.parent / mmcli("train", "tiny.yaml", cwd=tiny_config.parent).stdout.strip())

    names = ("class_learn", "class_first", "name_learn", "acc_learn")
    measured = {f"module00{place}/{name}.txt" for place in ("3_gmm", "4_mlda") for name in names}
    first = files(trained.run)
    assert {name: other[name] for name in RESULTS - measured} == {name: first[name] for name in RESULTS - measured}


COUNT_THREADS = """
import os, sys
from mmcli.cli.main import main
from mmcli.engine import schedule

schedule.train_rounds = lambda *arguments, **options: iter(())  # jax has started before it would learn
try:
    main()
finally:
    print(len(os.listdir("/proc/self/task")), file=sys.stderr)
"""


def test_threads_are_what_jax_computes_with(tiny_config):
    """XLA starts two pools of as many threads: with eight, seven more in each than with one."""
    one, eight = (
        subprocess.run(
            [sys.executable, "-c", COUNT_THREADS, "train", "tiny.yaml", "--threads", threads],
            cwd=tiny_config.parent,
            capture_output=True,
            text=True,
            check=True,
        ).stderr.splitlines()[-1]
        for threads in ("1", "8")
    )

    assert int(eight) - int(one) == 14
