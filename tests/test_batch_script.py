"""The scripts of docs/batch, as a user runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BATCH = Path(__file__).parents[1] / "docs" / "batch"


def script(name: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the `mmcli` of this environment first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(BATCH / name), *arguments],
        cwd=cwd,
        env={**os.environ, **environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_seeds_are_trained_and_compared(tiny_config):
    done = script("seeds.sh", "tiny.yaml", "3 4", "--rounds", "1", cwd=tiny_config.parent)

    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1][:4] == ["run", "seed", "ACC", "ARI"]
    accs = []
    for seed, line in zip((3, 4), lines[2:4], strict=True):
        run = tiny_config.parent / f"runs/tiny-s{seed}-001"
        accs.append(float((run / "module003_gmm/acc_learn.txt").read_text()))
        assert line[:3] == [f"runs/tiny-s{seed}-001", str(seed), f"{accs[-1]:.4f}"]
    spread = [f"{value:.4f}" for value in (sum(accs) / 2, min(accs), max(accs))]
    assert lines[6][:7] == ["2", "2", "gmm", "ACC", *spread]


def test_seeds_stop_at_the_first_run_that_fails(tiny_config):
    done = script("seeds.sh", "tiny.yaml", "3 4", "--set", "rounds=0", cwd=tiny_config.parent)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"--set rounds=0: must be a whole number, at least 1.*\n", done.stderr)


@pytest.mark.slow
def test_a_slurm_task_trains_the_seed_of_its_number(tiny_config):
    done = script(
        "slurm_array.sh",
        "tiny.yaml",
        "--rounds",
        "1",
        cwd=tiny_config.parent,
        SLURM_ARRAY_TASK_ID="5",
        SLURM_CPUS_PER_TASK="1",
    )

    assert (done.returncode, done.stdout) == (0, "runs/tiny-s5-001\n")


@pytest.mark.parametrize("name", ["seeds.sh", "slurm_array.sh"])
def test_scripts_can_be_executed(name):
    assert os.access(BATCH / name, os.X_OK)
