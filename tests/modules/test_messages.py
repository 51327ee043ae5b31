"""Messages: neutral ones, and the product of several."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_array

from mmcli.modules.counts import on_device
from mmcli.modules.messages import Categorical, Counts, Points, combine, neutral, normalized, of_kind
from mmcli.modules.spec import Kind, Port

N, WIDTH = 4, 3


def example(kind, seed=0):
    """A message of a kind whose last row is missing."""
    rng = np.random.default_rng(seed)
    values = jnp.asarray(rng.gamma(1.0, size=(N, WIDTH)), jnp.float32)
    known = (jnp.arange(N) < N - 1).astype(jnp.float32)
    match kind:
        case Kind.POINTS:
            return Points(values * known[:, None], known)
        case Kind.CATEGORICAL:
            return normalized(jnp.log(values), known)
        case Kind.COUNTS:
            return Counts(values * known[:, None], known)


@pytest.mark.parametrize("kind", list(Kind))
def test_neutral_combined_with_another_gives_the_other(kind):
    message, nothing = example(kind), neutral(Port(kind, WIDTH), N)

    for together in (combine([message, nothing]), combine([nothing, message]), combine([nothing, message, nothing])):
        assert type(together) is type(message)
        for leaf, expected in zip(together, message, strict=True):
            np.testing.assert_allclose(leaf, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", list(Kind))
def test_neutral_with_neutral_stays_neutral_to_the_bit(kind):
    nothing = neutral(Port(kind, WIDTH), N)

    together = combine([nothing, nothing])

    for leaf, expected in zip(together, nothing, strict=True):
        assert (leaf.shape, leaf.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(leaf, expected, rtol=1e-6)
        assert np.ptp(np.asarray(leaf)) == 0
    assert not together.weight.any()


@pytest.mark.parametrize("kind", list(Kind))
def test_a_row_is_there_where_it_is_in_any_message(kind):
    one, nothing = example(kind), neutral(Port(kind, WIDTH), N)

    np.testing.assert_array_equal(combine([one, one]).weight, one.weight)
    np.testing.assert_array_equal(combine([one, nothing]).weight, one.weight)
    np.testing.assert_array_equal(combine([one, one._replace(weight=jnp.ones(N))]).weight, np.ones(N))


def test_a_uniform_row_is_there_and_a_missing_one_is_uniform():
    log_weights = jnp.array([[0.0, 0.0], [3.0, -1.0]])

    np.testing.assert_allclose(normalized(log_weights, jnp.array([1.0, 0.0])).log_probs, np.log(np.full((2, 2), 0.5)))
    np.testing.assert_array_equal(normalized(log_weights).weight, [1.0, 1.0])
    np.testing.assert_array_equal(combine([normalized(log_weights), neutral(Port(Kind.CATEGORICAL, 2), 2)]).weight, 1)


def test_a_message_of_another_kind_is_refused():
    points = example(Kind.POINTS)

    assert of_kind(points, Points) is points
    with pytest.raises(TypeError, match="Points where Categorical is expected"):
        of_kind(points, Categorical)


def test_sparse_counts_are_never_combined():
    sparse = Counts(on_device(csr_array(np.eye(N))), jnp.ones(N))

    assert combine([sparse]) is sparse
    with pytest.raises(TypeError, match="counts are never combined"):
        combine([sparse, sparse])


@pytest.mark.parametrize("kind", list(Kind))
def test_one_message_is_what_it_says(kind):
    message = example(kind)

    assert combine([message]) is message


@pytest.mark.parametrize("kind", list(Kind))
def test_the_order_of_messages_does_not_matter(kind):
    messages = [example(kind, seed) for seed in range(3)]

    for leaf, same in zip(combine(messages), combine(messages[::-1]), strict=True):
        np.testing.assert_allclose(leaf, same, rtol=1e-6)


def test_categorical_messages_multiply_and_are_normalized():
    one, other = example(Kind.CATEGORICAL, 0), example(Kind.CATEGORICAL, 1)

    product = np.exp(np.asarray(one.log_probs, np.float64) + np.asarray(other.log_probs, np.float64))
    together = np.exp(combine([one, other]).log_probs)

    np.testing.assert_allclose(together, product / product.sum(-1, keepdims=True), rtol=1e-5)


def test_categorical_messages_that_contradict_each_other_stay_finite():
    sure = [Categorical(jnp.array([row]), jnp.ones(1)) for row in ([0.0, -1e4], [-1e4, 0.0])]

    np.testing.assert_allclose(combine(sure).log_probs, np.log([[0.5, 0.5]]), rtol=1e-6)


def test_points_are_averaged_over_those_that_know():
    values = jnp.array([[[1.0, 2.0], [1.0, 2.0]], [[3.0, 6.0], [9.0, 9.0]]])
    weights = jnp.array([[1.0, 1.0], [1.0, 0.0]])

    together = combine([Points(values[0], weights[0]), Points(values[1], weights[1])])

    np.testing.assert_allclose(together.values, [[2.0, 4.0], [1.0, 2.0]])
    np.testing.assert_array_equal(together.weight, [1.0, 1.0])


def test_counts_add():
    one, other = example(Kind.COUNTS, 0), example(Kind.COUNTS, 1)

    np.testing.assert_allclose(combine([one, other]).values, one.values + other.values)


def test_neutral_categorical_rows_are_distributions():
    np.testing.assert_allclose(np.exp(neutral(Port(Kind.CATEGORICAL, 7), 2).log_probs), np.full((2, 7), 1 / 7))
