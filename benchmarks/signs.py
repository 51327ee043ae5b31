"""Share of runs with a sign of a bad run, on planted classes: with the usual search, and with hardly any.

600 items of 6 classes, each with a point in 5 dimensions and 60 words of 40. Labels only decide which runs went wrong.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import mmcli
from mmcli.runs.history import HistoryLine
from mmcli.workflows.watcher import Silent

NUM_CLASSES, NUM_ITEMS = 6, 600
SETTLED = {"rounds": 5, "gmm": {"sweeps": 50, "chains": 8}, "mlda": {"restarts": 8}}
HASTY = {"rounds": 2, "gmm": {"sweeps": 3, "chains": 1}, "mlda": {"restarts": 1, "sweeps": 5, "anneal_sweeps": 1}}
RIGHT = 0.95  # ACC of both modules


class Signs(Silent):
    """Collects the signs of a run, and the last line of each module."""

    def __init__(self) -> None:
        self.signs: list[str] = []
        self.last: dict[str, HistoryLine] = {}

    def updated(self, line: HistoryLine) -> None:
        """Keep the line."""
        self.last[line.module] = line

    def noted(self, line: str) -> None:
        """Keep a sign."""
        if line.startswith("sign of a bad run: "):
            self.signs.append(line.removeprefix("sign of a bad run: "))


def planted(seed: int) -> dict[str, np.ndarray]:
    """Classes and what is observed of their items: points of unit variance, words of a class's own distribution."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(NUM_ITEMS) % NUM_CLASSES
    means = 4 / np.sqrt(10) * rng.normal(size=(NUM_CLASSES, 5))  # 4 apart, in the root of the mean square
    points = means[kinds] + rng.normal(size=(NUM_ITEMS, 5))
    probs = rng.dirichlet(np.full(40, 0.2), NUM_CLASSES)
    words = np.array([rng.multinomial(60, probs[kind]) for kind in kinds])
    return {"points": points.astype(np.float32), "words": words, "kinds": kinds}


def config(search: dict[str, Any]) -> dict[str, Any]:
    """A GMM of the points below an MLDA of the words."""
    classes = {"num_classes": NUM_CLASSES, "labels": "kinds"}
    return {
        "rounds": search["rounds"],
        "modules": {
            "point": {"type": "observation", "data": "points"},
            "word": {"type": "observation", "data": "words"},
            "gmm": {"type": "gmm", "inputs": ["point"], **classes, **search["gmm"]},
            "mlda": {"type": "mlda", "inputs": ["word", "gmm"], "weights": [60, 60], **classes, **search["mlda"]},
        },
    }


def main() -> None:
    """Train, and print a line a run and a line a setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 0")
    seeds = parser.parse_args().seeds
    for name, search in (("settled", SETTLED), ("hasty", HASTY)):
        signed = wrong = both = 0
        for seed in range(seeds):
            found = Signs()
            with tempfile.TemporaryDirectory() as folder:
                mmcli.train(
                    config(search), data=planted(seed), seed=seed, output=Path(folder, "run"), progress=found, threads=1
                )
            accs = {module: line.acc or 0.0 for module, line in found.last.items()}
            is_wrong = min(accs.values()) < RIGHT
            signed, wrong, both = signed + bool(found.signs), wrong + is_wrong, both + (is_wrong and bool(found.signs))
            measures = ", ".join(f"{module} {acc:.3f}" for module, acc in accs.items())
            print(f"{name} {seed}: ACC {measures}; {len(found.signs)} signs", *found.signs, sep="\n    ", flush=True)
        print(f"{name}: {signed} of {seeds} runs with a sign; {wrong} wrong, {both} of these with a sign", flush=True)


if __name__ == "__main__":
    main()
