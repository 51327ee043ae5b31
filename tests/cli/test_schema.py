"""`mmcli schema`: a JSON Schema that accepts the configs that `mmcli check` accepts, and refuses wrong keys."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import ConfigDict
from tiny import TINY

from mmcli.config.json_schema import config_schema
from mmcli.config.reader import dump_config, load_config
from mmcli.modules.registry import find_spec, list_types
from mmcli.modules.spec import Options

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def schema():
    return config_schema(list_types()[0])


def faults(schema, config):
    """Where and why a config is refused: its keys, and the rule of the schema that it breaks."""
    return {(*error.absolute_path, error.validator) for error in Draft7Validator(schema).iter_errors(config)}


def test_the_command_prints_a_valid_schema(command, schema):
    done = command("schema")

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == schema
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_accepts_every_shipped_config_and_its_resolved_form(schema, path):
    assert faults(schema, yaml.safe_load(path.read_text())) == set()
    assert faults(schema, yaml.safe_load(dump_config(load_config(path)))) == set()


def test_it_accepts_the_networks_of_a_vae(schema):
    networks = "encoder: {type: conv, channels: [2], shape: [3, 4]}, decoder: {type: mlp, hidden: [8, 8]}"

    assert faults(schema, yaml.safe_load(TINY.replace("hidden_dim: 8", networks))) == set()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("seed: 0", "sead: 0", ("additionalProperties",)),
        ("seed: 0", "seed: many", ("seed", "type")),
        ("rounds: 2", "rounds: 0", ("rounds", "minimum")),
        ("num_classes: 3, weights", "num_clases: 3, weights", ("modules", "mlda", "additionalProperties")),
        ("latent_dim: 2, ", "", ("modules", "vae", "required")),
        ("latent_dim: 2", "latent_dim: two", ("modules", "vae", "latent_dim", "type")),
        ("latent_dim: 2", "latent_dim: 2, encoder: {type: mlp, hidden: []}", ("modules", "vae", "encoder", "anyOf")),
        ("latent_dim: 2", "latent_dim: 2, labels: kinds", ("modules", "vae", "additionalProperties")),
        ("latent_dim: 2", "latent_dim: 2, sequence: kinds", ("modules", "vae", "additionalProperties")),
        ("inputs: [image]", "inputs: [image, word]", ("modules", "vae", "inputs", "maxItems")),
        ("type: gmm", "type: gmmm", ("modules", "gmm", "type", "anyOf")),
        ("{file: tiny.npz, key: labels}", "{key: labels}", ("data", "kinds", "required")),
        ("{file: tiny.npz, key: labels}", "{file: tiny.npz, kee: labels}", ("data", "kinds", "additionalProperties")),
        ("  vae: ", "  the vae: ", ("modules", "pattern")),
        ("modules:", "models:", ("required",)),
    ],
)
def test_it_refuses_what_the_check_refuses(schema, old, new, fault):
    assert TINY.count(old) >= 1

    assert fault in faults(schema, yaml.safe_load(TINY.replace(old, new)))


def test_a_config_that_extends_another_is_partial(schema):
    partial = {"extends": "x.yaml", "test": None, "modules": {"vae": {"epochs": 3}, "gmm": None}}

    assert faults(schema, partial) == set()
    assert faults(schema, partial | {"modules": {"vae": {"epocs": 3}}}) == {("modules", "vae", "additionalProperties")}
    assert faults(schema, partial | {"data": {"x": {"file": 3}}}) == {("data", "x", "file", "type")}


def test_an_array_in_memory_of_a_resolved_config(schema):
    config = {"modules": {"x": {"type": "observation", "data": "x"}}, "data": {"x": {"array": "0" * 64}}}

    assert faults(schema, config) == set()
    assert faults(schema, config | {"data": {"x": {"array": "none"}}}) == {("data", "x", "array", "pattern")}


def test_types_of_packages_take_part(command, register):
    class PartOptions(Options):
        size: int

    class OddOptions(Options):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        part: PartOptions
        table: np.ndarray | None = None  # JSON has no such type
        way: Literal["up", "down"] = "up"

    register(replace(find_spec("gmm"), name="odd", options=OddOptions))
    schema = json.loads(command("schema").out)

    config = {"modules": {"a": {"type": "odd", "inputs": ["b"], "part": {"size": 1}, "table": [1]}}}

    assert faults(schema, config) == set()
    config["modules"]["a"]["part"]["size"] = "one"
    assert faults(schema, config) == {("modules", "a", "part", "size", "type")}
