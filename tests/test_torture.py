"""A small share of `make torture`."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "torture"


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        ["disk.py", "--points", "3"],
        ["damage.py", "--flips", "20", "--cuts", "10", "--swaps", "6"],
        ["kills.py", "--moments", "1", "--points", "1"],
        ["hangs.py", "--models", "gmm", "--widths", "100", "--threads", "2"],
    ],
    ids=lambda line: line[0],
)
def test_a_share_of_the_torture(line):
    done = subprocess.run([sys.executable, SCRIPTS / line[0], *line[1:]], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
