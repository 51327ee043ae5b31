"""`mmcli sweep --scheduler`: a real scheduler and worker processes, and stand-ins as jobs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from sweeps import attempts, status, wait_for

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

SWEEP = Path("runs/x-sweep")


class Cluster(NamedTuple):
    """Processes of a Dask cluster on this machine."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@pytest.fixture
def cluster(config: Path) -> Iterator[Callable[[int], Cluster]]:
    """Start a scheduler and so many workers of one thread each, in the working directory."""
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with ExitStack() as stack:

        def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
            log = stack.enter_context((config.parent / f"{program}.log").open("ab"))
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        def cluster(num_workers: int) -> Cluster:
            file = config.parent / "scheduler.json"
            options = ("--no-dashboard", "--scheduler-file", str(file))
            scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", *options)
            wait_for(file.exists)
            nanny = ("--no-nanny", "--nthreads", "1")
            workers = [start("worker", *options, *nanny) for _ in range(num_workers)]
            address = next(part for part in file.read_text().split('"') if part.startswith("tcp://"))
            return Cluster(address, scheduler, workers)

        yield cluster


def test_jobs_run_on_workers_and_survive_one_of_them(cluster, config, jobs, process):
    """One job fails, and the worker of another is killed: a second attempt waits for the orphan of the first."""
    jobs(**{"0": "wait", "1": "fail"})
    _, _, workers = found = cluster(2)
    sweep = process("sweep", config, "--seeds", "0-3", "--scheduler", found.address)
    wait_for(lambda: status("000") == "running" and all(status(name) == "finished" for name in ("002", "003")))
    holder = (SWEEP / "points/000/lock").read_text().split()[-1]
    parent = int(Path(f"/proc/{holder}/stat").read_text().rpartition(")")[2].split()[1])
    (killed,) = (worker for worker in workers if worker.pid == parent)

    killed.kill()
    Path("go").touch()
    out, err = sweep.communicate(timeout=60)

    assert sweep.returncode == 6, err
    lines = [line.split() for line in out.splitlines()[2:6]]
    assert [line[0] for line in lines] == ["000", "001", "002", "003"]
    assert [line[-1] for line in lines] == ["finished", "luck", "finished", "finished"]
    assert "001  seed 1  failed: no luck\n" in err
    assert sorted(attempts()) == ["000", "000", "001", "002", "003"]
    assert not list(SWEEP.glob("*.stop"))


def test_a_signal_stops_jobs_on_workers(cluster, config, jobs, process):
    jobs(**{"0": "sleep"})
    sweep = process("sweep", config, "--seeds", "0-1", "--scheduler", cluster(1).address)
    wait_for(lambda: status("000") == "running")

    sweep.send_signal(signal.SIGTERM)
    _, err = sweep.communicate(timeout=60)

    assert sweep.returncode == 128 + signal.SIGTERM, err
    assert err.splitlines()[-1].startswith("mmcli: stopped by SIGTERM; 0 of 2 points finished, ")
    assert status("000") == "stopped"
    assert attempts() == ["000"]


def test_a_scheduler_that_is_gone_ends_the_sweep_and_the_same_command_continues(
    cluster, config, jobs, process, command
):
    jobs(**{"0": "sleep"})
    found = cluster(1)
    sweep = process("sweep", config, "--seeds", "0-1", "--scheduler", found.address)
    wait_for(lambda: status("000") == "running")

    found.scheduler.kill()
    out, err = sweep.communicate(timeout=60)

    assert (sweep.returncode, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"mmcli: error: --scheduler {found.address}: no longer answers; runs under way are asked to stop, "
        "and the same command continues"
    )
    wait_for(lambda: status("000") == "stopped")
    jobs()
    assert command("sweep", config, "--seeds", "0-1").code == 0


def test_a_scheduler_that_does_not_answer(config, jobs, command, monkeypatch):
    jobs()
    monkeypatch.setattr("mmcli.launch.dask.ANSWER_SECONDS", 0.5)

    for address in ("tcp://127.0.0.1:9", "nowhere", "tcp://127.0.0.1:x"):
        done = command("sweep", config, "--seeds", "0-1", "--scheduler", address)

        assert (done.code, done.out) == (2, "")
        assert done.err.splitlines()[-1].startswith(f"mmcli: error: --scheduler {address}: does not answer (")
    assert attempts() == []
