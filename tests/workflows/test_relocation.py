"""SHA-256 is the identity of data: a run whose files were moved is read and resumed as before."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_arrays

from mmcli import load_run
from mmcli.config.reader import load_config
from mmcli.data.selection import Request, choose
from mmcli.errors import UsageError

MISSING = "no such file; if it was moved, name its new folder by --data-root"


@pytest.fixture
def moved(trained, tmp_path, monkeypatch) -> Path:
    """A run whose data are gone from where they were, in a folder with a copy of them at other/place/tiny.npz."""
    shutil.copytree(trained.run, tmp_path / "run")
    data = trained.run.parents[1] / "tiny.npz"
    (tmp_path / "other/place").mkdir(parents=True)
    shutil.copy(data, tmp_path / "other/place")
    aside = data.with_name("aside.npz")
    data.rename(aside)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    aside.rename(data)


def change(file: Path) -> None:
    """Other bytes in place of those that were learned from."""
    arrays = tiny_arrays()
    arrays["labels"][0] = 2
    np.savez(file, **arrays)


COMMANDS = [
    ("evaluate", "run"),
    ("evaluate", "run", "--without", "words"),
    ("generate", "run", "--to", "images", "--from", "words", "-o", "made.npz"),
    ("report", "run", "-o", "page"),
]


@pytest.mark.usefixtures("moved")
@pytest.mark.parametrize("arguments", COMMANDS, ids=["evaluate", "predict", "generate", "report"])
def test_moved_data_are_found_below_a_folder(command, arguments):
    assert command(*arguments, "--data-root", "other/place").code == 0


@pytest.mark.usefixtures("moved")
@pytest.mark.parametrize("arguments", COMMANDS[:3], ids=["evaluate", "predict", "generate"])
def test_data_that_are_gone_name_the_way_to_say_where_they_are(command, arguments):
    done = command(*arguments)

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0].endswith(MISSING)
    assert all(line.startswith("run/config.yaml:") and line.endswith(MISSING) for line in done.err.splitlines())


@pytest.mark.parametrize("arguments", COMMANDS, ids=["evaluate", "predict", "generate", "report"])
def test_other_bytes_below_the_folder_are_refused(command, moved, arguments):
    change(moved / "other/place/tiny.npz")

    done = command(*arguments, "--data-root", "other/place")

    assert (done.code, done.out) == (2, "")
    reason = f"{moved / 'other/place/tiny.npz'} has another SHA-256 than the file that was learned from"
    assert done.err.splitlines()[0].endswith(reason)


def test_the_end_of_the_path_is_looked_for_the_longest_first(command, moved):
    name = load_config("run/config.yaml").data["images"].file
    deep = moved / "other" / name.relative_to("/")
    deep.parent.mkdir(parents=True)
    (moved / "other/place/tiny.npz").rename(deep)
    change(moved / "other/tiny.npz")  # ends alike, but has other bytes

    assert command("evaluate", "run", "--data-root", "other").code == 0


@pytest.mark.usefixtures("moved")
def test_a_folder_without_the_file(command):
    done = command("evaluate", "run", "--data-root", "other")

    assert done.code == 2
    assert done.err.splitlines()[0].endswith("nor is there a tiny.npz in other (--data-root)")
    assert command("evaluate", "run", "--data-root", "nowhere") == (
        2,
        "",
        "mmcli: error: --data-root nowhere: no such folder\n",
    )


def test_a_link_in_the_old_place_is_the_same_data(command, moved, trained):
    """The path then leads to another file than it did, with the same bytes."""
    old = trained.run.parents[1] / "tiny.npz"
    old.symlink_to(moved / "other/place/tiny.npz")
    try:
        done = command("evaluate", "run")
    finally:
        old.unlink()

    assert done.code == 0


@pytest.mark.usefixtures("moved")
def test_other_bytes_in_the_old_place_are_refused_by_every_command_that_reads_them(command, trained):
    old = trained.run.parents[1] / "tiny.npz"
    change(old)
    try:
        done = [command(*arguments) for arguments in COMMANDS[:3]]
    finally:
        old.unlink()

    line = f"{old}: not the file that run learned from (SHA-256 differs); bring it back\n"
    assert [(each.code, each.out, each.err) for each in done] == [(2, "", line)] * 3


def test_a_run_loaded_by_python(moved):
    run = load_run("run", data_root="other/place")

    assert run.config.data["images"].file == moved / "other/place/tiny.npz"
    with pytest.raises(UsageError, match="--data-root nowhere: no such folder"):
        load_run("run", data_root="nowhere")


# held-out data: nothing is recorded of those


@pytest.fixture
def held_out(train, tiny_config) -> Path:
    """A run of a config that names held-out data, which are then moved to elsewhere/held.npz."""
    folder = tiny_config.parent
    held = tiny_arrays() | {"labels": (tiny_arrays()["labels"] + 1) % 3}
    np.savez(folder / "held.npz", **held)
    test = "".join(
        f"  {name}: {{file: held.npz, key: {key}}}\n" for name, key in [("words", "words"), ("kinds", "labels")]
    )
    tiny_config.write_text(f"{tiny_config.read_text()}test:\n{test}")
    train("-o", "run")
    (folder / "elsewhere").mkdir()
    (folder / "held.npz").rename(folder / "elsewhere/held.npz")
    return folder


def test_held_out_data_that_were_moved(held_out, command):
    chosen = choose(load_run("run", data_root="elsewhere").config, Request(test=True), without=())

    assert {source.file for source in chosen.sources.values()} == {held_out / "elsewhere/held.npz"}
    assert command("evaluate", "run", "--test").err.splitlines()[0].endswith(MISSING)


def test_held_out_data_that_could_be_either_of_two_are_not_guessed(held_out, command):
    """Without a SHA-256 nothing tells which of two files it was."""
    deep = held_out / "elsewhere" / (held_out / "held.npz").relative_to("/")
    deep.parent.mkdir(parents=True)
    change(deep)

    done = command("evaluate", "run", "--test", "--data-root", "elsewhere")

    both = f"{deep} and {held_out / 'elsewhere/held.npz'} differ"
    assert (done.code, done.out) == (2, "")
    assert f"{both}, and the run has no SHA-256 of it: name a folder with one of them" in done.err


def test_training_data_are_never_taken_for_held_out_ones(held_out, command):
    shutil.copy(held_out / "tiny.npz", held_out / "elsewhere/held.npz")

    done = command("evaluate", "run", "--test", "--data-root", "elsewhere")

    assert (done.code, done.out) == (2, "")
    assert "has another SHA-256" in done.err


# --resume


def interrupted(train, folder: Path) -> None:
    """A run with one of its two rounds done."""
    assert train("-o", "run", "--rounds", "1").code == 0
    (folder / "other").mkdir()
    (folder / "tiny.npz").rename(folder / "other/tiny.npz")


def recorded(folder: Path) -> set[str]:
    return {*json.loads((folder / "run/meta.json").read_text())["data"]}


def test_a_run_resumes_with_a_config_whose_data_lie_elsewhere(train, tiny_config):
    folder = tiny_config.parent
    interrupted(train, folder)
    tiny_config.write_text(tiny_config.read_text().replace("file: tiny.npz", "file: other/tiny.npz"))

    done = train("-o", "run", "--resume")

    assert (done.code, done.out) == (0, "run\n")
    # What is read from now on is where the resolved config says.
    assert recorded(folder) == {str(folder / "other/tiny.npz")}
    assert load_config("run/config.yaml").data["images"].file == folder / "other/tiny.npz"


@pytest.mark.parametrize("config", ["tiny.yaml", "run/config.yaml"])
def test_a_run_resumes_with_data_found_below_a_folder(train, command, tiny_config, config):
    folder = tiny_config.parent
    interrupted(train, folder)
    options = ("-o", "run", "--resume", "--rounds", "2")

    missing = command("train", config, *options)
    done = command("train", config, *options, "--data-root", "other")

    assert missing.code == 2
    assert all(line.endswith(MISSING) for line in missing.err.splitlines())
    assert (done.code, done.out) == (0, "run\n")
    assert recorded(folder) == {str(folder / "other/tiny.npz")}


def test_a_finished_run_keeps_its_paths(train, tiny_config):
    folder = tiny_config.parent
    train("-o", "run")
    before = (folder / "run/config.yaml").read_bytes()
    (folder / "other").mkdir()
    (folder / "tiny.npz").rename(folder / "other/tiny.npz")

    done = train("-o", "run", "--resume", "--data-root", "other")

    assert (done.code, done.err.splitlines()[-1]) == (0, "finished before; more rounds would extend it")
    assert (folder / "run/config.yaml").read_bytes() == before


def test_a_run_does_not_resume_with_other_bytes_at_another_path(train, tiny_config):
    folder = tiny_config.parent
    interrupted(train, folder)
    change(folder / "other/tiny.npz")
    tiny_config.write_text(tiny_config.read_text().replace("file: tiny.npz", "file: other/tiny.npz"))

    done = train("-o", "run", "--resume")

    assert (done.code, done.out) == (2, "")
    assert "this run has another config: data.images.file (" in done.err


def test_a_new_run_has_no_data_root(train):
    done = train("-o", "run", "--data-root", ".")

    assert (done.code, done.out, done.err) == (
        2,
        "",
        "mmcli: error: --data-root needs --resume; a new run reads the files that its config names\n",
    )


def test_a_dollar_in_a_path_of_a_run_is_no_variable(train, command, tiny_config):
    folder = tiny_config.parent
    (folder / "$here").mkdir()
    (folder / "tiny.npz").rename(folder / "$here/tiny.npz")
    tiny_config.write_text(tiny_config.read_text().replace("file: tiny.npz", "file: $here/tiny.npz"))
    assert train("-o", "run").code == 0
    (folder / "$here").rename(folder / "there")

    assert command("evaluate", "run").err.splitlines()[0].endswith(MISSING)
    assert command("evaluate", "run", "--data-root", "there").code == 0


# paths that are no UTF-8


@pytest.fixture
def odd_folder(train, tiny_config, monkeypatch) -> Callable[..., Any]:
    """`train` in a folder whose name is no text in UTF-8."""
    folder = tiny_config.parent / os.fsdecode(b"l\xe9x")
    folder.mkdir()
    for name in ("tiny.npz", "tiny.yaml"):
        (tiny_config.parent / name).rename(folder / name)
    monkeypatch.chdir(folder)
    return train


def test_a_path_that_is_no_text_can_be_trained_on_and_read_again(odd_folder, command):
    assert odd_folder("-o", "run", "--rounds", "1").code == 0
    assert odd_folder("-o", "run", "--resume").code == 0
    for arguments in (
        ("check", "tiny.yaml"),
        ("evaluate", "run"),
        ("report", "run"),
        ("compare", "run", "--plot", "acc.png"),
        ("train", "run/config.yaml", "-o", "run", "--resume"),
        ("data", "show", "tiny.npz"),
    ):
        assert command(*arguments).code == 0, arguments


@pytest.mark.usefixtures("odd_folder")
def test_a_path_that_is_no_text_is_printed_as_the_bytes_it_is():
    path = Path.cwd() / "tiny.yaml"

    done = subprocess.run([sys.executable, "-m", "mmcli", "check", path], capture_output=True, check=False)

    assert done.returncode == 0
    assert done.stdout.startswith(os.fsencode(path) + b": sound;")


def test_a_label_that_is_no_text_can_be_drawn(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for label in (b"k\xe9", b"dog"):
        folder = Path(os.fsdecode(label))
        folder.mkdir()
        Image.new("L", (8, 8), 50).save(folder / "a.png")

    assert command("data", "images", ".", "-o", "pictures.npz").code == 0
    assert command("data", "show", "pictures.npz", "--plot", "pictures.png").code == 0
