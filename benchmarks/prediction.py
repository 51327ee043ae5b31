"""How long a finished run takes to predict items, on one core, and how much memory `mmcli evaluate --data` takes."""

import argparse
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from cores import restart_on_one_core
from numpy.lib import format as npy
from timing import take_turns
from whole import measure

from mmcli import load_run

ITEMS = 1000
TURNS = 10


def write_repeated(path: Path, test: dict[str, np.ndarray], num_items: int, compression: int) -> None:
    """A .npz of the held-out items over and over; never whole in memory, or `measure` would count it."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in test.items():
            header = npy.header_data_from_array_1_0(array) | {"shape": (num_items, *array.shape[1:])}
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array_header_1_0(member, header)
                for start in range(0, num_items, len(array)):
                    member.write(array[: num_items - start].tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="of a config that names held-out data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="[1000 10000 100000]")
    parser.add_argument("--compressed", action="store_true", help="as numpy.savez_compressed writes it")
    arguments = parser.parse_args()
    restart_on_one_core()

    run = load_run(arguments.run)
    test = {}
    for sense in run.senses:
        with np.load(run.config.test[sense].file) as arrays:
            test[sense] = arrays[str(run.config.test[sense].key)]
    compression = zipfile.ZIP_DEFLATED if arguments.compressed else zipfile.ZIP_STORED
    # Before jax is at work here: what a process takes begins with what the one that starts it holds.
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data.npz"
            write_repeated(data, test, size, compression)
            usage = measure(["evaluate", str(arguments.run), "--data", str(data), "-o", str(Path(folder) / "out")])
        as_float = size * 4 * sum(array[0].size for array in test.values())
        taken = f"{usage.seconds:.1f} s, {usage.peak_bytes / 2**20:.0f} MiB at the peak"
        print(f"{size:,} items: {taken}; as float32 the data would be {as_float / 2**20:.0f} MiB", flush=True)

    senses = {name: array[np.arange(ITEMS) % len(array)] for name, array in test.items()}
    run.predict(**senses)  # compiles
    take_turns({f"{ITEMS} items": lambda: run.predict(**senses)}, TURNS)


if __name__ == "__main__":
    main()
