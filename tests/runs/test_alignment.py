"""Classes of several runs of the same items, matched to each other without labels."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from mmcli.runs.alignment import align, match, share_moved

RNG = np.random.default_rng(0)
TRUTH = np.repeat([3, 5, 8], [20, 10, 10])


def test_matching_agrees_on_as_many_items_as_any_one_to_one_matching_does():
    own, other = RNG.integers(0, 4, 30), RNG.integers(10, 14, 30)

    found = match(own, other)

    best = max(sum(own[item] == order[other[item] - 10] for item in range(30)) for order in permutations(range(4)))
    assert sum(found.get(number) == other[item] for item, number in enumerate(own.tolist())) == best
    assert len(set(found.values())) == len(found)


def test_runs_that_number_their_classes_differently_agree():
    found = align([TRUTH, 10 - TRUTH])

    np.testing.assert_array_equal(found.ari, np.ones((2, 2)))
    assert found.matches == [[3, 5, 8], [7, 5, 2]]
    np.testing.assert_array_equal(found.stability, [1, 1, 1])


def test_the_reference_is_the_run_that_agrees_best_with_all():
    merged, noise = np.where(TRUTH == 8, 5, TRUTH), np.arange(40) % 3
    labelings = [noise, merged, TRUTH]

    found = align(labelings)

    expected = [[adjusted_rand_score(first, second) for second in labelings] for first in labelings]
    np.testing.assert_allclose(found.ari, expected)
    means = (np.array(expected).sum(1) - 1) / 2
    assert found.reference == means.argmax() == 1
    assert [found.agreement(run) for run in range(3)] == pytest.approx(means)


def test_stability_is_the_share_of_a_class_on_which_the_runs_agree():
    changed = TRUTH.copy()
    changed[:4] = 5  # 4 of 20 items of class 3
    merged = np.where(TRUTH == 8, 5, TRUTH)

    found = align([TRUTH, TRUTH, changed, merged])

    assert found.reference == 0
    np.testing.assert_array_equal(found.items, [20, 10, 10])
    np.testing.assert_allclose(found.shares, [[1, 1, 1], [1, 1, 1], [0.8, 1, 1], [1, 1, 0]])
    np.testing.assert_allclose(found.stability, [2.8 / 3, 1, 2 / 3])
    np.testing.assert_allclose(found.lowest, [0.8, 1, 0])
    np.testing.assert_allclose(found.unanimous, [0.8, 1, 0])
    assert found.matches[3] == [3, 5, None]  # nothing is left for class 8


def test_classes_that_are_numbered_anew_have_not_moved():
    after = 10 - TRUTH
    assert share_moved(TRUTH, after) == 0
    after[:4] = 5
    assert share_moved(TRUTH, after) == 0.1
    assert share_moved(TRUTH, np.zeros(40, int)) == 0.5  # one class is left, matched to the largest
