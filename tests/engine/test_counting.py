"""The count of classes: merging is exact on a joint table, and stops at the classes that both senses know."""

import numpy as np
import pytest

from mmcli.engine.counting import Count, count_classes, information, merging_losses, numbers_of
from mmcli.errors import DivergedError

ITEMS = 1000


def joint(classes, agreement=1.0, split=1):
    """Table of two senses that know so many classes, or classes of these shares, each in parts of no meaning."""
    shares = np.full(classes, 1 / classes) if isinstance(classes, int) else np.array(classes)
    table = agreement * np.diag(shares) + (1 - agreement) * np.outer(shares, shares)
    return ITEMS * np.kron(table, np.full((split, split), 1 / split**2))


@pytest.mark.parametrize("number", [2, 3, 7, 15])
@pytest.mark.parametrize("split", [1, 2])
def test_classes_that_both_know_are_counted_and_parts_of_one_sense_are_not(number, split):
    count = count_classes(joint(number, agreement=0.9, split=split))

    assert count.number == number
    assert count.information == pytest.approx(information(joint(number, agreement=0.9) / ITEMS))


def test_classes_of_unlike_size_are_counted():
    assert count_classes(joint([0.3, 0.3, 0.2, 0.12, 0.08], agreement=0.9)).number == 5


def test_a_class_that_the_other_sense_hardly_knows_is_none():
    table = joint(4, agreement=0.9)
    confused = table.copy()
    confused[:2, :2] = 0.5 * table[:2, :2] + 0.5 * table[[1, 0], :2]  # which of the two is anybody's guess

    assert count_classes(confused).number == 3


def test_independent_senses_share_no_more_than_the_fewest():
    assert count_classes(joint(10, agreement=0.0)) == Count(2, pytest.approx(0.0, abs=1e-9))


def test_the_loss_of_a_merging_is_the_information_that_goes():
    rng = np.random.default_rng(0)
    table = rng.random((5, 4))
    table[3] = 0  # a class without an item
    table /= table.sum()

    losses = merging_losses(table)

    for one in range(5):
        for other in set(range(5)) - {one}:
            merged = np.vstack([np.delete(table, [one, other], axis=0), table[one] + table[other]])
            assert losses[one, other] == pytest.approx(information(table) - information(merged), abs=1e-12)
    assert np.isinf(np.diagonal(losses)).all()


def test_a_module_has_the_largest_number_of_its_edges():
    edges = [("left", "top"), ("right", "top")]

    found = numbers_of(("left", "right", "top"), edges, [Count(3, 1.0), Count(5, 1.5)])

    assert found == {"left": 3, "right": 5, "top": 5}


def test_a_table_that_is_not_finite_is_reported():
    with pytest.raises(DivergedError, match="the count of classes: a number became NaN or infinite"):
        count_classes(np.array([[1.0, np.nan], [0.0, 1.0]]))
