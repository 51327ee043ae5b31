"""No variable of the environment changes what a command computes, or ends it without a plain line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from mmcli import load_run
from mmcli.cli.environment import settle

# Each of them changed a result, ended the process, or was told as a fault of mmcli.
HOSTILE = {
    "JAX_CHECK_TRACER_LEAKS": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_DISABLE_JIT": "maybe",
    "JAX_ENABLE_X64": "1",
    "JAX_LOG_COMPILES": "maybe",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_RANDOM_SEED_OFFSET": "many",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_TRANSFER_GUARD": "disallow",
    "NPY_DISABLE_CPU_FEATURES": "nonsense",
    "PJRT_NPROC": "0",
    "XLA_FLAGS": "--xla_no_such_flag --xla_force_host_platform_device_count=8 --xla_cpu_enable_fast_math=true",
}


def mmcli(folder: Path, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmcli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(jax.config.values))
def test_every_setting_of_jax_is_kept_from_it_or_on_the_list(name):
    environ = {name.upper(): "nonsense"}

    settle(environ)

    harmless = {"JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_CUDA_VISIBLE_DEVICES", "JAX_ROCM_VISIBLE_DEVICES"}
    assert environ.keys() <= harmless | {"JAX_COMPILATION_CACHE_DIR"}


def test_what_was_removed_is_named_and_the_rest_stays():
    environ = {
        "HOME": "/home/a",
        "JAX_ENABLE_X64": "1",
        "JAX_NO_SUCH_SETTING_YET": "x",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
        "MPLBACKEND": "nonsense",
        "NPROC": "4",
        "PJRT_NPROC": "-1",
        "XLA_FLAGS": "--xla_a=1 --xla_dump_to=/d",
    }

    removed = settle(environ)

    assert removed == [
        "JAX_ENABLE_X64=1",
        "JAX_NO_SUCH_SETTING_YET=x",
        "PJRT_NPROC=-1 (no such value)",
        "XLA_FLAGS=--xla_a=1",
    ]
    assert environ == {
        "HOME": "/home/a",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
        "NPROC": "4",
        "XLA_FLAGS": "--xla_dump_to=/d",
    }


def test_a_cache_that_cannot_be_written_is_ignored(tmp_path):
    (tmp_path / "file").touch()
    inside, new = str(tmp_path / "file/cache"), str(tmp_path / "new/cache")
    bad, good, remote = ({"JAX_COMPILATION_CACHE_DIR": value} for value in (inside, new, "gs://bucket/cache"))

    assert settle(bad) == [f"JAX_COMPILATION_CACHE_DIR={inside} (cannot be written to)"]
    assert (settle(good), good) == ([], {"JAX_COMPILATION_CACHE_DIR": new})
    assert (settle(remote), remote) == ([], {"JAX_COMPILATION_CACHE_DIR": "gs://bucket/cache"})
    assert bad == {}


def test_a_run_is_the_same_in_a_hostile_environment(trained, tmp_path):
    config = trained.run / "../../tiny.yaml"

    done = mmcli(tmp_path, "train", config, "-o", "run", **HOSTILE)

    assert done.returncode == 0, done.stderr
    first, *_ = done.stderr.splitlines()
    assert first.startswith("mmcli: ignored, so that they change nothing: JAX_CHECK_TRACER_LEAKS=1, JAX_DEBUG_NANS=1, ")
    assert "XLA_FLAGS=--xla_no_such_flag" in first
    for path in sorted(trained.run.glob("module*/*")):
        assert (tmp_path / "run" / path.parent.name / path.name).read_bytes() == path.read_bytes(), path


def test_a_run_is_read_the_same_in_a_hostile_environment(trained, tmp_path):
    data = trained.run / "../../tiny.npz"

    plain = mmcli(tmp_path, "evaluate", trained.run, "--data", data, "-o", "plain")
    hostile = mmcli(tmp_path, "evaluate", trained.run, "--data", data, "-o", "hostile", **HOSTILE)

    assert (plain.returncode, hostile.returncode) == (0, 0), hostile.stderr
    assert hostile.stdout == plain.stdout
    written = [path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    assert len(written) > 5
    for name in written:
        assert (tmp_path / "hostile" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("command", "variable"),
    [("train", "JAX_PLATFORMS=cuda"), ("evaluate", "JAX_PLATFORMS=nonsense"), ("evaluate", "JAX_PLATFORM_NAME=cuda")],
)
def test_a_device_that_is_not_here_is_named(command, variable, trained, tmp_path):
    name, _, value = variable.partition("=")
    folder = trained.run / "../.."
    given = {
        "train": ("train", folder / "tiny.yaml", "-o", "run"),
        "evaluate": ("evaluate", trained.run, "--data", folder / "tiny.npz", "-o", "found"),
    }[command]

    done = mmcli(tmp_path, *given, **{name: value})

    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"mmcli: error: {variable}: no such device can be used here; set JAX_PLATFORMS=cpu")
    assert not (tmp_path / "run").exists()
    assert "run directory" not in done.stderr


@pytest.mark.parametrize("option", ["--force", "--resume"])
def test_a_device_that_is_not_here_leaves_a_run_as_it_is(option, trained, tmp_path):
    shutil.copytree(trained.run, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}

    done = mmcli(
        tmp_path, "train", trained.run / "../../tiny.yaml", "-o", "run", option, "--rounds", 3, JAX_PLATFORMS="cuda"
    )

    assert done.returncode == 2
    assert "JAX_PLATFORMS=cuda: no such device can be used here" in done.stderr.splitlines()[-1]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


THEIRS = {
    "jax_check_tracer_leaks": True,
    "jax_debug_infs": True,
    "jax_debug_key_reuse": True,
    "jax_debug_nans": True,
    "jax_default_matmul_precision": "bfloat16",
    "jax_default_prng_impl": "rbg",
    "jax_enable_x64": True,
    "jax_numpy_dtype_promotion": "strict",
    "jax_threefry_partitionable": False,
    "jax_transfer_guard": "disallow",
}


def test_a_run_is_loaded_the_same_in_a_process_with_settings_of_its_own(trained):
    with np.load(trained.run / "../../tiny.npz") as data:
        words = data["words"]
    before = {name: getattr(jax.config, name) for name in THEIRS}

    def said() -> tuple[np.ndarray, np.ndarray]:
        run = load_run(trained.run)
        return run.predict(words=words)["gmm"].probabilities, run.generate("images", of_class=0, num_items=3, seed=1)

    plain = said()
    try:
        for name, value in THEIRS.items():
            jax.config.update(name, value)
        theirs = said()
        assert {name: getattr(jax.config, name) for name in THEIRS} == THEIRS  # and they stay theirs
    finally:
        for name, value in before.items():
            jax.config.update(name, value)

    for ours, other in zip(plain, theirs, strict=True):
        assert ours.dtype == other.dtype == np.float32
        np.testing.assert_array_equal(ours, other)
