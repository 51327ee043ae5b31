"""A config that is read but not learned from, and a stand-in for the processes of a sweep."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import stand_in

from mmcli.launch import sweep

CONFIG = """\
rounds: 1
data:
  points: {file: points.npy}
  kinds: {file: kinds.npy}
modules:
  point: {type: observation, data: points}
  gmm: {type: gmm, inputs: [point], num_classes: 2, sweeps: 5, chains: 1, labels: kinds}
"""
PROGRAM = (sys.executable, stand_in.__file__)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config in the working directory, which is the test's own, and its data."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1], 10)
    np.save("points.npy", rng.normal(9.0 * kinds[:, None], 1.0, (20, 2)))
    np.save("kinds.npy", kinds)
    path = Path("x.yaml")
    path.write_text(CONFIG)
    return path


@pytest.fixture
def jobs(config: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Stand-ins as the processes of sweeps: `jobs(**{"3": "fail"})` gives them orders by seed."""
    monkeypatch.setattr(sweep, "PROGRAM", PROGRAM)

    def order(**orders: str) -> None:
        (config.parent / "orders.json").write_text(json.dumps(orders))

    return order


@pytest.fixture
def process(jobs: Callable[..., None]) -> Callable[..., subprocess.Popen[str]]:
    """`mmcli ...` as a process of its own, whose jobs are stand-ins."""
    jobs()

    def start(*arguments: object) -> subprocess.Popen[str]:
        script = (
            "import sys\n"
            "from mmcli.launch import sweep\n"
            "from mmcli.cli.main import main\n"
            f"sweep.PROGRAM = {PROGRAM!r}\n"
            f"sys.argv = {['mmcli', *map(str, arguments)]!r}\n"
            "main()\n"
        )
        return subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start
