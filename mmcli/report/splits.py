"""Classes that the senses agree to split: a merged class, found without a label.

Given its class, what one sense observes of an item has no information on what another does. Where it has some, in a
class whose items fall into two clusters by just that, the class joins two groups.

N items, n of a class, D columns.
"""

from collections.abc import Sequence

import numpy as np

MIN_ITEMS = 40  # of a class; of fewer, chance correlations are too high
NUM_COMPONENTS = 5  # principal components of a class in which a split is looked for
MIN_CORRELATION = 0.4  # of two senses within a class, on items that the directions were not chosen by
# Share of the variance that lies between the two halves of one dimension, cut where it is highest: 2 / pi = 0.64 for a
# normal distribution, 1 for two points.
MIN_BIMODALITY = 0.74
MIN_PART = 0.1  # of a class, on either side of the split
MIN_SEPARATION = 0.2  # correlation of two senses between two classes, by the directions in which those differ
WIDEST = 128  # columns of a sense; wider ones are projected at random, which keeps distances


def narrowed(rows: np.ndarray) -> np.ndarray:
    """Rows (N, D), dense or sparse, in WIDEST columns or fewer."""
    if rows.shape[1] <= WIDEST:
        return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, float)
    projection = np.random.default_rng(0).normal(size=(rows.shape[1], WIDEST))
    return np.asarray(rows @ projection, float)


def is_split(senses: Sequence[np.ndarray]) -> bool:
    """Whether two of the senses, (n, D) rows of the items of one class each, agree on a split of it."""
    return any(agree_on_split(first, second) for place, first in enumerate(senses) for second in senses[:place])


def agree_on_split(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two senses of the same n items vary together, and fall into two clusters by it."""
    if len(first) < MIN_ITEMS:
        return False
    correlation, scores = shared_scores(components(first), components(second))
    if correlation < MIN_CORRELATION:
        return False
    share, part = bimodality(scores)
    return share >= MIN_BIMODALITY and part >= MIN_PART


def components(rows: np.ndarray) -> np.ndarray:
    """Principal components of (n, D) rows, (n, NUM_COMPONENTS or fewer) of unit variance."""
    centred = rows - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    kept = values > 1e-6 * max(values[0], 1e-300)
    return np.asarray(left[:, kept][:, :NUM_COMPONENTS] * np.sqrt(len(rows)))


def shared_scores(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Correlation of the directions in which two sets of components vary together, and the place of each item on them.

    The correlation is of items that the directions were not chosen by: of each half, with those of the other half.

    Args:
        first: (n, P) components.
        second: (n, Q) components of the same items.

    Returns:
        The mean correlation of both halves; (n,) sum of the scores, by the directions of all items.

    Source: Tucker (1958), inter-battery factor analysis.
    """
    if not first.shape[1] or not second.shape[1]:
        return 0.0, np.zeros(len(first))
    half = np.random.default_rng(0).permutation(len(first)) % 2 == 0
    correlations = []
    for chosen in (half, ~half):
        u, v = _directions(first[chosen], second[chosen])
        correlations.append(_correlation(first[~chosen] @ u, second[~chosen] @ v))
    u, v = _directions(first, second)
    return float(np.mean(correlations)), first @ u + second @ v


def are_apart(senses: Sequence[np.ndarray], is_first: np.ndarray) -> bool:
    """Whether two of the senses, (n, D) rows of the items of two classes, tell those classes apart together.

    A difference that one sense alone shows, or that is drawn across both, makes no two groups.

    Args:
        senses: rows of the same items each.
        is_first: (n,) bool, the class of each.
    """
    every = [separation(components(rows), is_first) for rows in senses]
    pairs = [(first, second) for place, first in enumerate(every) for second in every[:place]]
    margin = 1 / np.sqrt(len(is_first))  # a standard error of a correlation
    return any(_correlation(first, second) + margin >= MIN_SEPARATION for first, second in pairs)


def separation(rows: np.ndarray, is_first: np.ndarray) -> np.ndarray:
    """Place (n,) of each item between two classes, on a direction chosen by the items of the other half.

    Args:
        rows: (n, P) components of unit variance, so that the difference of the means is Fisher's direction.
        is_first: (n,) bool, the class of each.
    """
    half = np.random.default_rng(0).permutation(len(rows)) % 2 == 0
    scores = np.zeros(len(rows))
    for chosen in (half, ~half):
        first, second = rows[chosen & is_first], rows[chosen & ~is_first]
        if len(first) and len(second):
            scores[~chosen] = rows[~chosen] @ (first.mean(axis=0) - second.mean(axis=0))
    return scores


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two scores (n,); 0 where one is constant."""
    return float(np.corrcoef(first, second)[0, 1]) if np.std(first) > 0 and np.std(second) > 0 else 0.0


def _directions(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions of the highest covariance, (P,) and (Q,)."""
    left, _, right = np.linalg.svd(first.T @ second)
    return left[:, 0], right[0]


def bimodality(scores: np.ndarray) -> tuple[float, float]:
    """Largest share of the variance of (n,) scores that lies between two parts, and the share of the smaller part."""
    ordered = np.sort(scores - scores.mean())
    total = float(ordered @ ordered)
    if not total > 0:
        return 0.0, 0.0
    size, sums = np.arange(1, len(ordered)), np.cumsum(ordered)[:-1]
    between = sums**2 * len(ordered) / (size * (len(ordered) - size))
    best = int(between.argmax())
    return float(between[best] / total), float(min(size[best], len(ordered) - size[best]) / len(ordered))
