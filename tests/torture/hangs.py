"""Every type of module learns, narrow and wide, on 1 to 4 threads, each in a process that is ended if it stands still.

A graph with two gmms is asked for draws as well: prediction goes through all of its modules.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from lab import Done, explain, report
from scipy import sparse

LIMIT = 300  # seconds for a process: compiling is most of what it takes
NUM_ITEMS = 120
NUM_CLASSES = 10
SENSES = {
    "points": "{file: x.npz, key: points}",
    "words": "{file: x.npz, key: words}",
    "rare": "{file: sparse.npz}",
}
# What a model observes, and its modules; {sweeps} are the fewer the wider the data.
MODELS = {
    "vae": (
        ("points",),
        ["vae: {{type: vae, inputs: [points], latent_dim: 5, hidden_dim: 64, epochs: 20, likelihood: gaussian}}"],
    ),
    "gmm": (
        ("points",),
        ["gmm: {{type: gmm, inputs: [points], num_classes: 10, covariance: full, sweeps: {sweeps}, chains: 2}}"],
    ),
    "mlda": (
        ("words",),
        ["mlda: {{type: mlda, inputs: [words], num_classes: 10, sweeps: 20, anneal_sweeps: 20, restarts: 4}}"],
    ),
    "sparse": (
        ("rare",),
        ["mlda: {{type: mlda, inputs: [rare], num_classes: 10, sweeps: 20, anneal_sweeps: 20, restarts: 4}}"],
    ),
    "two": (
        ("points", "rare"),
        [
            "near: {{type: gmm, inputs: [points], num_classes: 10, covariance: full, sweeps: {sweeps}, chains: 1}}",
            "far: {{type: gmm, inputs: [points], num_classes: 5, covariance: full, sweeps: {sweeps}, chains: 1}}",
            "mlda: {{type: mlda, inputs: [rare, near, far], num_classes: 10, sweeps: 5, restarts: 2}}",
        ],
    ),
}


def numbers(words: str) -> list[int]:
    return [int(word) for word in words.split(",")]


def lay_out(folder: Path, width: int) -> None:
    """Data of so many columns, and a config for each model."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = np.arange(NUM_ITEMS) % NUM_CLASSES
    points = 3 * rng.normal(size=(NUM_CLASSES, width))[labels] + rng.normal(size=(NUM_ITEMS, width))
    words = rng.poisson(rng.gamma(0.3, size=(NUM_CLASSES, width))[labels] + 0.1)
    np.savez(folder / "x.npz", points=points, words=words)
    sparse.save_npz(folder / "sparse.npz", sparse.csr_array(words.astype(np.float32)))
    for name, (senses, modules) in MODELS.items():
        data = [f"{sense}: {SENSES[sense]}" for sense in senses]
        seen = [f"{sense}: {{type: observation, data: {sense}}}" for sense in senses]
        learn = [module.format(sweeps=max(4, 1500 // width)) for module in modules]
        lines = [
            "rounds: 1",
            "search: {starts: 2, rounds: 1}",
            "data:",
            *indented(data),
            "modules:",
            *indented(seen + learn),
        ]
        (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")


def indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def finish(line: list[str], folder: Path, threads: int, limit: float) -> Done | None:
    """A command on so many threads; None where it had to be ended."""
    environment = os.environ | {
        "PJRT_NPROC": str(threads),
        "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "mmcli", *line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return Done(process.returncode, out, err)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS), help="[%(default)s]")
    parser.add_argument("--widths", type=numbers, default=[10, 100, 300], help="columns [10,100,300]")
    parser.add_argument("--threads", type=numbers, default=[1, 2, 3, 4], help="[1,2,3,4]")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a process [%(default)s]")
    asked = parser.parse_args()
    begun, good, num_trials = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        for width in asked.widths:
            folder = Path(name).resolve() / str(width)
            lay_out(folder, width)
            for model, threads in itertools.product(asked.models.split(","), asked.threads):
                run = f"{model}-{threads}"
                commands = [["train", f"{model}.yaml", "-o", run, "--threads", str(threads)]]
                if model == "two":
                    commands.append(["generate", run, "--to", "points", "--sample", "-o", f"{run}.npz"])
                for command in commands:
                    num_trials += 1
                    done = finish(command, folder, threads, asked.limit)
                    where = f"{command[0]} {model}, {width} columns, {threads} threads"
                    if done is None:
                        print(f"{where}: STOOD STILL, ended after {asked.limit:g} s", flush=True)
                    elif done.code != 0:
                        print(f"{where}: {explain(done)}", flush=True)
                    else:
                        good += 1
    report("processes that ended by themselves, with exit code 0", good, num_trials, begun)


if __name__ == "__main__":
    main()
