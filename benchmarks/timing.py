"""The bundled pairs, a module's update ready to run, and times of several jobs side by side."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmcli.modules.api import Inputs, Module

PAIRS = Path(__file__).parents[1] / "data" / "mnist_arabic" / "train.npz"


def bundled(name: str) -> np.ndarray:
    """An array of the 3,000 training pairs, float32: images (3000, 784) or speech (3000, 2400)."""
    with np.load(PAIRS, allow_pickle=False) as arrays:
        return arrays[name].astype(np.float32)


def compile_update(name: str, module: Module[Any], inputs: Inputs, *, with_start: bool = True) -> Callable[[], Any]:
    """An update of a module as a function that returns the finished work; prints how long compiling took.

    Args:
        name: of the program.
        module: what is updated, from its first state.
        inputs: of the update.
        with_start: whether each call opens the update, or only runs its inner iterations.
    """
    begun = time.perf_counter()
    key = jax.random.key(0)
    state = jax.jit(module.init)(key, inputs)
    begin = jax.jit(module.begin).lower(key, state, inputs).compile()
    work = jax.eval_shape(module.begin, key, state, inputs)
    advance = jax.jit(module.advance, donate_argnums=0).lower(work, inputs, jnp.int32(0)).compile()
    print(f"{name}: compiled in {time.perf_counter() - begun:.2f} s", flush=True)
    opened = None if with_start else begin(key, state, inputs)

    def update() -> Any:
        work = begin(key, state, inputs) if with_start else jax.tree.map(jnp.copy, opened)
        return jax.block_until_ready(advance(work, inputs, jnp.int32(module.iterations)))

    return update


def take_turns(jobs: Mapping[str, Callable[[], Any]], turns: int) -> dict[str, list[float]]:
    """Seconds of each job in each turn, printed as they come, then their minimum and median.

    The jobs alternate, so that whatever else slows the machine slows them alike.
    """
    width = max(map(len, jobs))
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(1, turns + 1):
        for name, job in jobs.items():
            begun = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - begun)
            print(f"turn {turn}  {name:{width}}  {seconds[name][-1]:.3f} s", flush=True)
    for name, times in seconds.items():
        print(f"{name:{width}}  minimum {min(times):.3f} s  median {statistics.median(times):.3f} s")
    return seconds


def ratio(times: list[float], others: list[float]) -> str:
    """How many times as long one job takes as another, by their fastest turns and by their medians."""
    by_median = statistics.median(times) / statistics.median(others)
    return f"{min(times) / min(others):.2f} times as long by minimum, {by_median:.2f} by median"
