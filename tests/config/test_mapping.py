"""A mapping as a config: what a YAML file of the same content gives."""

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import yaml

from mmcli.config.reader import load_config, plain_config
from mmcli.errors import ConfigError

GOOD = {
    "seed": np.int64(3),
    "data": {"points": {"file": Path("points.npy")}},
    "modules": MappingProxyType(
        {
            "point": {"type": "observation", "data": "points"},
            "vae": {"type": "vae", "inputs": ["point"], "latent_dim": 2, "learning_rate": np.float32(0.5)},
        }
    ),
}


def test_a_mapping_is_the_config_of_the_same_yaml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = {
        "seed": 3,
        "data": {"points": {"file": "points.npy"}},
        "modules": {
            "point": {"type": "observation", "data": "points"},
            "vae": {"type": "vae", "inputs": ["point"], "latent_dim": 2, "learning_rate": 0.5},
        },
    }
    Path("x.yaml").write_text(yaml.safe_dump(plain))

    config = load_config(GOOD, ["rounds=2"])

    assert config == load_config("x.yaml", ["rounds=2"])
    assert plain_config(config)["data"] == {"points": {"file": str(tmp_path / "points.npy")}}
    assert config.path.stem == "config"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"round": 3}, ["config: round: unknown key (did you mean rounds?)"]),
        (
            {"seed": True, "rounds": 0},
            ["config: seed: must be a whole number", "config: rounds: must be a whole number"],
        ),
        ({3: 4}, ["config: (3): a key must be text; put it in quotes"]),
        (
            {"seed": np.arange(3)},
            ["config: seed: a value of type ndarray; a config holds mappings, lists, text and numbers"],
        ),
        ({"modules": {}}, ["config: modules: must be a mapping of at least 1"]),
        (
            {"modules": {"a": {"type": "gmm", "inputs": ["b"], "num_classes": 2}}},
            ["config: modules.a.inputs[0]: no module"],
        ),
    ],
)
def test_all_problems_are_reported_with_their_keys(changes, lines):
    with pytest.raises(ConfigError) as refused:
        load_config({**GOOD, **changes})

    assert len(refused.value.problems) >= len(lines)
    for problem, line in zip(refused.value.problems, lines, strict=False):
        assert problem.startswith(line)


def test_a_mapping_in_itself_is_no_endless_config():
    endless = {"modules": {}}
    endless["modules"]["a"] = endless

    with pytest.raises(ConfigError, match="more than 20 levels"):
        load_config(endless)


def test_an_array_in_memory_takes_the_place_of_a_file_and_comes_back_from_the_resolved_config(tmp_path):
    digest = "ab" * 32
    config = load_config({**GOOD, "data": {"points": {"file": "x.npy", "missing": "nan"}}}, arrays={"points": digest})
    Path(tmp_path / "config.yaml").write_text(yaml.safe_dump({**plain_config(config)}))

    again = load_config(tmp_path / "config.yaml", is_resolved=True)

    assert plain_config(config)["data"] == {"points": {"array": digest, "missing": "nan"}}
    assert again == config


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"array": "abc"}, "config: data.points.array: must be a SHA-256"),
        ({"array": "ab" * 32, "file": "x"}, "config: data.points.file: unknown key"),
        ({"array": "ab" * 32, "known": "mask"}, 'config: data.points.known: no data "mask"'),
    ],
)
def test_an_entry_of_an_array_is_checked(entry, text):
    with pytest.raises(ConfigError) as refused:
        load_config({**GOOD, "data": {"points": entry}})

    assert refused.value.problems[0].startswith(text)
