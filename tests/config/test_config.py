"""What a good config means: values, defaults, places, overrides, and the way back to YAML."""

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mmcli.config.model import Place
from mmcli.config.problems import Problems
from mmcli.config.reader import Config, dump_config, load_config
from mmcli.config.source import Reader
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.vae.spec import VaeOptions

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
TUTORIAL = Path(__file__).parents[2] / "configs" / "mnist_arabic.yaml"

SMALL = """\
modules:
  image: {type: observation, data: images}
  gmm: {type: gmm, inputs: [image], num_classes: 3}
data:
  images: {file: sub/../a.npz, key: images}
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_the_tutorial_is_read_value_for_value():
    config = load_config(TUTORIAL)

    assert (config.seed, config.rounds, config.messages) == (0, 5, "cavity")
    assert list(config.modules) == ["image", "speech", "vae", "gmm", "mlda"]
    assert config.modules["vae"].inputs == ("image",)
    assert config.modules["vae"].options == VaeOptions(latent_dim=18, epochs=200, batch_size=500)
    assert config.modules["gmm"].options == GmmOptions(num_classes=10)
    assert config.modules["gmm"].labels == "digits"
    assert config.modules["mlda"].inputs == ("speech", "gmm")
    assert config.modules["mlda"].options == MldaOptions(num_classes=10, weights=(200.0, 200.0))
    assert config.data["digits"].key == "labels"
    assert config.data["digits"].file == TUTORIAL.parent.parent / "data" / "mnist_arabic" / "train.npz"


def test_defaults_are_filled_in(small):
    config = load_config(small)

    assert (config.seed, config.rounds, config.messages) == (0, 5, "cavity")
    assert config.modules["image"].inputs == ()
    assert config.modules["image"].labels is None
    assert config.modules["gmm"].data is None


def test_data_paths_are_relative_to_the_config_file(small, monkeypatch):
    monkeypatch.chdir("/")

    assert load_config(small).data["images"].file == small.parent / "a.npz"


@pytest.mark.parametrize("start", ["", "\ufeff", "%YAML 1.2\n---\n"])
def test_a_byte_order_mark_and_a_header_mean_nothing(small, start):
    small.write_text(start + SMALL)

    assert list(load_config(small).modules) == ["image", "gmm"]


def test_windows_line_ends_mean_nothing(small):
    small.write_bytes(SMALL.replace("\n", "\r\n").encode())

    assert load_config(small).where("data", "images").endswith("small.yaml:5:11")


def test_an_alias_stands_for_its_value(small):
    small.write_text("seed: &n 7\nrounds: *n\n" + SMALL)

    assert load_config(small).rounds == 7


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", -math.inf),
        ("0555", 555),
        ("-07", -7),
        ("0o17", 15),
        ("0xff", 255),
        ("+3", 3),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("yes", "yes"),
        ("off", "off"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("'1e-3'", "1e-3"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("0b11", "0b11"),
        ("=", "="),
        (".", "."),
        ("1e", "1e"),
        ("[1, [x]]", (1, ("x",))),
        ("{a: {b: }}", {"a": {"b": None}}),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    problems = Problems()

    found = Reader(lambda line, column: Place(False, line, column, "x.yaml"), problems).read(text)

    assert (found, type(found)) == (value, type(value))
    assert not problems.found


def test_a_place_is_known_of_every_value(small):
    config = load_config(small, ["modules.gmm.sweeps=5"], seed=3)

    assert config.where("modules", "gmm", "inputs") == f"{small}:3:28"
    assert config.where("modules", "gmm", "inputs", 0) == f"{small}:3:29"
    assert config.where("modules", "gmm", "chains") == f"{small}:3:8"
    assert config.where("modules", "gmm", "sweeps") == "--set modules.gmm.sweeps=5"
    assert config.where("seed") == "--seed 3"
    assert config.where() == f"{small}:1:1"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("seed=4", 4),
        ("messages=serket", "serket"),
        ("modules.gmm.num_classes=0x10", 16),
        ("modules.gmm.prior_scale=1e-3", 1e-3),
        ("modules.gmm.prior_scale=2", 2.0),
        ("modules.gmm.prior_scale = 2", 2.0),
    ],
)
def test_an_override_replaces_or_adds_a_value(small, override, value):
    changed = dataclasses.asdict(load_config(small, [override]))

    *way, last = override.partition("=")[0].strip().split(".")
    for key in way:
        changed = changed[key]
    found = changed[last] if last in changed else getattr(changed["options"], last)
    assert (found, type(found)) == (value, type(value))


def test_an_override_adds_a_module(small):
    config = load_config(small, ["modules.top={type: mlda, inputs: [gmm], num_classes: 2}", "modules.top.weights=[5]"])

    assert config.modules["top"].options == MldaOptions(num_classes=2, weights=(5.0,))
    assert list(config.modules) == ["image", "gmm", "top"]


def test_the_last_word_counts(small):
    config = load_config(small, ["seed=1", "seed=2", "rounds=3"], rounds=4)

    assert (config.seed, config.rounds) == (2, 4)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_comes_back_from_its_dump(path, tmp_path):
    config = load_config(path)
    dumped = dump_config(config)
    (tmp_path / "config.yaml").write_text(dumped)

    again = load_config(tmp_path / "config.yaml")

    assert again == config
    assert list(again.modules) == list(config.modules)
    assert dump_config(again) == dumped


@pytest.mark.parametrize("name", ["1e-3", "0o17", "yes", "null", "1_000", "2020-01-01", "-", "true", "12"])
def test_names_that_look_like_other_values_come_back_from_a_dump(small, name):
    small.write_text(SMALL.replace("image:", f"'{name}':").replace("[image]", f"['{name}']"))
    config = load_config(small)

    dumped = dump_config(config)

    small.write_text(dumped)
    assert load_config(small) == config
    assert name in yaml.safe_load(dumped)["modules"]  # so that tools that read YAML 1.1 see the same


@pytest.mark.parametrize("file", ["a b: #c.npz", "ä\u2028\x7f.npz", "'\"\n.npz", "x" * 200 + " " + "y" * 50])
def test_any_path_comes_back_from_a_dump(small, file):
    config = load_config(small)
    source = dataclasses.replace(config.data["images"], file=small.parent / file)
    config = dataclasses.replace(config, data={"images": source})

    small.write_text(dump_config(config))

    assert load_config(small) == config


def test_a_dump_names_every_option(small):
    dumped = yaml.safe_load(dump_config(load_config(small)))

    assert list(dumped) == ["seed", "rounds", "messages", "search", "checkpoint_every", "data", "modules"]
    assert set(dumped["modules"]["gmm"]) == {"type", "inputs", *GmmOptions.model_fields}


def test_two_configs_are_equal_if_they_ask_for_the_same(small, tmp_path):
    (tmp_path / "other.yaml").write_text("# moved\n" + SMALL)
    config = load_config(small)

    assert load_config(tmp_path / "other.yaml") == config
    assert load_config(small, seed=1) != config
    assert isinstance(config, Config)


def test_checking_a_config_imports_no_jax():
    script = (
        "import sys\n"
        "from mmcli.config.reader import load_config\n"
        "from mmcli.data.dataset import load_datasets\n"
        "from mmcli.config.graph import build_graph\n"
        f"build_graph(load_config({str(TUTORIAL)!r}))\n"
        "print(sys.modules.keys() & {'jax', 'jaxlib', 'optax', 'sklearn', 'matplotlib', 'scipy'})\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", "")
