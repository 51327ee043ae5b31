"""`mmcli sweep --emit slurm`: the script, run by bash with stand-ins for the programs of Slurm."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import stand_in
from sweeps import attempts

SWEEP = Path("runs/x sweep")
SBATCH = """\
#!/bin/sh
printf '%s|' sbatch "$@" >>slurm.txt
echo >>slurm.txt
case "$*" in *--parsable*) echo '41;here';; *) echo Submitted batch job 42;; esac
"""


@pytest.fixture
def slurm(jobs, config, command, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The script of a sweep of two seeds, run by bash: `slurm(arguments, srun=..., task=...)`."""
    jobs()
    done = command("sweep", config, "--seeds", "0-1", "-o", SWEEP, "-j", "4", "--emit", "slurm")
    assert (done.code, done.out, done.err) == (0, f"{SWEEP}/slurm.sh\n", "")
    programs = tmp_path / "programs"
    programs.mkdir()
    stand_ins = {"sbatch": SBATCH, "scontrol": '#!/bin/sh\necho scontrol "$@"\n'}
    # The script puts the programs of this environment first: `mmcli` is a stand-in where srun runs it.
    train = f'shift; exec {sys.executable} {stand_in.__file__} "$@"'

    def run(*arguments: str, srun: str = train, task: str = "1") -> subprocess.CompletedProcess[str]:
        for name, text in {**stand_ins, "srun": f"#!/bin/sh\n{srun}\n"}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        ids = {"SLURM_ARRAY_TASK_ID": task, "SLURM_JOB_ID": "77", "SLURM_CPUS_PER_TASK": "1"}
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", SWEEP / "slurm.sh", *arguments],
            env={**os.environ, **ids, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_it_submits_the_points_and_then_the_status(slurm):
    done = slurm("--time=02:00:00")

    assert (done.returncode, done.stdout, done.stderr) == (0, "Submitted batch job 42\n", "")
    folder = SWEEP.absolute()
    array, status = Path("slurm.txt").read_text().splitlines()
    assert array.split("|")[1:-1] == [
        "--parsable",
        "--array=0-1%4",
        f"--output={folder}/logs/slurm-%A_%a.log",
        "--time=02:00:00",
        f"{folder}/slurm.sh",
        "point",
    ]
    assert status.split("|")[1:-1] == [
        "--dependency=afterany:41",
        f"--output={folder}/status-41.txt",
        "--time=02:00:00",
        f"{folder}/slurm.sh",
        "status",
    ]


def test_a_task_trains_its_point_and_the_status_has_it(slurm, command):
    done = slurm("point")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert attempts() == ["001"]
    assert (SWEEP / "logs/001.code").read_text() == "0\n"
    lines = command("sweep", SWEEP, "--status").out.splitlines()
    assert [line.split()[-1] for line in lines[2:4]] == ["waiting", "finished"]


def test_a_task_is_a_command_of_train(slurm):
    done = slurm("point", srun='echo "$@"', task="0")

    folder = SWEEP.absolute()
    assert done.returncode == 0
    assert sorted((SWEEP / "logs/000.log").read_text().splitlines()) == [
        f"mmcli train {folder}/configs/000.yaml -o {folder}/points/000 --resume --threads 1",
    ]


@pytest.mark.parametrize(
    ("code", "printed", "kept"), [(138, "scontrol requeue 77\n", None), (3, "", "3\n"), (137, "", "137\n")]
)
def test_a_task_whose_time_is_up_is_requeued(slurm, command, code, printed, kept):
    done = slurm("point", srun=f"echo mmcli: error: no luck >&2; exit {code}", task="0")

    assert (done.returncode, done.stdout) == (code, printed)
    file = SWEEP / "logs/000.code"
    assert (file.read_text() if file.exists() else None) == kept
    line = command("sweep", SWEEP, "--status").out.splitlines()[1]
    expected = {138: "waiting", 3: "failed (round 0): no luck", 137: "failed (round 0): ended by SIGKILL"}
    assert line.endswith(expected[code])


def test_the_status_is_that_of_the_sweep(slurm):
    done = slurm("status")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "point  seed  seconds  status",
        "000    0     0.0      waiting",
        "001    1     0.0      waiting",
    ]
