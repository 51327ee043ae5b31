"""Configs that extend others: merged values, places of errors, paths, cycles."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmcli.config.reader import dump_config, load_config, plain_config
from mmcli.errors import ConfigError

BASE = """\
seed: 3
data:
  x: {file: x.npy}
  y: {file: $PLACE/y.npz, key: labels}
test:
  x: {file: held.npy}
modules:
  seen: {type: observation, data: x}
  gmm: {type: gmm, inputs: [seen], num_classes: 2, labels: y}
"""


pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A base in a folder of its own, with a data file beside it."""
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases/base.yaml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLACE", "there")
    return tmp_path


def problems_of(text, *overrides):
    Path("top.yaml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_config("top.yaml", overrides)
    return raised.value.problems


def test_values_are_merged_and_paths_are_of_the_file_that_has_them(folder):
    Path("top.yaml").write_text(
        "extends: bases/base.yaml\nrounds: 2\ndata: {y: {key: kinds}, z: {file: z.npy}}\nmodules: {gmm: {sweeps: 7}}\n"
    )

    config = load_config("top.yaml", ["modules.gmm.chains=3"], seed=5)

    assert (config.seed, config.rounds, config.path) == (5, 2, Path("top.yaml"))
    assert {name: (source.file, source.key) for name, source in config.data.items()} == {
        "x": (folder / "bases/x.npy", None),
        "y": (folder / "bases/there/y.npz", "kinds"),
        "z": (folder / "z.npy", None),
    }
    options = config.modules["gmm"].options
    assert (options.num_classes, options.sweeps, options.chains) == (2, 7, 3)
    assert config.where("modules", "gmm", "sweeps") == "top.yaml:4:25"
    assert config.where("modules", "gmm", "num_classes") == "bases/base.yaml:9:49"


def test_a_resolved_config_extends_nothing_and_requests_the_same_run():
    Path("top.yaml").write_text("extends: bases/base.yaml\nseed: 4\n")
    config = load_config("top.yaml")
    Path("elsewhere").mkdir()
    Path("elsewhere/full.yaml").write_text(dump_config(config))

    assert "extends" not in plain_config(config)
    assert load_config("elsewhere/full.yaml") == config


def test_levels_a_mapping_and_standard_input_extend_alike():
    Path("middle.yaml").write_text("extends: bases/base.yaml\nseed: 9\nrounds: 4\n")
    Path("top.yaml").write_text("extends: middle.yaml\nrounds: 6\n")
    report = "from mmcli.config.reader import *; print(dump_config(load_config('-')), end='')"

    config = load_config("top.yaml")
    piped = subprocess.run(
        [sys.executable, "-c", report],
        input="extends: middle.yaml\nrounds: 6",
        text=True,
        capture_output=True,
        check=True,
    )

    assert (config.seed, config.rounds) == (9, 6)
    assert load_config({"extends": Path("middle.yaml"), "rounds": 6}) == config
    assert piped.stdout == dump_config(config)


def test_null_removes_an_entry_another_type_replaces_it_and_new_modules_come_last():
    Path("top.yaml").write_text(
        "extends: bases/base.yaml\ntest: null\n"
        "modules:\n"
        "  vae: {type: vae, inputs: [seen], latent_dim: 2}\n"
        "  gmm: null\n"
        "  more: {type: gmm, inputs: [vae], num_classes: 4}\n"
    )
    Path("other.yaml").write_text(
        "extends: bases/base.yaml\nmodules: {gmm: {type: vae, inputs: [seen], latent_dim: 2}}\n"
    )

    removed, replaced = load_config("top.yaml"), load_config("other.yaml")

    assert [*removed.modules] == ["seen", "vae", "more"]
    assert not removed.test
    assert replaced.modules["gmm"].labels is None


def test_errors_keep_the_file_in_which_they_stand():
    Path("bases/base.yaml").write_text(BASE.replace("num_classes: 2", "num_clases: 2").replace("seed: 3", "seed: -3"))

    assert problems_of("extends: bases/base.yaml\nmodules: {gmm: {sweeps: 0}}\n", "rounds=0") == (
        "bases/base.yaml:1:7: seed: must be a whole number, at least 0, at most 4294967295 (got -3)",
        "bases/base.yaml:9:36: modules.gmm.num_clases: unknown key (did you mean num_classes?)",
        "top.yaml:2:25: modules.gmm.sweeps: must be a whole number, at least 1 (got 0)",
        "--set rounds=0: must be a whole number, at least 1 (got 0)",
    )


def test_what_is_missing_after_another_type_is_missing_there():
    assert problems_of("extends: bases/base.yaml\nmodules:\n  gmm: {type: vae, inputs: [seen]}\n") == (
        "top.yaml:3:3: modules.gmm.latent_dim: missing; it must be a whole number, at least 1",
    )


@pytest.mark.parametrize(
    ("extends", "problem"),
    [
        ("bases", "extends: bases: is a directory; name the YAML file in it"),
        ("nowhere.yaml", "extends: nowhere.yaml: no such file"),
        ("$MMCLI_UNSET/x.yaml", "extends: no environment variable MMCLI_UNSET; set it, or write the path out"),
        ("top.yaml", "extends: a cycle: top.yaml -> top.yaml; leave one out"),
        ("bases/../bases/up.yaml", None),
        ("3", "extends: must be a path (got 3)"),
        ("''", 'extends: must be a path (got "")'),
        ("[a.yaml]", "extends: must be a path (got a list)"),
    ],
)
def test_a_base_that_cannot_be_had_is_named_where_it_is_extended(extends, problem):
    Path("bases/up.yaml").write_text("rounds: 2\nextends: ../top.yaml\n")

    found = problems_of(f"extends: {extends}\n{BASE}")

    if problem is None:
        up = "bases/../bases/up.yaml"
        cycle = f"top.yaml -> {up} -> bases/../bases/../top.yaml"
        assert found == (f"{up}:2:10: extends: a cycle: {cycle}; leave one out",)
    else:
        assert found == (f"top.yaml:1:10: {problem}",)


def test_a_base_that_is_no_config_is_at_fault_itself():
    Path("bases/list.yaml").write_text("- 1\n")
    Path("bases/broken.yaml").write_text("seed: 1\nseed: 2\nmodules: [\n")

    assert problems_of("extends: bases/list.yaml\n") == (
        "bases/list.yaml:1:1: must be a mapping with the key modules (got a list)",
    )
    assert problems_of("extends: bases/broken.yaml\n")[0].startswith("bases/broken.yaml:4:1: not YAML:")


def test_extends_cannot_be_set_from_the_command_line():
    assert problems_of(BASE, "extends=bases/base.yaml") == (
        "--set extends=bases/base.yaml: extends is read before --set; write it into a config",
    )
