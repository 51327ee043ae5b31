"""Agreement of two partitions of the same items, from the table of their counts.

The numbers are those of scikit-learn to the bit. A run does not use it, because importing it takes longer than all
that it would compute there.

N items; R and C classes of the two partitions.
"""

import math

import numpy as np


def cross_table(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items of each pair of classes (R, C), distinct classes (R,) of the first and (C,) of the second partition.

    Args:
        first: (N,) whole numbers.
        second: (N,) whole numbers.
    """
    first_ids, rows = np.unique(first, return_inverse=True)
    second_ids, columns = np.unique(second, return_inverse=True)
    cells = np.bincount(rows * len(second_ids) + columns, minlength=len(first_ids) * len(second_ids))
    return cells.reshape(len(first_ids), len(second_ids)), first_ids, second_ids


def adjusted_rand_index(first: np.ndarray, second: np.ndarray) -> float:
    """Adjusted Rand index of two partitions (N,); 1 is the same partition, 0 is what chance gives.

    Source: Hubert and Arabie (1985), in the pair counts of Warrens (2008).
    """
    table, _, _ = cross_table(first, second)
    both, firsts, seconds = (int((counts**2).sum()) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    num_items = int(table.sum())
    # Ordered pairs of items: together in both partitions, in the first or the second alone, and in neither.
    together, first_only, second_only = both - num_items, firsts - both, seconds - both
    apart = num_items**2 - num_items - together - first_only - second_only
    if first_only == second_only == 0:
        return 1.0
    expected = (together + first_only) * (first_only + apart) + (together + second_only) * (second_only + apart)
    return 2.0 * (together * apart - first_only * second_only) / expected


def normalised_mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information of two partitions (N,) over the arithmetic mean of their entropies, 0 to 1.

    Source: Vinh et al. (2010).
    """
    table, _, _ = cross_table(first, second)
    if max(table.shape) <= 1:
        return 1.0
    if min(table.shape) == 1:
        return 0.0
    rows, columns, num_items = table.sum(axis=1), table.sum(axis=0), table.sum()
    row, column = np.nonzero(table)
    counts = table[row, column].astype(float)
    shares, log_items = counts / num_items, math.log(num_items)
    log_products = -np.log(rows[row] * columns[column]) + log_items + log_items
    terms = shares * (np.log(counts) - log_items) + shares * log_products
    shared = max(float(np.where(np.abs(terms) < np.finfo(float).eps, 0.0, terms).sum()), 0.0)
    return shared / ((_entropy(rows) + _entropy(columns)) / 2) if shared > 0 else 0.0


def _entropy(counts: np.ndarray) -> float:
    """Entropy, nats, of a partition with so many items in each of its classes."""
    total = float(counts.sum())
    return -float(((counts / total) * (np.log(counts) - math.log(total))).sum())
