"""Where a config comes from, and what a shell would put into its data paths."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmcli.config.reader import load_config
from mmcli.errors import ConfigError

CHECK = f"{sys.executable} -m mmcli check"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """The data file of a config that names it by a path; line 2, column 10."""
    monkeypatch.chdir(tmp_path)

    def read(path: str, *, is_resolved: bool = False) -> Path:
        text = f"data:\n  x: {{file: {path}}}\nmodules:\n  seen: {{type: observation, data: x}}\n"
        Path("c.yaml").write_text(f"{text}  gmm: {{type: gmm, inputs: [seen], num_classes: 2}}\n")
        return load_config("c.yaml", is_resolved=is_resolved).data["x"].file

    return read


def test_home_and_variables_in_a_data_path(config, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLACE", "part")

    assert config("~/x.npy") == tmp_path / "home/x.npy"
    assert config("$HOME/$PLACE/x.npy") == tmp_path / "home/part/x.npy"
    assert config("'${PLACE}s/x.npy'") == tmp_path / "parts/x.npy"
    assert config(f"{tmp_path}/$PLACE/x.npy") == tmp_path / "part/x.npy"
    assert config("a~/b$/x.npy") == tmp_path / "a~/b$/x.npy"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("$MMCLI_UNSET/x.npy", "no environment variable MMCLI_UNSET; set it, or write the path out"),
        ("'/a/${MMCLI_UNSET}/x.npy'", "no environment variable MMCLI_UNSET; set it, or write the path out"),
        ("~nobody-of-that-name/x.npy", "no home folder ~nobody-of-that-name; write the path out"),
    ],
)
def test_what_cannot_be_put_in_is_named(config, path, problem):
    with pytest.raises(ConfigError) as raised:
        config(path)

    assert str(raised.value) == f"c.yaml:2:13: data.x.file: {problem}"


def test_a_path_that_is_there_as_it_was_written_stays_so(config, monkeypatch, tmp_path):
    monkeypatch.setenv("PLACE", "part")
    for name in ("$PLACE", "~"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.npy").touch()

        assert config(f"'{name}/x.npy'") == tmp_path / name / "x.npy"


def test_a_config_that_mmcli_wrote_has_no_variables(config, monkeypatch, tmp_path):
    monkeypatch.setenv("PLACE", "part")

    assert config(f"{tmp_path}/$PLACE/x.npy", is_resolved=True) == tmp_path / "$PLACE/x.npy"


@pytest.mark.parametrize(
    "line",
    [
        f"{CHECK} - < tiny.yaml",
        f"cat tiny.yaml | {CHECK} -",
        f"{CHECK} /dev/stdin < tiny.yaml",
        f"{CHECK} <(cat tiny.yaml)",
    ],
    ids=["file", "pipe", "device", "substitution"],
)
def test_a_config_on_stdin(tiny_config, line):
    """Its paths are relative to the working directory."""
    done = subprocess.run(["bash", "-c", line], cwd=tiny_config.parent, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("stdin: sound; 60 items")


def test_a_problem_of_a_config_on_stdin_has_its_place(tmp_path):
    done = subprocess.run(
        [*CHECK.split(), "-"], input="rounds: x", cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == '-:1:9: rounds: must be a whole number, at least 1 (got "x")'


def test_a_run_of_a_config_on_stdin_is_called_after_it(train, command, monkeypatch):
    train()  # in the folder of the config, with a stand-in for learning
    with Path("tiny.yaml").open("rb") as config:
        monkeypatch.setattr("mmcli.config.source.STDIN", config.fileno())

        done = command("train", "-")

    assert (done.code, done.out) == (0, "runs/stdin-s0-001\n")


def test_a_pipe_in_a_folder_is_not_waited_for(command, tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert command("check", tmp_path / "pipe").err.endswith("is not a regular file; write the config to a file first\n")
