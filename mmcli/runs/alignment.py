"""Classes of several runs of the same items, matched to each other. No label takes part.

N items, R runs, C classes of the reference, which is the run that agrees best with all others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score


class Alignment(NamedTuple):
    """Classes of R runs beside those of one of them.

    Attributes:
        reference: number of the run whose classes the others are matched to, from 0.
        ari: (R, R) adjusted Rand index of each pair of runs.
        classes: (C,) classes of the reference, ascending.
        items: (C,) their items.
        matches: (R, C) the class of each run that is matched to each of them; None where none is left.
        shares: (R, C) share of each class's items that a run puts in the matching class.
        unanimous: (C,) share of each class's items that all runs put in the matching class.
    """

    reference: int
    ari: np.ndarray
    classes: np.ndarray
    items: np.ndarray
    matches: list[list[int | None]]
    shares: np.ndarray
    unanimous: np.ndarray

    @property
    def others(self) -> list[int]:
        """Numbers of the runs beside the reference."""
        return [run for run in range(len(self.ari)) if run != self.reference]

    @property
    def stability(self) -> np.ndarray:
        """(C,) share of each class's items on which another run agrees, mean over the other runs."""
        return np.asarray(self.shares[self.others].mean(axis=0))

    @property
    def lowest(self) -> np.ndarray:
        """(C,) the same share in the run that agrees least."""
        return np.asarray(self.shares[self.others].min(axis=0))

    def agreement(self, run: int) -> float:
        """Mean ARI of a run with the others."""
        return float(np.delete(self.ari[run], run).mean())


def align(labelings: Sequence[np.ndarray]) -> Alignment:
    """Match the classes of R >= 2 runs to those of the run that agrees best with all; the first of several such.

    Args:
        labelings: (N,) whole numbers of each run, the classes of the same items.
    """
    ari = pairwise_ari(labelings)
    reference = int((ari.sum(axis=1) - 1).argmax())
    own = labelings[reference]
    classes, items = np.unique(own, return_counts=True)
    matches = [match(own, labels) for labels in labelings]
    # An item agrees where its class is the one matched to its class in the reference.
    agreeing = np.array(
        [labels == _matching(own, found) for labels, found in zip(labelings, matches, strict=True)], float
    )  # (R, N)
    members = (own[None, :] == classes[:, None]).astype(float)  # (C, N)
    return Alignment(
        reference,
        ari,
        classes,
        items,
        [[found.get(number) for number in classes.tolist()] for found in matches],
        agreeing @ members.T / items,
        members @ agreeing.min(axis=0) / items,
    )


def match(own: np.ndarray, other: np.ndarray) -> dict[int, int]:
    """Match classes (N,) to other classes (N,) of the same items one to one, so that as many items as possible agree.

    Returns:
        The matching class by the class of `own`; a class that shares no item with what is left has none.

    Source: Kuhn (1955), the Hungarian method, on the counts of items.
    """
    classes, rows = np.unique(own, return_inverse=True)
    others, columns = np.unique(other, return_inverse=True)
    counts = np.bincount(rows * len(others) + columns, minlength=len(classes) * len(others))
    counts = counts.reshape(len(classes), len(others))
    pairs = zip(*linear_sum_assignment(counts, maximize=True), strict=True)
    return {int(classes[row]): int(others[column]) for row, column in pairs if counts[row, column]}


def share_moved(before: np.ndarray, after: np.ndarray) -> float:
    """Share of items (N,) whose class changed, however the classes are numbered."""
    return float(np.mean(before != _matching(after, match(after, before))))


def pairwise_ari(labelings: Sequence[np.ndarray]) -> np.ndarray:
    """Adjusted Rand index of each pair, (R, R)."""
    ari = np.eye(len(labelings))
    for row, first in enumerate(labelings):
        for column in range(row):
            ari[row, column] = ari[column, row] = adjusted_rand_score(first, labelings[column])
    return ari


def agreements(labelings: Sequence[np.ndarray], reference: int) -> list[float]:
    """Adjusted Rand index of each labeling (N,) and one of them, by its number from 0."""
    return [float(adjusted_rand_score(labelings[reference], labels)) for labels in labelings]


def _matching(own: np.ndarray, found: dict[int, int]) -> np.ndarray:
    """The class matched to each item's class (N,); a number that is no class's where there is none."""
    classes, places = np.unique(own, return_inverse=True)
    none = min(found.values(), default=0) - 1
    return np.array([found.get(number, none) for number in classes.tolist()])[places]
