"""Every fault of a config by its exact line; the file stays named as it was typed."""

import dataclasses
import os
from pathlib import Path

import pytest
from pydantic import model_validator

from mmcli.config.reader import load_config
from mmcli.errors import ConfigError
from mmcli.modules.registry import find_spec, type_names
from mmcli.modules.spec import Options

GOOD = """\
seed: 0
rounds: 5
data:
  images: {file: a.npz, key: images}
  speech: {file: a.npz, key: speech}
  digits: {file: a.npz, key: labels}
modules:
  image:  {type: observation, data: images}
  speech: {type: observation, data: speech}
  vae:    {type: vae, inputs: [image], latent_dim: 18}
  gmm:    {type: gmm, inputs: [vae], num_classes: 10, labels: digits}
  mlda:   {type: mlda, inputs: [speech, gmm], num_classes: 10, weights: [200, 50]}
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def problems_of(text, **arguments):
    """The lines that a config file of this text, called x.yaml, is refused with."""
    Path("x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config("x.yaml", **arguments)
    assert caught.value.exit_code == 2
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return list(caught.value.problems)


NUMBER = "a whole number, at least 1 or auto or {max: a whole number, at least 2}"  # of classes
UNITS = "a list of at least 1, each entry a whole number, at least 1"  # of the layers of a network
IMAGES = f"{{type: conv, channels: {UNITS}, shape: a list of 2 to 3, each entry a whole number, at least 1}}"

# What is changed in GOOD: to what, and the line it gives, without the name of the file.
CHANGES = {
    "seed: 0": [
        ("seed: -1", "1:7: seed: must be a whole number, at least 0, at most 4294967295 (got -1)"),
        ("seed: 4294967296", "1:7: seed: must be a whole number, at least 0, at most 4294967295 (got 4294967296)"),
        ("seed: 1e3", "1:7: seed: must be a whole number, at least 0, at most 4294967295 (got 1000.0)"),
        ("seed: true", "1:7: seed: must be a whole number, at least 0, at most 4294967295 (got true)"),
        ("seed:", "1:6: seed: must be a whole number, at least 0, at most 4294967295 (got nothing)"),
        (f"seed: {10**300}", "1:7: seed: a number of more than 300 digits"),
        ("seed: 1:30", '1:7: seed: must be a whole number, at least 0, at most 4294967295 (got "1:30")'),
        ("seed: 1_000", '1:7: seed: must be a whole number, at least 0, at most 4294967295 (got "1_000")'),
        ("seed: !!int x", "1:7: seed: not a value of type !!int; remove the tag"),
        (
            "seed: !!python/object/apply:os.system [ls]",
            "1:7: seed: tag !!python/object/apply:os.system is not allowed; remove it",
        ),
        ("seed: !mine {a: 1}", "1:7: seed: tag !mine is not allowed; remove it"),
        ("seed: 0\nseed: 1", "2:1: seed: duplicate key (first on line 1); remove one"),
        ("messages: cavty", '1:11: messages: must be one of cavity, serket (got "cavty") (did you mean cavity?)'),
        ("message: cavity", "1:1: message: unknown key (did you mean messages?)"),
        (
            "qqq: 1",
            (
                "1:1: qqq: unknown key; the keys here are extends, seed, rounds, messages, search, checkpoint_every, "
                "data, test, modules"
            ),
        ),
        ("3: 1", "1:1: (3): a key must be text; put it in quotes"),
        ("? [a]\n: 1", "1:3: (a mapping or list): a key must be text; put it in quotes"),
        ("~: 1", "1:1: (~): a key must be text; put it in quotes"),
        ("<<: {rounds: 3}", "1:1: <<: merge keys are not part of YAML 1.2; write the keys out"),
        ("seed: 0: 1", "1:8: not YAML: mapping values are not allowed here"),
        ("seed: 0 # \u0007", "1:11: not text: character 0x07; remove it"),
    ],
    "rounds: 5": [
        ("rounds: 0", "2:9: rounds: must be a whole number, at least 1 (got 0)"),
        ('rounds: "5"', '2:9: rounds: must be a whole number, at least 1 (got "5")'),
        ("rounds: yes", '2:9: rounds: must be a whole number, at least 1 (got "yes")'),
    ],
    "images: {file: a.npz, key: images}": [
        ("images: a.npz", '4:11: data.images: must be a mapping with the key file (got "a.npz")'),
        ("images: {key: images}", "4:3: data.images.file: missing; it must be a path"),
        ('images: {file: "a\\0b"}', '4:18: data.images.file: must be a path (got "a\\u0000b")'),
        ("images: {file: a.npz, key: 3}", "4:30: data.images.key: must be a name (got 3)"),
        ("images: {fil: a.npz}", "4:12: data.images.fil: unknown key (did you mean file?)"),
    ],
    "type: vae": [
        ("type: vea", '10:18: modules.vae.type: no type "vea" (did you mean vae?)'),
        ("type: 3", f"10:18: modules.vae.type: must be one of {', '.join(type_names())} (got 3)"),
    ],
    "type: vae, ": [
        ("", f"10:3: modules.vae.type: missing; it must be one of {', '.join(type_names())}"),
    ],
    "{type: vae, inputs: [image], latent_dim: 18}": [
        ("[vae]", "10:11: modules.vae: must be a mapping with the key type (got a list)"),
        ("", "10:7: modules.vae: must be a mapping with the key type (got nothing)"),
    ],
    "latent_dim": [
        ("latentdim", "10:40: modules.vae.latentdim: unknown key (did you mean latent_dim?)"),
    ],
    ", latent_dim: 18": [
        ("", "10:3: modules.vae.latent_dim: missing; it must be a whole number, at least 1"),
    ],
    "latent_dim: 18": [
        ("latent_dim: 18, epochs: many", '10:64: modules.vae.epochs: must be a whole number, at least 1 (got "many")'),
        ("latent_dim: 5.0", "10:52: modules.vae.latent_dim: must be a whole number, at least 1 (got 5.0)"),
        (
            "latent_dim: 18, learning_rate: fast",
            '10:71: modules.vae.learning_rate: must be a number above 0 (got "fast")',
        ),
        ("latent_dim: 18, learning_rate: 0", "10:71: modules.vae.learning_rate: must be a number above 0 (got 0)"),
        (
            "latent_dim: 18, sends: men",
            '10:63: modules.vae.sends: must be one of mean, sample (got "men") (did you mean mean?)',
        ),
        ("latent_dim: 18, kl_weight: .nan", "10:67: modules.vae.kl_weight: must be a number above 0 (got .nan)"),
        (
            "latent_dim: 18, encoder: mlp",
            f'10:65: modules.vae.encoder: must be {{type: mlp, hidden: {UNITS}}} or {IMAGES} (got "mlp")',
        ),
        ("latent_dim: 18, encoder: {}", "10:56: modules.vae.encoder.type: missing; it must be one of mlp, conv"),
        (
            "latent_dim: 18, encoder: {type: cnv}",
            '10:72: modules.vae.encoder.type: must be one of mlp, conv (got "cnv") (did you mean conv?)',
        ),
        (
            "latent_dim: 18, decoder: {type: mlp}",
            f"10:56: modules.vae.decoder.hidden: missing; it must be {UNITS}",
        ),
        (
            "latent_dim: 18, encoder: {type: mlp, hidden: []}",
            f"10:85: modules.vae.encoder.hidden: must be {UNITS} (got an empty list)",
        ),
        (
            "latent_dim: 18, encoder: {type: mlp, hidden: [3, 0]}",
            "10:89: modules.vae.encoder.hidden[1]: must be a whole number, at least 1 (got 0)",
        ),
        (
            "latent_dim: 18, encoder: {type: mlp, hiden: [3]}",
            "10:77: modules.vae.encoder.hiden: unknown key (did you mean hidden?)",
        ),
        (
            "latent_dim: 18, encoder: {type: mlp, hidden: [3], shape: [2, 2]}",
            "10:90: modules.vae.encoder.shape: unknown key; the keys here are type, hidden",
        ),
        (
            "latent_dim: 18, encoder: {type: conv, channels: [3, 3, 3], shape: [4, 3]}",
            "10:88: modules.vae.encoder.channels: 2 of these 3 layers halve 4 x 3 to one pixel; give fewer",
        ),
        (
            "latent_dim: 18, encoder: {type: conv, channels: [3], shape: [1, 1, 3]}",
            "10:88: modules.vae.encoder.channels: there is one pixel, and nothing to halve; take type: mlp",
        ),
        (
            "latent_dim: 18, hidden_dim: 3, encoder: {type: mlp, hidden: [3]}",
            "10:68: modules.vae.hidden_dim: belongs to a vae without encoder, which lists its layers; remove one",
        ),
        (
            "latent_dim: 18, variance: learned",
            "10:66: modules.vae.variance: belongs to likelihood: gaussian; remove it",
        ),
    ],
    "inputs: [image]": [
        (
            "inputs: image",
            '10:31: modules.vae.inputs: must be a list of at least 1, each entry a name (got "image"); write ["image"]',
        ),
        (
            "inputs: []",
            "10:31: modules.vae.inputs: must be a list of at least 1, each entry a name (got an empty list)",
        ),
        ("inputs: [3]", "10:32: modules.vae.inputs[0]: must be a name (got 3)"),
    ],
    "inputs: [image], ": [
        ("", "10:3: modules.vae.inputs: missing; it must be a list of at least 1, each entry a name"),
    ],
    "num_classes: 10, labels": [
        ("num_classes: 0, labels", f"11:51: modules.gmm.num_classes: must be {NUMBER} (got 0)"),
        ("num_classes: 10.5, labels", f"11:51: modules.gmm.num_classes: must be {NUMBER} (got 10.5)"),
    ],
    "labels: digits}": [
        ("labels: digit}", '11:63: modules.gmm.labels: no data "digit" (did you mean digits?)'),
        ("labels: [digits]}", "11:63: modules.gmm.labels: must be a name (got a list)"),
    ],
    "data: images}": [
        ("data: imagse}", '8:37: modules.image.data: no data "imagse" (did you mean images?)'),
        (
            "data: images, labels: digits}",
            "8:45: modules.image.labels: unknown key; the keys here are type, data, kind",
        ),
    ],
    ", data: images}": [
        ("}", "8:3: modules.image.data: missing; it must be a name"),
    ],
    "weights: [200, 50]": [
        ("weights: [200, -50]", "12:79: modules.mlda.weights[1]: must be a number above 0 (got -50)"),
        (
            "weights: 200",
            "12:73: modules.mlda.weights: must be a list, each entry a number above 0 or auto (got 200); write [200]",
        ),
        ("weights: [200, [50]]", "12:79: modules.mlda.weights[1]: must be a number above 0 (got a list)"),
        ("weights: &w [*w]", "12:73: more than 20 levels, aliases unfolded"),
        ("weights: *w", "12:73: found undefined alias 'w'"),
        ("weights: [&w 1, &w 2]", "12:80: found duplicate anchor 'w'; first occurrence on line 12"),
    ],
    "  vae: ": [
        ("\tvae: ", "10:1: a tab; YAML indents with spaces"),
    ],
    "18}": [
        ("18", "11:6: not YAML: expected ',' or '}', but got ':', while parsing a flow mapping that begins on line 10"),
    ],
    "modules:\n": [
        ("---\nmodules:\n", "7:1: a second document begins here; write one per file"),
        ("modules: [[[[[[[[[[[[[[[[[[[[[\n", "7:29: nested more than 20 deep"),
    ],
}


@pytest.mark.parametrize(
    ("old", "new", "line"), [(old, new, line) for old, changes in CHANGES.items() for new, line in changes]
)
def test_one_fault_gives_one_line(old, new, line):
    assert GOOD.count(old) == 1

    assert problems_of(GOOD.replace(old, new)) == [f"x.yaml:{line}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1:1: must be a mapping with the key modules (got nothing)"),
        ("# nothing\n", "1:1: must be a mapping with the key modules (got nothing)"),
        ("[1]", "1:1: must be a mapping with the key modules (got a list)"),
        ("5", "1:1: must be a mapping with the key modules (got 5)"),
        ("modules: {}", "1:10: modules: must be a mapping of at least 1 (got an empty mapping)"),
        ("seed: 0", "1:1: modules: missing; it must be a mapping of at least 1"),
        ("modules: [a]", "1:10: modules: must be a mapping of at least 1 (got a list)"),
    ],
)
def test_a_file_without_a_config_gives_one_line(text, line):
    assert problems_of(text) == [f"x.yaml:{line}"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"seed: \xff", "x.yaml: not text in UTF-8 (byte 7); save it as UTF-8"),
        (GOOD.encode("utf-16"), "x.yaml: not text in UTF-8 (byte 1); save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "x.yaml: not text in UTF-8 (byte 1); save it as UTF-8"),
        (b"#" * (256 * 1024 + 1), "x.yaml: larger than 256 KB; a config holds settings, data go into .npz"),
    ],
)
def test_a_file_that_is_no_text_gives_one_line(content, line):
    assert problems_of(content) == [line]


def error_of_null():
    """The text of Python's own error about a path with a null byte, which differs from version to version."""
    with pytest.raises(ValueError, match="embedded null") as caught:
        Path("\0").stat()
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("./no.yaml", "./no.yaml: no such file"),
        ("file/x.yaml", "file/x.yaml: no such file"),
        ("a\nb.yaml", r"a\nb.yaml: no such file"),
        ("folder/", "folder/: is a directory; name the YAML file in it"),
        ("pipe", "pipe: is not a regular file; write the config to a file first"),
        ("loop", "loop: cannot be read: Too many levels of symbolic links"),
        ("\0", rf"\x00: cannot be read: {error_of_null()}"),
    ],
)
def test_what_is_no_file_gives_one_line(path, line, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo("pipe")
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value) == line


def test_all_problems_come_at_once_in_the_order_of_the_file():
    text = (
        GOOD.replace("seed: 0", "sed: 0")
        .replace("[vae], num_classes: 10", "[vea], num_classes: 0")
        .replace("[200, 50]", "[200]")
        .replace("rounds: 5", "rounds: {}")
    )

    assert problems_of(text, overrides=["modules.vae.epochs=x", "rounds.x=1"], seed=-1) == [
        "x.yaml:1:1: sed: unknown key (did you mean seed?)",
        "x.yaml:2:9: rounds: must be a whole number, at least 1 (got a mapping)",
        "x.yaml:11:32: modules.gmm.inputs[0]: no module vea (did you mean vae?)",
        f"x.yaml:11:51: modules.gmm.num_classes: must be {NUMBER} (got 0)",
        "x.yaml:12:73: modules.mlda.weights: one per input: 2, not 1",
        '--set modules.vae.epochs=x: must be a whole number, at least 1 (got "x")',
        "--seed -1: must be a whole number, at least 0, at most 4294967295 (got -1)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (
            "  vae: ",
            "  v/e: ",
            [
                "10:3: modules.v/e: a name has 1 to 64 letters, digits, _ and -; rename it",
                "11:32: modules.gmm.inputs[0]: no module vae (did you mean v/e?)",
            ],
        ),
        ("data:\n", "data:\nx:\n", ["3:6: data: must be a mapping (got nothing)", "4:1: x: unknown key"]),
    ],
)
def test_what_follows_from_a_fault_is_said_too(old, new, lines):
    found = problems_of(GOOD.replace(old, new))

    assert len(found) == len(lines)
    assert all(line.startswith(f"x.yaml:{expected}") for line, expected in zip(found, lines, strict=True))


def test_aliases_that_grow_exponentially_are_stopped():
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    rows += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 8)}]" for level in range(1, 12)]

    assert problems_of("\n".join(rows)) == ["x.yaml:1:22: more than 10000 values, aliases unfolded"]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seed", "--set seed: must be KEY=VALUE, such as modules.vae.epochs=20"),
        ("=3", "--set =3: must be KEY=VALUE, such as modules.vae.epochs=20"),
        ("modules..epochs=3", "--set modules..epochs=3: must be KEY=VALUE, such as modules.vae.epochs=20"),
        ("seed=", "--set seed=: must be a whole number, at least 0, at most 4294967295 (got nothing)"),
        ("modules.vae.epochs=2.5", "--set modules.vae.epochs=2.5: must be a whole number, at least 1 (got 2.5)"),
        ("modules.vae.epoch=2", "--set modules.vae.epoch=2: unknown key (did you mean epochs?)"),
        ("seed.x=1", "--set seed.x=1: seed is 0, not a mapping; set it as a whole"),
        (
            "modules.mlda.weights.0=1",
            "--set modules.mlda.weights.0=1: modules.mlda.weights is a list, not a mapping; set it as a whole",
        ),
        ("modules.mlda.weights=[1]", "--set modules.mlda.weights=[1]: one per input: 2, not 1"),
        (
            "modules.mlda.weights=[1, x]",
            '--set modules.mlda.weights=[1, x]: modules.mlda.weights[1]: must be a number above 0 (got "x")',
        ),
        (
            "modules.vae.epochs='x",
            "not YAML: found unexpected end of stream, while scanning a quoted scalar that begins on line 1",
        ),
        ("seed=1\nx: 2", r"--set seed=1\nx: 2: not YAML: mapping values are not allowed here"),
        ("rounds=!!set {}", "--set rounds=!!set {}: tag !!set is not allowed; remove it"),
        (
            "modules.gmm={type: gmm, inputs: [vae]}",
            f"modules.gmm.num_classes: missing; it must be {NUMBER}",
        ),
        ("modules.new.type=observation", "modules.new.data: missing; it must be a name"),
        (
            "modules.vae.latent_dim=2147483648",
            "--set modules.vae.latent_dim=2147483648: must be below 2^31, it is counted in 32 bits (got 2147483648)",
        ),
    ],
)
def test_a_fault_on_the_command_line_gives_one_line(override, line):
    (found,) = problems_of(GOOD, overrides=[override])

    assert found == (line if line.startswith("--set") else f"--set {override}: {line}")


def test_options_can_check_themselves(register):
    class PickyOptions(Options):
        low: int = 3
        high: int = 4

        @model_validator(mode="after")
        def in_order(self):
            if self.low > self.high:
                raise ValueError("low must not be above high")
            return self

    register(dataclasses.replace(find_spec("gmm"), name="picky", options=PickyOptions))

    assert problems_of(GOOD + "  x: {type: picky, inputs: [vae], low: 5}\n") == [
        "x.yaml:13:6: modules.x: low must not be above high"
    ]
