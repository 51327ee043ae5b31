"""How long a finished run takes to recognise items, on one core, and how much memory `mmcli evaluate --data` takes."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from cores import restart_on_one_core
from timing import take_turns
from whole import measure

from mmcli import load_run

ITEMS = 1000
TURNS = 10


def repeated(test: dict[str, np.ndarray], num_items: int) -> dict[str, np.ndarray]:
    """The held-out items over and over."""
    items = np.arange(num_items) % len(next(iter(test.values())))
    return {name: array[items] for name, array in test.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="of a config that names held-out data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="[1000 10000 100000]")
    arguments = parser.parse_args()
    restart_on_one_core()

    run = load_run(arguments.run)
    test = {}
    for sense in run.senses:
        with np.load(run.config.test[sense].file) as arrays:
            test[sense] = arrays[str(run.config.test[sense].key)]
    senses = repeated(test, ITEMS)
    run.predict(**senses)  # compiles
    take_turns({f"{ITEMS} items": lambda: run.predict(**senses)}, TURNS)

    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data.npz"
            large = repeated(test, size)
            np.savez(data, allow_pickle=False, **large)
            as_float = 4 * sum(array.size for array in large.values())
            del large
            usage = measure(["evaluate", str(arguments.run), "--data", str(data), "-o", str(Path(folder) / "out")])
        told = f"{usage.seconds:.1f} s, {usage.peak_bytes / 2**20:.0f} MiB at the peak"
        print(f"{size:,} items: {told}, {as_float / 2**20:.0f} MiB of them the data as float32", flush=True)


if __name__ == "__main__":
    main()
