"""`mmcli init`: examples with their data, from a wheel too, and configs proposed for arrays of the user's."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonschema import Draft7Validator
from scipy.sparse import csr_array, save_npz

from mmcli.workflows import examples

NOT_BUNDLED = {"mnist_arabic_uci", "spatial_concepts"}  # data that a command makes
ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)
KINDS = np.arange(40) % 4
ARRAYS = {
    "pixels": RNG.random((40, 25)),
    "bytes": np.full((40, 25), 255) - RNG.integers(0, 256, (40, 25)) // 200 * 200,
    "counts": RNG.poisson(3, (40, 30)),
    "one_hot": np.eye(5, dtype=int)[RNG.integers(0, 5, 40)],
    "few": RNG.normal(size=(40, 3)),
    "many": RNG.normal(size=(40, 50)),
    "gapped": np.where(np.arange(40)[:, None] == 3, np.nan, RNG.normal(size=(40, 4))),
}
PAIR = "`mmcli data pair` makes rows of the same items"
TYPES = {
    "pixels": ["vae", "gmm"],
    "bytes": ["vae", "gmm"],
    "counts": ["mlda"],
    "one_hot": ["mlda"],
    "few": ["gmm"],
    "many": ["vae", "gmm"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def propose(command, *files):
    """The proposed config, which `mmcli check` and the schema beside it accept; and the reasons."""
    done = command("init", "--from", *files)
    assert (done.code, done.out) == (0, "model.yaml\n")
    checked = command("check", "model.yaml")
    assert (checked.code, checked.err) == (0, "")
    config = yaml.safe_load(Path("model.yaml").read_text())
    Draft7Validator(json.loads(Path("mmcli.schema.json").read_text())).validate(config)
    return config, done.err


# Examples


@pytest.mark.parametrize("name", sorted(examples.summaries().keys() - NOT_BUNDLED))
def test_an_example_is_written_with_its_data_and_passes_the_check(command, name):
    done = command("init", name, "-o", "new")
    config = Path(f"new/configs/{name}.yaml")

    assert (done.code, done.out, done.err) == (0, f"{config}\n", f"mmcli: next: mmcli train {config}\n")
    first, *rest = config.read_text().splitlines()
    assert first == "# yaml-language-server: $schema=mmcli.schema.json"
    assert rest == (ROOT / "configs" / f"{name}.yaml").read_text().splitlines()
    assert json.loads(Path("new/configs/mmcli.schema.json").read_text())["title"] == "mmcli config"
    assert "CC BY-SA" in Path("new/data/README.md").read_text()
    assert command("check", config).code == 0


def test_without_a_name_the_recommended_one_is_written_and_another_fits_beside_it(command):
    assert command("init").out == "configs/mnist_arabic_tuned.yaml\n"
    assert command("init", "tiny").out == "configs/tiny.yaml\n"


def test_an_example_whose_data_are_not_bundled_names_them(command):
    done = command("init", "mnist_arabic_uci")

    assert (done.code, done.out) == (0, "configs/mnist_arabic_uci.yaml\n")
    assert done.err.startswith("mmcli: not bundled: data/mnist_arabic_uci/train.npz, data/mnist_arabic_uci/test.npz; ")
    assert not Path("data").exists()


def test_the_examples_are_listed(command):
    done = command("init", "--list")

    heading, *lines = done.out.splitlines()
    assert heading == "example"
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    assert all(len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize(
    ("options", "there", "problem"),
    [
        (["tinny"], None, "no example tinny (did you mean tiny?)"),
        (["tiny"], "configs/tiny.yaml", "configs/tiny.yaml: is there already; name another folder with -o"),
        (
            ["tiny", "-o", "x"],
            "x/data/mnist_arabic/test.npz",
            "x/data/mnist_arabic/test.npz: is there already; name another folder with -o",
        ),
        (["tiny"], "configs", "configs: cannot be written (File exists); name a place to write to with -o"),
        (["tiny", "mnist_arabic"], None, "give one EXAMPLE, or --from before FILES"),
        (["--list", "tiny"], None, "--list takes nothing else"),
        (["--from"], None, "--from needs FILES"),
        (["--from", "no.npz"], None, "no.npz: no such file"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_nothing_is_overwritten(command, options, there, problem):
    if there is not None:
        Path(there).parent.mkdir(parents=True, exist_ok=True)
        Path(there).write_text("mine")
    before = sorted(Path().rglob("*"))

    done = command("init", *options)

    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {problem}\n")
    assert sorted(Path().rglob("*")) == before
    assert there is None or Path(there).read_text() == "mine"


@pytest.mark.slow
def test_a_wheel_brings_the_examples(tmp_path):
    """Built and unpacked, with no clone in sight."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path[1:]])}

    def run(*arguments):
        command = [sys.executable, "-P", "-m", "mmcli", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    assert wheel.stat().st_size < 4e6
    assert run("init", "tiny", "-o", "new").stdout == "new/configs/tiny.yaml\n"
    assert "sound; 3000 items" in run("check", "new/configs/tiny.yaml").stdout


# Proposals


@pytest.mark.parametrize("name", TYPES)
def test_a_sense_alone_has_the_modules_of_its_kind(command, name):
    np.savez("x.npz", **{name: ARRAYS[name]}, labels=KINDS)

    config, reasons = propose(command, "x.npz")

    learners = {key: module for key, module in config["modules"].items() if module["type"] != "observation"}
    assert [module["type"] for module in learners.values()] == TYPES[name]
    assert [line.partition(":")[0] for line in reasons.splitlines()[:-2]] == [*learners]
    assert all(module.get("labels") == "labels" for module in learners.values() if module["type"] != "vae")
    assert learners[[*learners][-1]]["num_classes"] == 4
    assert learners.get("gmm", {}).get("chains") == (16 if "gmm" in TYPES[name] else None)


def test_senses_of_several_files_are_joined_and_labels_only_measure(command):
    np.savez("a.npz", data=ARRAYS["pixels"], labels=KINDS)
    np.savez("b.npz", data=ARRAYS["counts"], labels=KINDS, hac_lags=np.array([2, 5]))
    np.save("few.npy", ARRAYS["few"])

    config, reasons = propose(command, "a.npz", "b.npz", "few.npy")

    assert config["data"] == {
        "a_data": {"file": "a.npz", "key": "data"},
        "b_data": {"file": "b.npz", "key": "data"},
        "few": {"file": "few.npy"},
        "labels": {"file": "a.npz", "key": "labels"},
    }
    assert config["modules"]["mlda"] == {
        "type": "mlda",
        "inputs": ["b_data", "gmm"],
        "num_classes": 4,
        "labels": "labels",
    }
    assert config["modules"]["gmm"]["inputs"] == ["vae_a_data", "few"]
    assert "chains" not in config["modules"]["gmm"]
    assert "num_classes: as many as there are labels (4); nothing else of the labels reaches a module\n" in reasons


def test_senses_without_counts_have_one_mixture_which_nothing_else_leads(command):
    np.save("a.npy", ARRAYS["pixels"])
    np.save("b.npy", ARRAYS["few"])

    config, reasons = propose(command, "a.npy", "b.npy")

    assert list(config["modules"]) == ["a", "b", "vae_a", "gmm"]
    assert config["modules"]["gmm"] == {"type": "gmm", "inputs": ["vae_a", "b"], "num_classes": 10, "chains": 16}
    assert "gmm: vae_a, b are sorted into classes by one mixture of Gaussians" in reasons


def test_names_of_labels_are_of_the_labels_and_other_arrays_are_left_out_with_a_reason(command):
    hole = ARRAYS["few"].copy()
    hole[0, 0] = np.nan
    names = np.array(["a", "b", "c", "d"])
    np.savez("x.npz", mlda=ARRAYS["few"], labels=KINDS, label_names=names, age=KINDS * 7, hole=hole, who=names[KINDS])

    config, reasons = propose(command, "x.npz")

    assert [*config["modules"]] == ["mlda", "gmm"]
    assert config["data"]["labels"] == {"file": "x.npz", "key": "labels"}
    for name, reason in {
        "age": "whole numbers, one an item, as labels are; a module has one",
        "hole": "NaN in some columns of a row; fill it, or drop the items",
        "who": "text",
    }.items():
        assert f"x.npz {name} is left out: {reason}\n" in reasons


def test_a_table_and_a_sparse_matrix_without_labels(command):
    Path("t.csv").write_text("w,h\n" + "\n".join(f"{a:.3f},{b:.3f}" for a, b in ARRAYS["few"][:, :2]))
    save_npz("s.npz", csr_array(ARRAYS["counts"]))

    config, reasons = propose(command, "t.csv", "s.npz")

    assert [module["type"] for module in config["modules"].values()] == ["observation", "observation", "gmm", "mlda"]
    assert "labels" not in config["modules"]["mlda"]
    assert "num_classes: no labels are there to count, so 10 is a guess; set it\n" in reasons


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (
            {"b": ARRAYS["few"][:30]},
            "rows differ in number: a.npz a has 40, b.npz b has 30, a.npz labels has 40; " + PAIR,
        ),
        (
            {"b": ARRAYS["few"], "labels": KINDS[::-1]},
            "a.npz and b.npz have different labels in the same rows; " + PAIR,
        ),
    ],
)
def test_rows_of_other_items_are_refused(command, other, problem):
    np.savez("a.npz", a=ARRAYS["few"], labels=KINDS)
    np.savez("b.npz", **other)

    done = command("init", "--from", "a.npz", "b.npz")

    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {problem}\n")
    assert not Path("model.yaml").exists()


def test_rows_of_nan_are_missing_ones_and_an_item_needs_a_sense(command):
    np.savez("x.npz", few=ARRAYS["few"], gapped=ARRAYS["gapped"])
    np.savez("y.npz", gapped=ARRAYS["gapped"])

    config, _ = propose(command, "x.npz")
    alone = command("init", "--from", "y.npz", "-o", "other")

    assert config["data"]["gapped"] == {"file": "x.npz", "key": "gapped", "missing": "nan"}
    assert (alone.code, alone.err) == (2, "mmcli: error: row 3 (from 0) is NaN in every array; drop such rows\n")


def test_the_config_finds_its_data_from_another_folder_that_is_a_link(command, tmp_path):
    np.save("few.npy", ARRAYS["few"])
    (tmp_path / "deep/er").mkdir(parents=True)
    Path("link").symlink_to(tmp_path / "deep/er")

    done = command("init", "--from", "few.npy", "few.npy", "-o", "link")  # once, though it is named twice

    assert done.out == "link/model.yaml\n"
    assert yaml.safe_load(Path("link/model.yaml").read_text())["data"] == {"few": {"file": "../../few.npy"}}
    assert command("check", "link/model.yaml").code == 0


def test_a_file_without_a_sense_is_refused_with_the_reasons(command):
    np.savez("x.npz", a=np.zeros((2, 2, 2)), b=np.array([0.5, 1.5]))

    done = command("init", "--from", "x.npz")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "x.npz a is left out: of 3 dimensions; reshape(len(array), -1) makes rows; "
        "x.npz b is left out: of 1 dimension; reshape(-1, 1) makes a column\n"
    )
