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


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A task of a Slurm array: `slurm(program)` puts a program in the place of srun and runs the task."""
    (tmp_path / "bin").mkdir()

    def task(srun: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        for name, program in (("srun", srun), ("scontrol", 'echo scontrol "$@"')):
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{program}\n")
            (tmp_path / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        ids = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "1"}
        return script("slurm_array.sh", *arguments, cwd=folder, **ids)

    return task


@pytest.mark.slow
def test_a_slurm_task_trains_the_seed_of_its_number_once(slurm, tiny_config):
    for told in ("run directory", "finished before"):
        done = slurm('exec "$@"', tiny_config.parent, "tiny.yaml", "--rounds", "1")

        assert (done.returncode, done.stdout) == (0, "runs/tiny-s5\n")
        assert told in done.stderr
    assert "seed: 5\n" in (tiny_config.parent / "runs/tiny-s5/config.yaml").read_text()


@pytest.mark.parametrize(("code", "printed"), [(138, "scontrol requeue 77\n"), (3, ""), (0, "")])
def test_a_slurm_task_goes_back_into_the_queue_when_its_time_is_up(slurm, tmp_path, code, printed):
    done = slurm(f"exit {code}", tmp_path, "tiny.yaml")

    assert (done.returncode, done.stdout) == (code, printed)


@pytest.mark.parametrize("name", ["seeds.sh", "slurm_array.sh"])
def test_scripts_can_be_executed(name):
    assert os.access(BATCH / name, os.X_OK)
