"""The package of examples/plugin, installed by pip: from a config to the report, with no change in mmcli."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plugins import EXAMPLE, copy_of_example, install, offer, train

from mmcli import load_run

CONFIG = """\
seed: 0
rounds: 2
data:
  images: {file: tiny.npz, key: images}
  words:  {file: tiny.npz, key: words}
  kinds:  {file: tiny.npz, key: labels}
test:
  images: {file: tiny.npz, key: images}
  words:  {file: tiny.npz, key: words}
  kinds:  {file: tiny.npz, key: labels}
modules:
  image: {type: observation, data: images}
  word:  {type: observation, data: words}
  pca:   {type: pca, inputs: [image], latent_dim: 2}
  gmm:   {type: gmm, inputs: [pca], num_classes: 3, sweeps: 10, chains: 2, labels: kinds}
  mlda:  {type: mlda, inputs: [word, gmm], num_classes: 3, weights: [20, 20], sweeps: 10, labels: kinds}
"""
PLUGINS = {"pca": {"package": "mmcli-pca", "version": "0.1.0"}}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with the plugin installed."""
    return install(EXAMPLE, tmp_path_factory.mktemp("installed"))


@pytest.fixture
def config(site, tiny_config, monkeypatch) -> Path:
    """A config that uses the plugin, in the working directory."""
    monkeypatch.syspath_prepend(site)
    tiny_config.write_text(CONFIG)
    monkeypatch.chdir(tiny_config.parent)
    return Path(tiny_config.name)


@pytest.fixture(scope="module")
def finished(site, tmp_path_factory) -> Path:
    """A finished run, not to be changed."""
    return train(tmp_path_factory.mktemp("finished"), CONFIG, path=site)


@pytest.fixture
def run(finished, config) -> Path:
    """A finished run, the test's own, in the folder of the config."""
    shutil.copytree(finished, config.parent / "run")
    return Path("run")


@pytest.fixture
def upgrade(tmp_path, monkeypatch):
    """Install another version of the plugin before the first."""

    def install_version(version: str) -> None:
        monkeypatch.syspath_prepend(install(copy_of_example(tmp_path / "source", version), tmp_path / "newer"))

    return install_version


def test_modules_lists_it_with_its_package(config, command):
    done = command("modules")

    assert done.err == ""
    assert done.out.splitlines()[-1].split()[:3] == ["pca", "mmcli-pca", "0.1.0"]
    assert command("modules", "pca").out.splitlines()[:2] == [
        "pca: probabilistic principal component analysis, in closed form",
        "from mmcli-pca 0.1.0; receives points (inputs: at most 1); sends points",
    ]
    assert "pca" in command("check", config).out


def test_it_learns_and_the_run_directory_has_what_its_spec_declares(run):
    folder = run / "module002_pca"
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]

    assert {path.name for path in folder.iterdir()} == {
        *("z_learn.txt", "z_first.txt", "x_hat_learn.txt", "mean_learn.txt", "loadings_learn.txt"),
        *("noise_learn.txt", "loglik_learn.txt", "params.npz"),
    }
    assert json.loads((run / "meta.json").read_text())["plugins"] == PLUGINS
    assert {line["acc"] for line in lines if line["module"] == "mlda"} == {1.0}
    assert all(line["bound"] is not None for line in lines)
    images = np.load("tiny.npz")["images"]
    residual = ((np.loadtxt(folder / "x_hat_learn.txt") - images) ** 2).sum() / ((images - images.mean(0)) ** 2).sum()
    assert residual < 0.1  # in the units of the data: two dimensions hold three clusters


def test_its_runs_are_evaluated_generated_from_and_reported(run, command):
    assert "mlda  ACC 1.000" in command("evaluate", run).out
    held_out = command("evaluate", run, "--test")
    assert (held_out.code, held_out.err.count("came from")) == (0, 0)
    assert "mlda  ACC 1.000" in held_out.out
    assert (run / "module002_pca" / "z_recog.txt").exists()
    for options in (["--from", "words"], ["--class", "1", "--sample"]):
        made = command("generate", run, "--to", "images", *options, "-o", "made.npz")
        assert made.code == 0, made.err
    assert np.load("made.npz")["images"].shape == (1, 12)
    page = command("report", run)
    assert page.code == 0, page.err
    assert "pca: log likelihood" in Path(page.out.strip()).read_text()
    assert load_run(run).predict(images=np.load("tiny.npz")["images"])["gmm"].classes.shape == (60,)


def test_a_run_of_it_resumes_with_the_bytes_of_one_that_was_never_stopped(finished, site, tmp_path):
    train(tmp_path, CONFIG, "--rounds", "1", path=site)
    resumed = train(tmp_path, CONFIG, "--resume", path=site)

    learned = sorted(finished.glob("module*/*_learn.*"))
    assert learned
    for path in learned:
        assert (resumed / path.relative_to(finished)).read_bytes() == path.read_bytes(), path


def test_another_version_is_named_by_every_command_that_computes(run, config, command, upgrade):
    upgrade("0.2.0")
    line = "type pca came from mmcli-pca 0.1.0 and comes from mmcli-pca 0.2.0: results may differ"

    assert command("evaluate", run).err == f"mmcli: {line}\n"
    assert f"mmcli: {line}\n" in command("evaluate", run, "--test").err
    made = command("generate", run, "--to", "images", "--class", "1", "-o", "made.npz")
    assert (made.code, made.err) == (0, f"mmcli: {line}\n")
    assert load_run(run).plugin_changes == [line]
    resumed = command("train", config, "-o", "run", "--resume", "--rounds", "3")
    assert resumed.code == 0, resumed.err
    assert resumed.err.count(line) == 1
    assert json.loads((run / "meta.json").read_text())["plugins"]["pca"]["version"] == "0.2.0"


def test_a_run_whose_plugin_is_not_installed_names_it(run, command, site, monkeypatch):
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder != str(site)])

    for name in ("evaluate", "report"):
        done = command(name, run)
        assert done.code == 2
        assert done.err.startswith(f"{run}/config.yaml:")
        assert "modules.pca.type: must be one of observation, vae, gmm, mlda" in done.err
        assert done.err.endswith("; the run learned with mmcli-pca 0.1.0\n")


@pytest.mark.parametrize("latent_dim", [12, 40])
def test_a_latent_space_as_wide_as_the_data_is_refused_at_its_place(config, command, latent_dim):
    config.write_text(CONFIG.replace("latent_dim: 2", f"latent_dim: {latent_dim}"))

    for name in ("check", "train"):
        done = command(name, config)
        assert done.code == 2
        assert done.err == (
            f"{config}:14:51: modules.pca.latent_dim: "
            f"must be less than the columns of the input, 12 (got {latent_dim})\n"
        )


def test_a_broken_package_stops_the_configs_that_use_it_and_nothing_else(config, command, tmp_path, monkeypatch):
    offer(tmp_path / "broken", "bad-one", "kind = bad_one:SPEC", "import not_there")
    offer(tmp_path / "bold", "bold", "gmm = bold:SPEC")
    for folder in ("broken", "bold"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    reason = "bad-one 1.0: bad_one:SPEC: ModuleNotFoundError: No module named 'not_there'; mend or uninstall it"

    listed = command("modules")
    assert listed.code == 0
    assert "mmcli-pca 0.1.0" in listed.out
    assert listed.err.splitlines() == [
        f"mmcli: type kind cannot be used: {reason}",
        "mmcli: type gmm of bold 1.0 is hidden by mmcli's own; rename it",
    ]
    assert command("modules", "kind").err == f"mmcli: error: type kind cannot be used: {reason}\n"
    assert command("check", config).code == 0
    assert command("data", "show", "tiny.npz").code == 0
    config.write_text(CONFIG.replace("type: pca", "type: kind"))
    assert command("check", config).err == f'{config}:14:17: modules.pca.type: type "kind" cannot be used: {reason}\n'


def test_its_own_tests_pass(site, tmp_path):
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    arguments = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"]
    root = EXAMPLE.parents[1]

    done = subprocess.run(
        arguments,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{site}:{root}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
