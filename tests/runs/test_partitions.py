"""Agreement of partitions: the numbers of scikit-learn, to the bit."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from mmcli.runs.partitions import adjusted_rand_index, cross_table, normalised_mutual_information


@pytest.mark.parametrize("num_items", [0, 1, 2, 30, 3000])
def test_the_numbers_are_those_of_scikit_learn(num_items):
    rng = np.random.default_rng(num_items)
    for _ in range(100):
        sizes = rng.integers(1, 15, 2)
        first, second = (rng.integers(-2, size, num_items) for size in sizes)
        noisy = np.where(rng.random(num_items) < rng.random(), first, second)
        for pair in ((first, second), (first, noisy), (noisy, first), (first, -first), (first, 0 * first)):
            assert adjusted_rand_index(*pair) == adjusted_rand_score(*pair)
            assert normalised_mutual_information(*pair) == normalized_mutual_info_score(*pair)


def test_items_of_each_pair_of_classes_are_counted():
    table, first, second = cross_table(np.array([3, 3, -1]), np.array([0, 7, 7]))

    assert (table.tolist(), first.tolist(), second.tolist()) == ([[0, 1], [1, 1]], [-1, 3], [0, 7])


def test_learning_does_not_import_scikit_learn():
    code = "import sys; import mmcli.workflows.learning; assert not {'sklearn', 'scipy.stats'} & sys.modules.keys()"

    subprocess.run([sys.executable, "-c", code], check=True)
