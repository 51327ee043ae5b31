"""Metrics against counting by hand and against trying every assignment."""

import itertools

import numpy as np
import pytest

from mmcli.data.labels import LabelSet, make_labels
from mmcli.runs.metrics import class_names, evaluate, evaluate_named, match_classes

LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
CLASSES = np.array([7, 7, 4, 4, 4, 4, 9, 9, 9, 7])  # 7 is mostly 0, 4 mostly 1, 9 is 2


def test_match_renames_classes_to_the_labels_they_cover_best():
    np.testing.assert_array_equal(match_classes(CLASSES, LABELS), [0, 0, 1, 1, 1, 1, 2, 2, 2, 0])


def test_metrics_of_an_example_counted_by_hand():
    metrics = evaluate(CLASSES, make_labels(LABELS))

    assert metrics.acc == 0.8
    np.testing.assert_array_equal(metrics.confusion, [[2, 0, 1], [1, 3, 0], [0, 0, 3]])
    np.testing.assert_array_equal(metrics.classes, [0, 1, 2])
    np.testing.assert_array_equal(metrics.labels, [0, 1, 2])
    # Pairs in one cell 1 + 3 + 3 + 0 = 7, in one class 3 + 6 + 3 = 12, in one label 3 + 3 + 6 = 12, of all 45.
    expected = 12 * 12 / 45
    assert metrics.ari == pytest.approx((7 - expected) / (12 - expected))
    joint = metrics.confusion / 10
    rows, columns = joint.sum(1), joint.sum(0)
    information = sum(
        joint[i, j] * np.log(joint[i, j] / rows[i] / columns[j]) for i in range(3) for j in range(3) if joint[i, j]
    )
    entropy = (-(rows * np.log(rows)).sum() - (columns * np.log(columns)).sum()) / 2
    assert metrics.nmi == pytest.approx(information / entropy)


@pytest.mark.parametrize("seed", range(20))
def test_no_assignment_does_better(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 30)
    classes = np.where(rng.random(30) < 0.4, 3 - labels, rng.integers(0, 4, 30))

    best = max(np.mean(np.array(names)[classes] == labels) for names in itertools.permutations(range(4)))

    assert evaluate(classes, make_labels(labels)).acc == best


def test_metrics_do_not_depend_on_what_classes_are_called():
    renamed = np.array([5, 2, 8, 0, 1, 3, 4, 11, 6, 30])[CLASSES]

    for value, same in zip(evaluate(CLASSES, make_labels(LABELS)), evaluate(renamed, make_labels(LABELS)), strict=True):
        np.testing.assert_array_equal(value, same)


def test_matching_what_is_matched_changes_nothing():
    matched = match_classes(CLASSES, LABELS)

    np.testing.assert_array_equal(match_classes(matched, LABELS), matched)


def test_classes_beyond_the_labels_never_count_as_right():
    classes = np.array([0, 1, 2, 3, 3, 4, 4, 4])
    labels = np.array([0, 0, 0, 5, 5, 0, 0, 0])

    metrics = evaluate(classes, make_labels(labels))

    assert metrics.acc == 5 / 8  # class 4 is label 0, class 3 is label 5
    np.testing.assert_array_equal(metrics.classes, [0, 5, 6, 7, 8])
    np.testing.assert_array_equal(metrics.confusion, [[3, 0], [0, 2], [1, 0], [1, 0], [1, 0]])


def test_fewer_classes_than_labels():
    metrics = evaluate(np.zeros(6, dtype=int), make_labels(np.array([3, 3, 3, 4, 4, 9])))

    assert (metrics.acc, metrics.ari, metrics.nmi) == (0.5, 0.0, 0.0)
    np.testing.assert_array_equal(metrics.confusion, [[3, 2, 1]])
    np.testing.assert_array_equal(metrics.classes, [3])


def test_every_item_its_own_class():
    metrics = evaluate(np.arange(30), make_labels(np.repeat([0, 1], 15)))

    assert metrics.acc == 2 / 30
    assert metrics.ari == 0


def test_record_is_made_of_lists_and_numbers():
    assert evaluate(np.array([1, 1, 0]), make_labels(np.array([0, 0, 1]))).record() == {
        "acc": 1.0,
        "ari": 1.0,
        "nmi": 1.0,
        "confusion": [[2, 0], [0, 1]],
        "classes": [0, 1],
        "labels": [0, 1],
        "class_names": ["0", "1"],
        "label_names": ["0", "1"],
        "num_unlabelled": 0,
    }


def test_every_class_has_a_name_and_those_of_no_item_a_number_above_all_labels():
    classes = np.array([0, 0, 3, 3, 3, 1])
    labels = np.array([5, 5, 2, 2, 5, 7])

    np.testing.assert_array_equal(class_names(classes, make_labels(labels), 5), [5, 7, 8, 2, 9])


def test_classes_that_are_named_already_are_not_matched_again():
    labels = make_labels(np.array([0, 0, 1, 1]))
    swapped, learned = 1 - labels.numbers, LabelSet.of(labels)

    assert evaluate_named(swapped, labels, learned).acc == 0
    assert evaluate(swapped, labels).acc == 1
    np.testing.assert_array_equal(evaluate_named(swapped, labels, learned).confusion, [[0, 2], [2, 0]])


@pytest.mark.parametrize("shift", [-1, -(2**63), 2**63 - 3])
def test_every_whole_number_is_a_label(shift):
    numbers = np.array([0, 0, 2, 2]) + shift
    labels, classes = make_labels(numbers), np.array([1, 1, 0, 0])

    assert evaluate(classes, labels).acc == 1
    np.testing.assert_array_equal(match_classes(classes, numbers), numbers)
    np.testing.assert_array_equal(class_names(classes, labels, 2), [2 + shift, shift])


def test_a_class_that_no_label_is_left_for_takes_no_label_even_next_to_the_largest():
    numbers = np.array([2**63 - 1, 2**63 - 1, 0, 0])

    assert set(match_classes(np.array([0, 0, 1, 2]), numbers)) == {2**63 - 1, 0, 1}
    np.testing.assert_array_equal(class_names(np.array([0, 0, 1, 1]), make_labels(numbers), 4), [2**63 - 1, 0, 1, 2])


def test_items_without_a_label_are_left_out_and_counted():
    labels = make_labels(np.array([-1, np.nan, 1, 1, np.nan]))
    classes = np.array([4, 4, 7, 7, 9])

    metrics = evaluate(classes, labels)

    assert (metrics.acc, metrics.ari, metrics.nmi, metrics.num_unlabelled) == (1, 1, 1, 2)
    np.testing.assert_array_equal(metrics.confusion, [[1, 0], [0, 2]])
    np.testing.assert_array_equal(class_names(classes, labels, 10)[[4, 7]], [-1, 1])
    assert len(set(class_names(classes, labels, 10))) == 10


def test_a_class_of_no_label_is_never_right_even_if_a_label_has_its_number():
    learned = LabelSet((0, 1), {})
    classes, labels = np.array([0, 1, 2, 2]), make_labels(np.array([0, 1, 2, 2]))

    metrics = evaluate_named(classes, labels, learned)

    assert metrics.acc == 0.5
    assert metrics.class_names == ("0", "1", "unmatched-2")
    assert metrics.label_names == ("0", "1", "2")


def test_classes_and_labels_are_called_by_name():
    metrics = evaluate(np.array([5, 5, 3, 8]), make_labels(np.array(["dog", "dog", "cat", ""])))

    assert metrics.class_names == metrics.label_names == ("cat", "dog")


def test_one_label_only():
    metrics = evaluate(np.zeros(4, int), make_labels(np.full(4, -1)))

    assert (metrics.acc, metrics.ari, metrics.nmi) == (1, 1, 1)
