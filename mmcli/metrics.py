"""How well classes found without labels agree with labels. Nothing here is seen by a module.

N items, R distinct classes, L distinct labels.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


class Metrics(NamedTuple):
    """Agreement of classes with labels.

    Attributes:
        acc: share of the items whose matched class is their label, 0 to 1.
        ari: adjusted Rand index; 1 is the same partition, 0 is what chance gives.
        nmi: normalised mutual information, arithmetic mean of the entropies below; 0 to 1.
        confusion: (R, L) items of each matched class (row) and label (column).
        classes: (R,) the matched class of each row, ascending.
        labels: (L,) the label of each column, ascending.
    """

    acc: float
    ari: float
    nmi: float
    confusion: np.ndarray
    classes: np.ndarray
    labels: np.ndarray

    def record(self) -> dict[str, Any]:
        """The same in lists and numbers, as evaluation.json holds it."""
        return self._asdict() | {name: getattr(self, name).tolist() for name in ("confusion", "classes", "labels")}


def match_classes(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rename classes so that as many items as possible carry their label, one class to one label.

    A class that no label is left for takes a number above every label, so that it never counts as right.

    Args:
        classes: (N,) whole numbers, as a module found them.
        labels: (N,) whole numbers.

    Returns:
        (N,) int64, the renamed classes.

    Source: Kuhn (1955), the Hungarian method, on the confusion counts.
    """
    confusion, class_ids, label_ids = _confusion(classes, labels)
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    names = np.full(len(class_ids), -1, dtype=np.int64)  # (R,)
    names[rows] = label_ids[columns]
    unmatched = np.setdiff1d(np.arange(len(class_ids)), rows)
    names[unmatched] = label_ids[-1] + 1 + np.arange(len(unmatched))
    return names[np.searchsorted(class_ids, classes)]


def class_names(classes: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """What `match_classes` renames each of the classes 0 to `num_classes` - 1 to, (num_classes,) int64.

    A class of no item takes a number above all others.
    """
    matched = match_classes(classes, labels)
    names = np.full(num_classes, -1, dtype=np.int64)
    names[classes] = matched
    unused = names < 0
    names[unused] = max(matched.max(), labels.max()) + 1 + np.arange(unused.sum())
    return names


def evaluate(classes: np.ndarray, labels: np.ndarray) -> Metrics:
    """Metrics of `classes` (N,), under whatever names they come, against `labels` (N,)."""
    return evaluate_named(match_classes(classes, labels), labels)


def evaluate_named(classes: np.ndarray, labels: np.ndarray) -> Metrics:
    """Metrics of `classes` (N,) that are named as the labels they stand for, against `labels` (N,)."""
    confusion, class_ids, label_ids = _confusion(classes, labels)
    return Metrics(
        acc=float(np.mean(classes == labels)),
        ari=float(adjusted_rand_score(labels, classes)),
        nmi=float(normalized_mutual_info_score(labels, classes)),
        confusion=confusion,
        classes=class_ids,
        labels=label_ids,
    )


def _confusion(classes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items of each class and label (R, L), the distinct classes (R,) and the distinct labels (L,)."""
    class_ids, rows = np.unique(classes, return_inverse=True)
    label_ids, columns = np.unique(labels, return_inverse=True)
    cells = np.bincount(rows * len(label_ids) + columns, minlength=len(class_ids) * len(label_ids))
    return cells.reshape(len(class_ids), len(label_ids)), class_ids, label_ids
