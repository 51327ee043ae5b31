"""docs/install.md names all dependencies, extras, Pythons and variables; the recipes of containers copy all sources."""

import re
import tomllib
from pathlib import Path

import pytest

from mmcli.cli import environment

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGE = (ROOT / "docs" / "install.md").read_text()
RECIPES = ("Dockerfile", "apptainer.def")


def first_cells(header: str) -> list[str]:
    """The first cells of the rows of the table whose first column has this header."""
    table = re.search(rf"^\| {header} \|.*\n\|[ -|]*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None
    return [row.split("|")[1].strip() for row in table[1].splitlines()]


def test_the_page_names_each_dependency_and_each_extra_once():
    dependencies = [re.split(r"[<>=\[]", requirement)[0] for requirement in PROJECT["project"]["dependencies"]]

    assert sorted(first_cells("dependency")) == sorted(dependencies)
    assert sorted(first_cells("extra")) == sorted(PROJECT["project"]["optional-dependencies"])


def test_the_page_names_the_variables_that_reach_jax():
    named = {name for cell in first_cells("variable") for name in re.findall(r"\w+", cell)}

    assert environment.LET_THROUGH.keys() <= named


def test_the_page_and_the_classifiers_name_the_same_pythons():
    classified = re.findall(r"Python :: (\d\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))

    assert re.findall(r"\d\.\d+", PAGE.partition("Python ")[2].partition(", and needs")[0]) == classified


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_takes_the_extras_and_the_versions_that_are_tested(recipe):
    text = (ROOT / recipe).read_text()

    assert "pip install --no-cache-dir --constraint constraints.txt" in text
    assert "EXTRAS" in text


def test_recipes_copy_what_the_package_is_built_from():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    sources = {*wheel["packages"], *wheel["force-include"], *PROJECT["project"]["license-files"]}
    sources |= {PROJECT["project"]["readme"], "pyproject.toml", "constraints.txt"}
    kept = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^    (\S+) /src/\1$", (ROOT / "apptainer.def").read_text(), re.MULTILINE)

    for names in (kept, copied):
        assert not {source for source in sources if not any(Path(source).is_relative_to(name) for name in names)}
        assert all((ROOT / name).exists() for name in names)
