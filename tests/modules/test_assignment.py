"""Optimal assignment against scipy's."""

import jax
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mmcli.modules.assignment import best_assignment

ASSIGN = jax.jit(best_assignment)


def tables(size):
    rng = np.random.default_rng(size)
    yield rng.random((size, size))
    yield rng.integers(0, 3, (size, size))  # many ties
    yield 1000 * rng.dirichlet(np.full(size, 0.1), size)
    yield -np.square(rng.normal(size=(size, size)))
    yield np.zeros((size, size))


@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_no_assignment_gains_more(size):
    for gains in tables(size):
        found = np.asarray(ASSIGN(gains.astype(np.float32)))

        assert sorted(found) == list(range(size))
        best = gains[linear_sum_assignment(gains, maximize=True)].sum()
        assert gains[np.arange(size), found].sum() == pytest.approx(best, rel=1e-5, abs=1e-5)
