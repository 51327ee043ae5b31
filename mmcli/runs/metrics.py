"""Agreement of classes found without labels with labels. No module receives any of this.

N items, R distinct classes, L distinct labels.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from mmcli.data.labels import Labels, LabelSet, free_numbers


class Metrics(NamedTuple):
    """Agreement of classes with labels, over the items that have one.

    Attributes:
        acc: share of the items whose matched class is their label, 0 to 1.
        ari: adjusted Rand index; 1 is the same partition, 0 is what chance gives.
        nmi: normalised mutual information, arithmetic mean of the entropies below; 0 to 1.
        confusion: (R, L) items of each matched class (row) and label (column).
        classes: (R,) the matched class of each row, ascending.
        labels: (L,) the label of each column, ascending.
        class_names: names of the R classes: that of their label, or unmatched-K.
        label_names: names of the L labels.
        num_unlabelled: items without a label, excluded from all of the above.
    """

    acc: float
    ari: float
    nmi: float
    confusion: np.ndarray
    classes: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    label_names: tuple[str, ...]
    num_unlabelled: int

    def record(self) -> dict[str, Any]:
        """Plain lists and numbers, as in evaluation.json."""
        record = self._asdict() | {name: getattr(self, name).tolist() for name in ("confusion", "classes", "labels")}
        names = {name: [*getattr(self, name)] for name in ("class_names", "label_names")}
        return record | names


def match_classes(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rename classes so that as many items as possible carry their label, one class to one label.

    A class that no label is left for takes a number that is no label, above all labels if there is one there, so that
    it never counts as right.

    Args:
        classes: (N,) whole numbers, as a module found them.
        labels: (N,) whole numbers, any.

    Returns:
        (N,) int64, the renamed classes.

    Source: Kuhn (1955), the Hungarian method, on the confusion counts.
    """
    confusion, class_ids, label_ids = _confusion(classes, labels)
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    names = np.empty(len(class_ids), dtype=np.int64)  # (R,)
    names[rows] = label_ids[columns]
    unmatched = np.setdiff1d(np.arange(len(class_ids)), rows)
    names[unmatched] = free_numbers(label_ids.tolist(), len(unmatched))
    return names[np.searchsorted(class_ids, classes)]


def class_names(classes: np.ndarray, labels: Labels, num_classes: int) -> np.ndarray:
    """Labels that `match_classes` assigns to the classes 0 to `num_classes` - 1, (num_classes,) int64.

    A class without labelled items takes a number that is no label and no other class's, above all of them if there is
    one there.
    """
    classes, numbers = classes[labels.given], labels.numbers[labels.given]
    matched = match_classes(classes, numbers)
    names = np.empty(num_classes, dtype=np.int64)
    names[classes] = matched
    unused = np.setdiff1d(np.arange(num_classes), classes)
    names[unused] = free_numbers(np.union1d(matched, numbers).tolist(), len(unused))
    return names


def evaluate(classes: np.ndarray, labels: Labels) -> Metrics:
    """Metrics of `classes` (N,), numbered in any way, against labels that some items may lack."""
    matched = np.zeros(len(classes), np.int64)
    matched[labels.given] = match_classes(classes[labels.given], labels.numbers[labels.given])
    return evaluate_named(matched, labels, LabelSet.of(labels))


def evaluate_named(classes: np.ndarray, labels: Labels, learned: LabelSet) -> Metrics:
    """Metrics of classes that were matched to labels before, against labels that some items may lack.

    Args:
        classes: (N,) the label that each item's class was matched to; any other number if it was matched to none.
        labels: of the N items, in the same numbers.
        learned: the labels that classes were matched to; a class that is none of them is never right.
    """
    classes, numbers = classes[labels.given], labels.numbers[labels.given]
    confusion, class_ids, label_ids = _confusion(classes, numbers)
    is_right = (classes == numbers) & np.isin(classes, np.array(learned.numbers, np.int64))
    own = LabelSet.of(labels)
    return Metrics(
        acc=float(np.mean(is_right)),
        ari=float(adjusted_rand_score(numbers, classes)),
        nmi=float(normalized_mutual_info_score(numbers, classes)),
        confusion=confusion,
        classes=class_ids,
        labels=label_ids,
        class_names=tuple(map(learned.class_text, class_ids.tolist())),
        label_names=tuple(map(own.text, label_ids.tolist())),
        num_unlabelled=labels.num_unlabelled,
    )


def measures_of(metrics: Metrics | None) -> tuple[float | None, float | None, float | None]:
    """ACC, ARI and NMI; None each where there are no metrics."""
    return (None, None, None) if metrics is None else (metrics.acc, metrics.ari, metrics.nmi)


def evaluate_own(own: np.ndarray, names: np.ndarray, labels: Labels, learned: LabelSet) -> Metrics | None:
    """Metrics of a module's classes by its own inputs alone, under the names of the classes that it reports.

    Args:
        own: (N,) numbered as found; -1 where its inputs are missing, and the item is left out.
        names: (K,) label that each class was matched to.
        labels: of the N items.
        learned: as for `evaluate_named`.

    Returns:
        None where no item has both a class and a label.
    """
    there = labels._replace(given=labels.given & (own >= 0))
    return evaluate_named(names[own], there, learned) if there.given.any() else None


def agreement(classes: np.ndarray, others: np.ndarray) -> Metrics:
    """Metrics of `classes` (N,) against the classes (N,) of another module."""
    return evaluate(classes, Labels(others, np.ones(len(others), bool), {}))


def _confusion(classes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items of each class and label (R, L), distinct classes (R,) and distinct labels (L,)."""
    class_ids, rows = np.unique(classes, return_inverse=True)
    label_ids, columns = np.unique(labels, return_inverse=True)
    cells = np.bincount(rows * len(label_ids) + columns, minlength=len(class_ids) * len(label_ids))
    return cells.reshape(len(class_ids), len(label_ids)), class_ids, label_ids
