"""`mmcli modules`: options of any type, and --new: a package that works as it was written."""

import dataclasses
import enum
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toys import GROUPS, GroupsOptions

import mmcli


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Colour(enum.Enum):
    RED = "red"


class ColouredOptions(GroupsOptions):
    colour: Colour


def test_an_option_of_a_type_of_its_own_is_listed(command, register):
    register(dataclasses.replace(GROUPS, name="coloured", options=ColouredOptions))

    assert command("modules", "coloured").out.splitlines()[-1].split() == ["colour", "required", "a", "value"]


def test_the_keys_of_an_option_that_is_a_mapping_have_a_table_for_each_type(command):
    lines = command("modules", "vae").out.splitlines()

    (encoder,) = (line for line in lines if line.startswith("encoder  "))
    assert encoder.split("  ")[-2].strip() == "a mapping, type: mlp or conv"
    place = lines.index("encoder, decoder of type mlp: Dense layers, each followed by rectified linear units.")
    assert lines[place + 1].startswith(
        "hidden  required  a list of at least 1, each entry a whole number, at least 1  "
    )
    assert [line.split()[0] for line in lines[place + 4 :]] == ["channels", "shape"]


def test_a_new_package_passes_its_own_test_and_the_rules_of_this_one(command):
    done = command("modules", "--new", "my_type")

    assert done == (0, "mmcli-my-type\n", "")
    package = Path("mmcli-my-type")
    assert {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()} == {
        *("pyproject.toml", "README.md", "src/mmcli_my_type/__init__.py", "src/mmcli_my_type/spec.py"),
        *("src/mmcli_my_type/model.py", "tests/test_my_type.py"),
    }
    root = Path(mmcli.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    for tool in (["pytest", "-q", "-W", "error"], ["ruff", "check", "--config", str(root / "pyproject.toml"), "src"]):
        tested = subprocess.run(
            [sys.executable, "-m", *tool], cwd=package, env=environment, capture_output=True, text=True, check=False
        )
        assert tested.returncode == 0, tested.stdout + tested.stderr
        assert not any("$" in path.read_text() for path in package.rglob("*.py"))


def test_it_is_written_where_o_says(command):
    assert command("modules", "--new", "kind", "-o", "a/b").out == "a/b\n"
    assert 'kind = "mmcli_kind.spec:SPEC"' in Path("a/b/pyproject.toml").read_text()


def test_a_folder_that_is_there_stays_as_it_is(command):
    Path("mmcli-kind").mkdir()

    assert command("modules", "--new", "kind") == (
        2,
        "",
        "mmcli: error: mmcli-kind: is there already; name another place with -o\n",
    )
    assert not list(Path("mmcli-kind").iterdir())


@pytest.mark.parametrize("name", ["", "A", "a-b", "1a", "_a", "class", "a.b", "a/b", "é", "a" * 41])
def test_a_name_that_no_package_can_have_is_refused(command, name):
    done = command("modules", f"--new={name}")

    assert (done.code, done.out) == (2, "")
    assert "a type's name has up to 40 of a-z, 0-9 and _, a letter first, and no keyword of Python" in done.err
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--new", "gmm"], "--new gmm: there is a type of that name; `mmcli modules gmm` shows it; choose another"),
        (["gmm", "--new", "kind"], "TYPE and --new are mutually exclusive; choose one"),
        (["-o", "kind"], "-o needs --new NAME: a list of types is printed"),
    ],
)
def test_what_cannot_be_meant_is_refused(command, arguments, text):
    assert command("modules", *arguments) == (2, "", f"mmcli: error: {text}\n")
    assert not list(Path().iterdir())
