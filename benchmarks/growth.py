"""Whole runs of the recommended config on few pairs and on many, on a CPU or another device of jax.

The pairs are drawn from the bundled ones: an image and a recording of the same digit, each with replacement.
"""

import argparse
import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from training import mmcli
from whole import measure

from mmcli.runs.reader import RunFiles

BUNDLED = Path("data/mnist_arabic/train.npz")
BLOCK = 10_000  # pairs written at a time


def write_pairs(folder: Path, num_pairs: int, seed: int) -> dict[str, Path]:
    """Write pairs of the bundled images and recordings, drawn within each digit; the file of each array."""
    with np.load(BUNDLED) as bundled:
        images, speech, labels = bundled["images"], bundled["speech"], bundled["labels"]
    random = np.random.default_rng(seed)
    drawn = np.repeat(np.unique(labels), -(-num_pairs // len(np.unique(labels))))[:num_pairs]
    files = {"digits": folder / "digits.npy"}
    np.save(files["digits"], drawn)
    for name, rows in (("images", images), ("speech", speech)):
        places = np.empty(num_pairs, int)
        for label in np.unique(labels):
            places[drawn == label] = random.choice(np.flatnonzero(labels == label), (drawn == label).sum())
        files[name] = folder / f"{name}.npy"
        with files[name].open("wb") as file:
            header = {"descr": rows.dtype.str, "fortran_order": False, "shape": (num_pairs, rows.shape[1])}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, num_pairs, BLOCK):
                file.write(rows[places[start : start + BLOCK]].tobytes())
    return files


def learning_seconds(run: Path) -> dict[str, float]:
    """Seconds that each module learned in all rounds; neither compiling nor the starts of the search are in it."""
    seconds = defaultdict[str, float](float)
    for line in RunFiles.open(run).history():
        seconds[line.module] += line.seconds
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="configs/mnist_arabic_tuned.yaml", help="[the recommended one]")
    parser.add_argument("--pairs", type=int, nargs="+", default=[3_000, 60_000], help="[3000 60000]")
    parser.add_argument("--platforms", nargs="+", default=["cpu"], help="of JAX_PLATFORMS: cpu, cuda [cpu]")
    parser.add_argument("--seed", type=int, default=0, help="of the pairs and of the runs [0]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of mmcli train")
    arguments = parser.parse_args()

    for num_pairs in arguments.pairs:
        with tempfile.TemporaryDirectory() as folder:
            files = write_pairs(Path(folder), num_pairs, arguments.seed)
            options = [
                option
                for name, file in files.items()
                for option in (f"data.{name}.file={file}", f"data.{name}.key=null")
            ] + arguments.set
            for place, platform in enumerate(arguments.platforms):
                os.environ["JAX_PLATFORMS"] = platform
                run = Path(folder) / f"{place}-{platform}"
                overrides = [word for option in options for word in ("--set", option)]
                usage = measure(["train", arguments.config, "--seed", str(arguments.seed), "-o", str(run), *overrides])
                measures = json.loads(mmcli("evaluate", str(run), "--json"))["modules"]
                print(f"{num_pairs} pairs  {platform}  {usage.seconds:.1f} s  {usage.peak_bytes / 2**20:.0f} MiB")
                for module, seconds in learning_seconds(run).items():
                    acc = f"  ACC {measures[module]['acc']:.4f}" if module in measures else ""
                    print(f"  {module}  {seconds:.1f} s{acc}", flush=True)


if __name__ == "__main__":
    main()
