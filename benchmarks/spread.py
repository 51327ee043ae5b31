"""Spread of figures over seeds."""

from collections.abc import Callable, Mapping

import numpy as np


def show_spread(seeds: range, results: Callable[[int], Mapping[str, float]]) -> None:
    """Print the figures of each seed as they come, by name, then mean, minimum and maximum of each."""
    rows = []
    for seed in seeds:
        rows.append(results(seed))
        print(seed, "  ".join(f"{name} {value:.3f}" for name, value in rows[-1].items()), flush=True)
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name}: mean {np.mean(values):.3f} ({min(values):.3f}..{max(values):.3f})")
