"""mmcli beside other programs and beside the machine, on one core and on all: one table, made in one run.

    pip install torch==2.13.0 tomotopy==0.14.0 gensim==4.4.0
    python benchmarks/peers.py

Programs that are not installed are left out. Those of a row work in turns; rates are medians. "Products" is the share
of mmcli's time in which matrix products of the same shapes, and nothing else, would be done.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cores import limit_cores
from whole import measure

REFERENCE_SECONDS = 5594  # of the reference, Serket, on the tutorial's pairs, five rounds on one core
WHOLE = "configs/mnist_arabic.yaml"
TINY = "configs/tiny.yaml"
TASKS = Path(__file__).with_name("peer_tasks.py")


def whole_rows(cores: int, is_quick: bool) -> Iterator[str]:
    """Whole commands as rows of a table: compiling everything, then with what was compiled kept."""
    for config in (TINY,) if is_quick else (TINY, WHOLE):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder  # of what was compiled
            usages = [measure(["train", config, "-o", str(Path(folder) / f"run{turn}")]) for turn in range(2)]
        beside = f"{REFERENCE_SECONDS / usages[-1].seconds:,.0f}" if config == WHOLE else "-"
        cold, warm = (f"{usage.seconds:.1f} s" for usage in usages)
        yield f"| {cores} | {config} | {cold} | {warm} | {usages[-1].peak_bytes / 2**20:.0f} MiB | {beside} |"


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown of the measured tasks."""
    yield "| cores | work | mmcli, a second | times the rate of | products |\n| --- | --- | --- | --- | --- |"
    for row in rows:
        own, *others = row["rates"].items()
        ratios = ", ".join(f"{name} {own[1] / rate:.2f}" for name, rate in others) or "-"
        share = "-" if row["products"] is None else f"{row['products']:.0%}"
        yield f"| {row['cores']} | {row['name']} | {own[1]:.3g} {row['unit']} | {ratios} | {share} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller rows, in about two minutes")
    arguments = parser.parse_args()
    flags = ["--quick"] if arguments.quick else []
    counts = sorted({len(os.sched_getaffinity(0)), 1}, reverse=True)
    rows, wholes = [], []
    for cores in counts:  # what is given up cannot be taken back
        limit_cores(cores)
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder) / "rows.json"
            subprocess.run([sys.executable, TASKS, found, *flags], check=True)
            rows += json.loads(found.read_text(encoding="utf-8"))
        wholes += whole_rows(cores, arguments.quick)
    missing = [name for name in ("torch", "tomotopy", "gensim") if importlib.util.find_spec(name) is None]
    print(*table(rows), sep="\n")
    print("\n| cores | `mmcli train` | compiling all | compiled | peak | times as fast as the reference |")
    print("| --- | --- | --- | --- | --- | --- |", *wholes, sep="\n")
    if missing:
        print(f"\nnot installed, and left out: {', '.join(missing)}")


if __name__ == "__main__":
    main()
