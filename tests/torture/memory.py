"""Peak memory of training beside what `mmcli check` reckons with: each within a factor of 1.5.

A run a line, in a process of its own: module, items, columns, gigabytes reckoned, gigabytes at the peak, their ratio.
"""

import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse

from mmcli.cli.main import main
from mmcli.workflows import memory
from mmcli.workflows.check import check

FACTOR = 1.5
MODULES = "rounds: 1\nmodules:\n  o: {type: observation, data: x}\n  m: "
CASES = {  # options, items, columns, share of values that are not zero
    "gmm": ("{type: gmm, inputs: [o], num_classes: 4, covariance: full, sweeps: 2, chains: 2}", 1000, 800, 1.0),
    "gmm of many items": ("{type: gmm, inputs: [o], num_classes: 50, sweeps: 2, chains: 8}", 200_000, 6, 1.0),
    "vae": ("{type: vae, inputs: [o], latent_dim: 10, epochs: 1, likelihood: gaussian}", 30_000, 800, 1.0),
    "vae of many units": (
        "{type: vae, inputs: [o], latent_dim: 10, epochs: 1, hidden_dim: 8000, likelihood: gaussian}",
        *(2000, 2000, 1.0),
    ),
    "mlda": ("{type: mlda, inputs: [o], num_classes: 20, sweeps: 2, anneal_sweeps: 2}", 30_000, 800, 1.0),
    "mlda with weights": (
        "{type: mlda, inputs: [o], num_classes: 20, sweeps: 2, anneal_sweeps: 2, weights: [10]}",
        *(30_000, 800, 1.0),
    ),
    "sparse mlda": ("{type: mlda, inputs: [o], num_classes: 20, sweeps: 2, anneal_sweeps: 2}", 50_000, 20_000, 0.01),
}


def write(folder: Path, options: str, num_items: int, num_columns: int, share: float) -> Path:
    rng = np.random.default_rng(0)
    if share < 1:
        rows = scipy.sparse.random_array((num_items, num_columns), density=share, format="csr", rng=rng)
        rows.data[:] = 1
        scipy.sparse.save_npz(folder / "x.npz", rows.astype(np.float32))
    else:
        np.savez(folder / "x.npz", x=rng.random((num_items, num_columns), dtype=np.float32))
    config = folder / "x.yaml"
    source = "{file: x.npz}" if share < 1 else "{file: x.npz, key: x}"
    config.write_text(f"data: {{x: {source}}}\n{MODULES}{options}\n")
    return config


def reckoned(config: Path) -> float:
    """Bytes that a check reckons with."""
    experiment = check(config)
    return memory.needed(experiment.graph, experiment.datasets)[1]


def measured(config: Path) -> float:
    """Bytes at the peak of a run in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, str(config)], capture_output=True, text=True, check=True, cwd=config.parent
    )
    return 1024 * float(done.stdout.split()[-1])


def train(config: str) -> None:
    sys.argv = ["mmcli", "train", config, "-o", "run", "--threads", "1"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
    if not Path("run/SHA256SUMS").exists():
        os._exit(1)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def compare() -> int:
    wrong = 0
    for name, (options, *shape) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            config = write(Path(folder), options, *shape)
            estimate, peak = reckoned(config), measured(config)
        ratio = estimate / peak
        wrong += not 1 / FACTOR <= ratio <= FACTOR
        print(
            f"{name:20} {shape[0]:9,} {shape[1]:7,}  {estimate / 1e9:5.2f}  {peak / 1e9:5.2f}  {ratio:.2f}", flush=True
        )
    return wrong


if __name__ == "__main__":
    sys.exit(train(sys.argv[1]) if len(sys.argv) > 1 else compare())
