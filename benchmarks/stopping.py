"""How long a run over many items takes to end after SIGTERM, at random moments; each time it goes on where it was."""

import argparse
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CONFIG = """\
rounds: 100
data: {images: {file: x.npz, key: images}, words: {file: x.npz, key: words}}
modules:
  image:  {type: observation, data: images}
  speech: {type: observation, data: words}
  vae:    {type: vae, inputs: [image], latent_dim: 18, epochs: 3}
  gmm:    {type: gmm, inputs: [vae], num_classes: 10, sweeps: 10}
  mlda:   {type: mlda, inputs: [speech, gmm], num_classes: 10, weights: [200, 200], sweeps: 6, anneal_sweeps: 6}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="rows of the data [100000]")
    parser.add_argument("--trials", type=int, default=12, help="signals [12]")
    parser.add_argument("--longest", type=float, default=40, help="seconds until a signal comes, at most [40]")
    asked = parser.parse_args()
    rng, moments, seconds = np.random.default_rng(0), random.Random(0), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images, words = rng.random((asked.items, 784), np.float32), rng.integers(0, 3, (asked.items, 600), np.uint8)
        np.savez(folder / "x.npz", images=images, words=words)
        (folder / "x.yaml").write_text(CONFIG)
        line = [sys.executable, "-m", "mmcli", "train", "x.yaml", "-o", "run", "--resume", "--threads", "1"]
        for trial in range(asked.trials):
            process = subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, text=True)
            assert process.stderr is not None
            for _ in range(2 if trial else 1):
                process.stderr.readline()  # the run directory, and where it goes on
            time.sleep(moments.uniform(0, asked.longest))
            process.send_signal(signal.SIGTERM)
            sent = time.perf_counter()
            last_line = process.communicate()[1].splitlines()[-1]
            seconds.append(time.perf_counter() - sent)
            assert process.returncode == 128 + signal.SIGTERM, last_line
            last = max((folder / "run" / "checkpoint").iterdir())
            size = last.stat().st_size / 1e6
            print(f"{seconds[-1]:.2f} s: {last_line.partition(';')[0]}, {last.stem}, {size:.0f} MB", flush=True)
    print(f"minimum {min(seconds):.2f} s  median {statistics.median(seconds):.2f} s  maximum {max(seconds):.2f} s")


if __name__ == "__main__":
    main()
