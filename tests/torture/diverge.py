"""Numbers made to diverge, ten ways: exit code 3, module, round and remedy named, the last good checkpoint kept."""

import tempfile
import time
from pathlib import Path

import numpy as np
from lab import explain, finish, lay_out, report, train

from mmcli.runs.writer import RunDirectory

# What to set, in which graph, and what to multiply the images by.
WAYS = [
    ("chain", ["modules.vae.learning_rate=1e20"], 1),
    ("chain", ["modules.vae.learning_rate=1e30"], 1),
    ("chain", ["modules.vae.kl_weight=1e38"], 1),
    ("chain", ["modules.vae.likelihood=gaussian", "modules.vae.learning_rate=1e25"], 1e30),
    ("chain", ["modules.mlda.beta=1e38"], 1),
    ("chain", ["modules.gmm.message_weight=1e38"], 1),
    ("chain", ["modules.mlda.alpha=1e38"], 1),
    ("chain", ["modules.mlda.weights=[1e38, 1e38]"], 1),
    ("fork", ["modules.near.alpha=1e38"], 1e25),
    ("fork", ["modules.near.beta=1e38"], 1),
]


def has_only_numbers(run: Path) -> bool:
    texts = [path.read_text().lower() for path in run.glob("module*/*.txt")]
    arrays = [np.load(path) for path in run.glob("module*/*.npy")]
    for path in run.glob("module*/params.npz"):
        with np.load(path) as stored:
            arrays += [stored[name] for name in stored]
    return not any("nan" in text or "inf" in text for text in texts) and all(np.isfinite(a).all() for a in arrays)


def main() -> None:
    begun, good = time.perf_counter(), 0
    for graph, overrides, scale in WAYS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            lay_out(folder)
            with np.load(folder / "x.npz") as arrays:
                images = arrays["images"] * np.float32(scale)
                np.savez(folder / "x.npz", images=images, words=arrays["words"], kinds=arrays["kinds"])
            run = folder / "run"
            done = finish(train(graph, run, folder, *(word for text in overrides for word in ("--set", text))))
            last = done.err.splitlines()[-1]
            checkpoint, problems = RunDirectory(run).checkpoints.load()
            is_told = last.startswith("mmcli: error: module ") and ", round " in last and "; try " in last
            if done.code == 3 and is_told and checkpoint is not None and not problems and has_only_numbers(run):
                good += 1
            else:
                print(f"{graph}, {' '.join(overrides)}, images times {scale:g}: {explain(done)}", flush=True)
    report("runs that diverged, reported and with a good checkpoint", good, len(WAYS), begun)


if __name__ == "__main__":
    main()
