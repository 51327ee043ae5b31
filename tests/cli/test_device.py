"""What a command computes on, as `--device` asks."""

import json
from pathlib import Path

import jax
import pytest

from mmcli.engine import devices
from mmcli.errors import UsageError
from mmcli.util.asked_device import asked_device

has_gpu = jax.default_backend() == "gpu"


@pytest.mark.skipif(has_gpu, reason="there is a GPU")
def test_a_gpu_that_is_not_here_is_one_line_and_nothing_is_made(command, tiny_config, monkeypatch):
    monkeypatch.chdir(tiny_config.parent)
    before = sorted(tiny_config.parent.iterdir())

    done = command("train", "tiny.yaml", "--device", "gpu", "-o", "run")

    assert done.code == 2
    assert done.err.startswith("mmcli: error: --device gpu: jax computes on cpu here; for a GPU install its plugin")
    assert len(done.err.splitlines()) == 1
    assert sorted(tiny_config.parent.iterdir()) == before
    assert asked_device.get() is None  # later calls in this process may compute where they like


@pytest.mark.parametrize("name", ["evaluate", "generate"])
@pytest.mark.skipif(has_gpu, reason="there is a GPU")
def test_a_run_is_not_asked_on_a_gpu_that_is_not_here(command, trained, tmp_path, name):
    options = {
        "evaluate": ("--data", trained.run / "../../tiny.npz", "-o", tmp_path / "found"),
        "generate": ("--to", "images", "--class", 1, "-n", 2, "-o", tmp_path / "made.npz"),
    }[name]

    done = command(name, trained.run, *options, "--device", "gpu")

    assert (done.code, done.err.splitlines()[-1][:28]) == (2, "mmcli: error: --device gpu: ")
    assert not [*tmp_path.iterdir()]


def test_the_cpu_is_asked_for(train):
    done = train("--device", "cpu", "-o", "run")

    assert done.code == 0
    assert json.loads(Path("run/meta.json").read_text())["device"] == "cpu"


def test_without_the_option_jax_chooses(monkeypatch):
    changed = []
    monkeypatch.setattr(jax.config, "update", lambda name, _value: changed.append(name))

    assert devices.start() == jax.devices()[0]
    assert "jax_platforms" not in changed


@pytest.mark.skipif(has_gpu, reason="there is a GPU")
def test_the_option_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    token = asked_device.set("gpu")
    try:
        with pytest.raises(UsageError, match="--device gpu: jax computes on cpu here"):
            devices.start()
    finally:
        asked_device.reset(token)


def test_a_device_to_compute_nothing_on_is_refused(command, trained):
    done = command("evaluate", trained.run, "--device", "cpu")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mmcli: error: --device needs other data: --data, --test or --without")
