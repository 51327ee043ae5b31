"""Numbers of classes that `num_classes: auto` finds, on planted classes or on given pairs of points and counts.

    python benchmarks/class_counts.py --seeds 1000-1009
    python benchmarks/class_counts.py --pairs latents.npz...       # keys points, counts, labels

Planted: 1,000 items, K Gaussian classes of 10 columns whose covariances differ, 60 words an item out of 50, half
of them common to all classes; sizes equal, or falling evenly to a third. Only the count is run.
"""

import argparse
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import jax
import numpy as np

import mmcli
from mmcli.engine.counting import explore, most_classes
from mmcli.engine.plan import make_plan
from mmcli.engine.program import Compiled, compile_module
from mmcli.engine.pytrees import KEY_IMPL
from mmcli.engine.routing import Program, build_program, initial_state, receive

MODULES = {
    "points": {"type": "observation", "data": "points"},
    "counts": {"type": "observation", "data": "counts"},
    "gmm": {"type": "gmm", "inputs": ["points"], "num_classes": "auto"},
    "mlda": {"type": "mlda", "inputs": ["counts", "gmm"], "num_classes": "auto"},
}
CLASSES, ITEMS, COLUMNS, WORDS, WORDS_AN_ITEM = (3, 7, 10, 15), 1000, 10, 50, 60


def planted(seed: int, num_classes: int, is_even: bool) -> dict[str, np.ndarray]:
    """Points and counts of planted classes."""
    rng = np.random.default_rng([seed, num_classes, is_even])
    shares = np.ones(num_classes) if is_even else np.linspace(3, 1, num_classes)
    classes = rng.choice(num_classes, ITEMS, p=shares / shares.sum())
    means = 2 * rng.normal(size=(num_classes, COLUMNS))
    shapes = np.eye(COLUMNS) + 0.3 * rng.normal(size=(num_classes, COLUMNS, COLUMNS))
    points = means[classes] + np.einsum("nij,nj->ni", shapes[classes], rng.normal(size=(ITEMS, COLUMNS)))
    own = rng.dirichlet(np.full(WORDS, 0.3), num_classes)
    words = 0.5 * rng.dirichlet(np.ones(WORDS)) + 0.5 * own
    counts = np.stack([rng.multinomial(WORDS_AN_ITEM, words[number]) for number in classes])
    return {"points": points.astype(np.float32), "counts": counts.astype(np.float32)}


class Counter:
    """The count of classes, compiled once for each shape of data."""

    def __init__(self) -> None:
        self._programs: dict[tuple[tuple[int, ...], ...], tuple[Program, dict[str, Compiled]]] = {}

    def count(self, data: dict[str, np.ndarray], seed: int) -> int:
        """Number of classes of the mlda."""
        config, graph, datasets = mmcli.check({"modules": MODULES, "rounds": 1, "seed": seed}, data=data)
        plan, root = make_plan(graph, config.search, 1), jax.random.key(seed, impl=KEY_IMPL)
        shapes = tuple(array.shape for array in data.values())
        if shapes not in self._programs:
            widths = {name: array.shape[1] for name, array in data.items()}
            numbers = most_classes(graph, datasets.num_items)
            program = build_program(graph.with_numbers(numbers), widths, "cavity")
            state = initial_state(program, datasets.given)
            compiled = {
                name: compile_module(program, name, root, receive(program, state, name)) for name in program.order
            }
            self._programs[shapes] = program, compiled
        program, compiled = self._programs[shapes]

        def compute(function: Callable[..., Any], *arguments: Any) -> Generator[None, None, Any]:
            yield from ()
            return jax.block_until_ready(function(*arguments))

        counting = explore(program, compiled, plan, initial_state(program, datasets.given), root, compute)
        while True:
            try:
                next(counting)
            except StopIteration as stop:
                return stop.value["mlda"]


def main() -> None:
    """Print a line for each kind of data: the classes there are, and those found on each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1000-1009", help="first and last")
    parser.add_argument("--pairs", nargs="*", type=Path, default=[], help="counted with each seed, in place of planted")
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split("-"))
    seeds, counter = range(first, last + 1), Counter()
    for path in arguments.pairs:
        with np.load(path) as arrays:
            data = {name: arrays[name].astype(np.float32) for name in ("points", "counts")}
            number = len(np.unique(arrays["labels"]))
        show(path.stem, number, [counter.count(data, seed) for seed in seeds])
    for number in () if arguments.pairs else CLASSES:
        for is_even in (True, False):
            sizes = "equal" if is_even else "unlike"
            show(f"planted, {sizes}", number, [counter.count(planted(seed, number, is_even), seed) for seed in seeds])


def show(name: str, number: int, found: list[int]) -> None:
    """Print the numbers found in data of `number` classes."""
    exact, near = (sum(abs(each - number) <= most for each in found) for most in (0, 1))
    print(
        f"{name:20} {number:3}  found {' '.join(map(str, found))}  exact {exact}/{len(found)}, within 1 {near}",
        flush=True,
    )


if __name__ == "__main__":
    main()
