"""A config or a run directory is data: what it names by import path runs only where the command line trusts it."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from plugins import train

from mmcli import load_run
from mmcli.errors import ModuleTypeError

CONFIG = """\
seed: 0
rounds: 1
data:
  images: {file: tiny.npz, key: images}
  words:  {file: tiny.npz, key: words}
  kinds:  {file: tiny.npz, key: labels}
modules:
  image:  {type: observation, data: images}
  word:   {type: observation, data: words}
  groups: {type: loose:SPEC, inputs: [image], num_groups: 3, labels: kinds}
  mlda:   {type: mlda, inputs: [word, groups], num_classes: 3, sweeps: 2, anneal_sweeps: 4, restarts: 2}
"""
REFUSAL = (
    'modules.groups.type: type "loose:SPEC" cannot be used: '
    "code outside the types that are installed; --trust-code imports and runs it"
)


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> Path:
    """A folder with the code of a type, which no package was made of."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "loose.py").write_text("from toys import GROUPS as SPEC\n")
    return folder


@pytest.fixture(scope="module")
def finished(code, tmp_path_factory) -> Path:
    """A finished run of it, not to be changed."""
    return train(tmp_path_factory.mktemp("finished"), CONFIG, "--trust-code", path=code)


@pytest.fixture
def config(code, tiny_config, monkeypatch) -> Iterator[Path]:
    """A config that names its type by import path, in the working directory."""
    monkeypatch.syspath_prepend(code)
    monkeypatch.chdir(tiny_config.parent)
    tiny_config.write_text(CONFIG)
    yield Path(tiny_config.name)
    sys.modules.pop("loose", None)


@pytest.fixture
def run(finished, config) -> Path:
    """A finished run, the test's own, in the folder of the config."""
    shutil.copytree(finished, config.parent / "run")
    return Path("run")


@pytest.mark.parametrize("arguments", [["check"], ["train"], ["train", "-o", "run", "--resume"]])
def test_a_config_imports_nothing_that_is_not_trusted(config, command, arguments):
    name, *options = arguments
    done = command(name, config, *options)

    assert (done.code, done.err) == (2, f"{config}:10:18: {REFUSAL}\n")
    assert "loose" not in sys.modules


def test_a_config_that_is_trusted_is_checked_like_any_other(config, command):
    assert "loose:SPEC" in command("check", config, "--trust-code").out
    config.write_text(CONFIG.replace("num_groups: 3", "num_groups: 13"))
    assert command("check", config, "--trust-code").err == (
        f"{config}:10:59: modules.groups.num_groups: at most one for each column of the input: 12\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "run"],
        ["evaluate", "run", "--data", "tiny.npz"],
        ["generate", "run", "--to", "images", "-o", "made.npz"],
        ["report", "run"],
        ["train", "run/config.yaml", "-o", "run", "--resume"],
    ],
)
def test_a_run_imports_nothing_that_is_not_trusted(run, command, arguments):
    refused = command(*arguments)

    assert (refused.code, refused.out) == (2, "")
    hint = "" if arguments[0] == "train" else "; the run learned with loose (not installed)"
    assert refused.err.startswith(f"{run}/config.yaml:")
    assert refused.err.endswith(f": {REFUSAL}{hint}\n")
    assert "loose" not in sys.modules
    trusted = command(*arguments, "--trust-code")
    assert trusted.code == 0, trusted.err


BROKEN = """\
import dataclasses
from toys import GROUPS

def fails(*_arguments):
    return {value}

SPEC = dataclasses.replace(GROUPS, {field})
"""


@pytest.mark.parametrize(
    ("function", "value", "reason"),
    [
        ("output", "1 / 0", "ZeroDivisionError: division by zero"),
        ("output", "None", "TypeError: NoneType where a Port is expected"),
        ("check", "1 / 0", "ZeroDivisionError: division by zero"),
        ("check", "iter([1 / 0 for _ in range(2)])", "ZeroDivisionError: division by zero"),
        ("check", "['text']", "ValueError: too many values to unpack (expected 2)"),
        ("memory", "exit('no')", "SystemExit: no"),
        ("bounds", "(1, 2, 3)", "ValueError: too many values to unpack (expected 2)"),
        ("bounds", "{}['range']", "KeyError: 'range'"),
    ],
)
def test_a_function_of_a_spec_that_fails_is_named(config, command, function, value, reason):
    field = f"{function}=fails"
    if function == "bounds":
        field = f"inputs=dataclasses.replace(GROUPS.inputs, {field})"
    sys.modules.pop("broken", None)  # the tests have a module of that name themselves
    Path("broken.py").write_text(BROKEN.format(value=value, field=field))
    config.write_text(CONFIG.replace("loose:SPEC", "broken:SPEC"))

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path.cwd())
        done = command("check", config, "--trust-code")
    sys.modules.pop("broken")

    text = f"type groups of broken (not installed): `{function}` of its spec fails: {reason}; mend or uninstall it"
    assert (done.code, done.err) == (2, f"mmcli: error: {text}\n")


def test_a_run_is_loaded_in_python_where_it_is_trusted(run):
    with pytest.raises(ModuleTypeError, match="--trust-code"):
        load_run(run)

    found = load_run(run, trust_code=True).predict(images=np.zeros((2, 12)))
    assert found["groups"].probabilities.shape == (2, 3)
    assert json.loads((run / "meta.json").read_text())["plugins"] == {
        "loose:SPEC": {"package": "loose", "version": None}
    }


def test_runs_are_compared_without_their_code(run, command):
    assert command("compare", run).code == 0
    assert "loose" not in sys.modules


def test_a_finished_run_without_checkpoints_is_not_trusted_either(run, command):
    for path in (run / "checkpoint").iterdir():
        path.unlink()
    (run / "other.yaml").write_text(CONFIG.replace("tiny.npz", str(Path("tiny.npz").resolve())))

    done = command("train", run / "other.yaml", "-o", "run", "--resume")
    assert (done.code, "loose" in sys.modules) == (2, False)
    again = command("train", run / "other.yaml", "-o", "run", "--resume", "--trust-code")
    assert again.code == 0, again.err
