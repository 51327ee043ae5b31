"""Classes found in planted data: few items, many classes, one to six senses, words by the thousand.

    python benchmarks/planted.py --seeds 1000-1009

A sense is points, or words of a class's own distribution; options are at their defaults. Beside it is the
ACC of Bayes' rule under the true parameters, which no method exceeds but by chance.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from suite import parse_seeds

import mmcli
from mmcli.ingest.proposal import CHAINS_ALONE
from mmcli.runs.history import HistoryLine
from mmcli.runs.metrics import agreement
from mmcli.workflows.watcher import Silent

COLUMNS, WORDS = 6, 200


class Shape(NamedTuple):
    """Shape of a planted data set; `points` and `words` are numbers of senses."""

    items: int
    classes: int
    points: int
    words: int
    words_an_item: int = 60
    smallest: float = 1.0  # size of the smallest class, as a share of the largest
    apart: bool = False  # a gmm for each sense of points, in place of one for all


SHAPES = {
    "50 items, 10 classes": Shape(50, 10, 1, 1),
    "50 classes": Shape(2500, 50, 1, 1),
    "the smallest class a quarter of the largest": Shape(1500, 10, 1, 1, smallest=0.25),
    "words, one sense": Shape(1000, 10, 0, 1),
    "words, two senses": Shape(1000, 10, 0, 2),
    "words, six senses": Shape(1000, 10, 0, 6),
    "points, two senses": Shape(1000, 10, 2, 0),
    "points, six senses": Shape(1000, 10, 6, 0),
    "points, two senses, a gmm each": Shape(1000, 10, 2, 0, apart=True),
    "points, six senses, a gmm each": Shape(1000, 10, 6, 0, apart=True),
    "points and words, three senses each": Shape(1000, 10, 3, 3),
    "22,500 words an item": Shape(1000, 10, 1, 1, words_an_item=22_500),
}


class Last(Silent):
    """Keeps the last line of each module."""

    def __init__(self) -> None:
        self.lines: dict[str, HistoryLine] = {}

    def updated(self, line: HistoryLine) -> None:
        """Keep the line."""
        self.lines[line.module] = line


def planted(shape: Shape, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Data by name, with `labels`, and log P(item, class) under the true parameters, (N, K).

    Points have unit variance about means 3.5 apart, in the root of the mean square; of the words, those beyond 60 an
    item repeat others, as in quantised sound.
    """
    rng = np.random.default_rng(seed)
    shares = np.linspace(1, shape.smallest, shape.classes)
    labels = rng.choice(shape.classes, shape.items, p=shares / shares.sum())
    data: dict[str, np.ndarray] = {"labels": labels}
    log_joint = np.broadcast_to(np.log(shares), (shape.items, shape.classes)).copy()
    for sense in range(shape.points):
        means = 3.5 / np.sqrt(2 * COLUMNS) * rng.normal(size=(shape.classes, COLUMNS))
        points = means[labels] + rng.normal(size=(shape.items, COLUMNS))
        data[f"points{sense}"] = points.astype(np.float32)
        log_joint -= 0.5 * np.square(points[:, None] - means).sum(-1)
    for sense in range(shape.words):
        probs = 0.5 * rng.dirichlet(np.ones(WORDS)) + 0.5 * rng.dirichlet(np.full(WORDS, 0.2), shape.classes)
        independent = min(shape.words_an_item, 60)
        words = np.stack([rng.multinomial(independent, probs[label]) for label in labels])
        data[f"words{sense}"] = words * (shape.words_an_item // independent)
        log_joint += words @ np.log(probs).T
    return data, log_joint


def config(shape: Shape) -> dict[str, Any]:
    """The graph that `mmcli init --from` proposes: a gmm of all points, and an mlda that joins it and all words."""
    classes = {"num_classes": shape.classes, "labels": "labels"}
    points, words = [f"points{n}" for n in range(shape.points)], [f"words{n}" for n in range(shape.words)]
    modules: dict[str, Any] = {name: {"type": "observation", "data": name} for name in (*points, *words)}
    gmms = {f"gmm{n}": [name] for n, name in enumerate(points)} if shape.apart else {"gmm": points} if points else {}
    is_joined = bool(words) or len(gmms) > 1
    for name, inputs in gmms.items():
        modules[name] = {"type": "gmm", "inputs": inputs, **classes} | ({} if is_joined else {"chains": CHAINS_ALONE})
    if is_joined:
        modules["mlda"] = {"type": "mlda", "inputs": [*words, *gmms], **classes}
    return {"rounds": 5, "modules": modules}


def found(shape: Shape, seed: int) -> tuple[float, float]:
    """ACC of the last module, and of Bayes' rule."""
    data, log_joint = planted(shape, seed)
    last = Last()
    with tempfile.TemporaryDirectory() as folder:
        mmcli.train(config(shape), data=data, seed=seed, output=Path(folder, "run"), progress=last, threads=1)
    *_, line = last.lines.values()
    return line.acc or 0.0, agreement(log_joint.argmax(-1), data["labels"]).acc


def rows(names: list[str], seeds: range) -> Iterator[str]:
    """Rows of the table."""
    for name in names:
        accs, bests = np.array([found(SHAPES[name], seed) for seed in seeds]).T
        failed = (accs < 0.95 * bests).sum()
        acc = f"{accs.mean():.3f} ({accs.min():.3f}..{accs.max():.3f})"
        yield f"| {name} | {acc} | {failed} of {len(seeds)} | {bests.mean():.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=parse_seeds, default=range(1000, 1010), metavar="A-B", help="[1000-1009]")
    parser.add_argument("--only", nargs="+", choices=SHAPES, default=[*SHAPES], metavar="SHAPE", help=", ".join(SHAPES))
    arguments = parser.parse_args()
    print("| planted | found | failed | Bayes' rule |\n| --- | --- | --- | --- |")
    for row in rows(arguments.only, arguments.seeds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
