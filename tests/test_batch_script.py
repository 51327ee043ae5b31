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
def test_seeds_are_trained_and_their_acc_collected(tiny_config):
    done = script("seeds.sh", "tiny.yaml", "3 4", "gmm", "--rounds", "1", cwd=tiny_config.parent)

    assert done.returncode == 0, done.stderr
    runs = [tiny_config.parent / f"runs/tiny-s{seed}-001" for seed in (3, 4)]
    accs = [float((run / "module003_gmm/acc_learn.txt").read_text()) for run in runs]
    assert done.stdout.splitlines() == [
        "seed  ACC     run",
        f"3     {accs[0]:.4f}  runs/tiny-s3-001",
        f"4     {accs[1]:.4f}  runs/tiny-s4-001",
        f"mean {sum(accs) / 2:.4f}  min {min(accs):.4f}  max {max(accs):.4f}  of 2",
    ]


def test_seeds_stop_at_the_first_run_that_fails(tiny_config):
    done = script("seeds.sh", "tiny.yaml", "3 4", "gmm", "--set", "rounds=0", cwd=tiny_config.parent)

    assert done.returncode == 2
    assert done.stdout == "seed  ACC     run\n"
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
