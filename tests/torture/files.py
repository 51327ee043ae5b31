"""Bad data files: exit code 2 and one line within 5 s and 400 MB, each in a process of its own; a long good text."""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lab import options, report

from mmcli.data.formats import read_array
from mmcli.errors import DataError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bad_files import BAD_FILES, GOOD_FILES, SLOW_FILES

SECONDS, MEGABYTES = 5.0, 400.0
LONG_SECONDS, LONG_MEGABYTES = 40.0, 1500.0

# The super-user may read what nobody may, so it becomes nobody for what has no permission.
RUN = """
import encodings.cp437, encodings.utf_8_sig, os, resource, sys  # nobody may not find what comes with Python
from mmcli.cli import check
from mmcli.cli.main import main
from mmcli.data import dataset
if not os.geteuid() and os.path.isfile("bad") and not os.stat("bad").st_mode & 0o444:
    os.setuid(65534)
main()
"""
# In a process of its own: the peak memory of a process begins at that of the one that started it.
MEASURE = """
import os, sys, time
begun = time.perf_counter()
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(os.waitstatus_to_exitcode(status), time.perf_counter() - begun, used.ru_maxrss)
"""


class Measured(NamedTuple):
    """What a process took, and left behind."""

    code: int
    err: str
    seconds: float
    megabytes: float  # at its peak


def check(folder: Path, config: str = "x.yaml") -> Measured:
    """`mmcli check` in a process of its own."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    line = [sys.executable, "-c", MEASURE, sys.executable, "-c", RUN, "check", config]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    code, seconds, peak = done.stdout.split()[-3:]
    scale = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, KB elsewhere
    return Measured(int(code), done.stderr, float(seconds), float(peak) / scale)


def bad_files() -> None:
    begun, good = time.perf_counter(), 0
    slowest, largest = ("", 0.0), ("", 0.0)
    for bad in BAD_FILES + SLOW_FILES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            folder.chmod(0o755)
            bad.lay_out(folder)
            done = check(folder)
            lines = done.err.splitlines()
            is_told = done.code == 2 and len(lines) == 1 and lines[0].startswith(bad.line) and bad.said in lines[0]
            is_run = (folder / "unpickled").exists()
        slowest = max(slowest, (bad.name, done.seconds), key=lambda named: named[1])
        largest = max(largest, (bad.name, done.megabytes), key=lambda named: named[1])
        if is_told and not is_run and done.seconds < SECONDS and done.megabytes < MEGABYTES:
            good += 1
        else:
            print(f"{bad.name}: exit code {done.code}, {done.seconds:.1f} s, {done.megabytes:.0f} MB, {done.err[:500]}")
    print(f"slowest {slowest[1]:.1f} s ({slowest[0]}), largest {largest[1]:.0f} MB ({largest[0]})")
    report("bad files refused in one line", good, len(BAD_FILES + SLOW_FILES), begun)


def damaged_files(rng: random.Random, num_flips: int) -> None:
    """Bits flipped, bytes lost: what is left is read or refused, and nothing else happens."""
    begun, good = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "bad")
        for content, key in GOOD_FILES.values():
            for _ in range(num_flips):
                damaged = bytearray(content)
                for _ in range(rng.choice([1, 1, 2, 4])):
                    place = rng.randrange(len(damaged))
                    damaged[place] ^= 1 << rng.randrange(8)
                    if rng.random() < 0.2:
                        del damaged[place : place + rng.randrange(1, 9)]
                file.write_bytes(damaged)
                try:
                    read_array(file, key)
                    good += 1
                except DataError as error:
                    good += len(str(error).splitlines()) == 1
    report("damaged data files read or refused", good, num_flips * len(GOOD_FILES), begun)


def long_text(num_rows: int) -> None:
    """A text as the tutorial's, 80 KB a row, read, and read again from the cache; and one of short numbers."""
    config = "data: {x: {file: long.txt}}\nmodules:\n  x: {type: observation, data: x}\n"
    config += "  y: {type: mlda, inputs: [x], num_classes: 2}\n"
    row = np.random.default_rng(0).poisson(0.5, 3200)
    kinds = {
        "numbers of 25 characters": " ".join(f"{count:.18e}" for count in row) + "\n",
        "numbers of 2 characters": (" ".join(f"{count % 10}" for count in row) + "\n") * 12,
    }
    for kind, content in kinds.items():
        begun, good = time.perf_counter(), 0
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            (folder / "x.yaml").write_text(config)
            with (folder / "long.txt").open("w") as file:
                for _ in range(num_rows):
                    file.write(content)
            size = (folder / "long.txt").stat().st_size / 1e6
            for when in ("read", "read again"):
                done = check(folder)
                good += done.code == 0 and done.seconds < LONG_SECONDS and done.megabytes < LONG_MEGABYTES
                print(f"{size:.0f} MB of {kind}, {when}: {done.seconds:.1f} s, {done.megabytes:.0f} MB {done.err}")
        report(f"a text of {size:.0f} MB read within {LONG_SECONDS:.0f} s and {LONG_MEGABYTES:.0f} MB", good, 2, begun)


if __name__ == "__main__":
    asked = options(__doc__, rows=3000, flips=1000)
    bad_files()
    damaged_files(random.Random(asked.seed), asked.flips)
    long_text(asked.rows)
