"""What meta.json records of where a run comes from."""

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from mmcli.workflows import provenance
from mmcli.workflows.provenance import installed_packages, provenance_of

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def work_tree(tmp_path, monkeypatch):
    """A work tree with one commit, of a config and another file; its identity comes from the command line alone."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in ("x.yaml", "other.txt"):
        (tmp_path / name).write_text("a")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "x.yaml", "other.txt")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first")
    return tmp_path


def git(folder, *arguments):
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def state_of(config: Path):
    return provenance_of(config)["git"]


@needs_git
def test_the_commit_of_the_configs_folder_is_recorded(work_tree):
    assert state_of(work_tree / "x.yaml") == {"commit": git(work_tree, "rev-parse", "HEAD"), "dirty": False}


@needs_git
def test_a_changed_file_makes_the_tree_dirty_and_a_new_one_does_not(work_tree):
    (work_tree / "new.txt").touch()
    assert not state_of(work_tree / "x.yaml")["dirty"]

    (work_tree / "other.txt").write_text("b")
    assert state_of(work_tree / "x.yaml")["dirty"]


@needs_git
def test_a_config_that_no_commit_has_makes_the_tree_dirty_unless_git_ignores_it(work_tree):
    (work_tree / ":new.yaml").touch()  # a colon would begin a pattern
    assert state_of(work_tree / ":new.yaml")["dirty"]

    (work_tree / ".git/info/exclude").write_text("*.yaml\n")
    assert not state_of(work_tree / ":new.yaml")["dirty"]


@needs_git
def test_variables_of_git_name_no_other_work_tree(work_tree, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")

    assert not state_of(work_tree / "x.yaml")["dirty"]


@needs_git
def test_without_a_commit_or_a_work_tree_there_is_no_state(tmp_path):
    assert "git" not in provenance_of(tmp_path / "x.yaml")

    git(tmp_path, "init", "--quiet")
    assert "git" not in provenance_of(tmp_path / "x.yaml")


def test_without_git_there_is_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert provenance_of(tmp_path / "x.yaml").keys() == {"packages", "host", "command"}


def test_packages_are_the_dependencies_and_theirs():
    packages = installed_packages(("mmcli", "jax"))

    assert {name: packages[name] for name in ("jax", "scikit-learn", "joblib")} == {
        name: version(name) for name in ("jax", "scikit-learn", "joblib")
    }
    assert packages.keys().isdisjoint({"mmcli", "pytest"})  # its version is its own; an extra


def test_a_package_that_is_not_installed_is_left_out():
    assert installed_packages(("mmcli-of-nobody", "click")).keys() == {"click"}


def test_the_command_line_is_recorded_as_a_shell_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance.sys, "argv", ["mmcli", "train", "my config.yaml"])

    assert provenance_of(tmp_path / "x.yaml")["command"] == "mmcli train 'my config.yaml'"
