"""Shared mathematics against distributions, closed forms and differentiation of the plain formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, xlog1py, xlogy

from mmcli.modules.numerics import bernoulli_nll, draw_gamma, kmeans

FALSE_ALARM = 1e-6  # probability that a correct sampler fails one of these tests
KMEANS = jax.jit(kmeans, static_argnums=3)


def test_gamma_draws_are_gamma():
    shapes = [1.0, 1.5, 10.0, 1000.0]
    draws = jax.jit(draw_gamma)(jax.random.key(0), jnp.repeat(jnp.array(shapes), 5000)).reshape(len(shapes), -1)

    for shape, sample in zip(shapes, np.asarray(draws, np.float64), strict=True):
        assert stats.kstest(sample, stats.gamma(shape).cdf).pvalue > FALSE_ALARM, shape


def test_gamma_draws_are_independent_of_each_other_and_of_another_key():
    draw = jax.jit(draw_gamma)
    shapes = jnp.full((5000, 2), 1.5)
    draws, others = draw(jax.random.key(0), shapes), draw(jax.random.key(1), shapes)

    for one, other in [(draws[:, 0], draws[:, 1]), (draws[:, 0], others[:, 0]), (draws[1:, 0], draws[:-1, 0])]:
        assert stats.spearmanr(one, other).pvalue > FALSE_ALARM


def test_bernoulli_nll_and_its_gradients_in_float64():
    rng = np.random.default_rng(0)
    logits, x, cotangent = rng.normal(0, 4, (6, 5)), rng.random((6, 5)), rng.normal(size=6)
    logits[0], x[0, :2] = 0, (0, 1)

    def plain(logits, x):
        return -(x * jnp.log(jax.nn.sigmoid(logits)) + (1 - x) * jnp.log(jax.nn.sigmoid(-logits))).sum(-1)

    with jax.enable_x64(True):
        value, pull = jax.vjp(bernoulli_nll, logits, x)
        gradients = pull(jnp.asarray(cotangent))
        _, plain_pull = jax.vjp(plain, logits, x)
        plain_gradients = plain_pull(jnp.asarray(cotangent))

    expected = -(xlogy(x, expit(logits)) + xlog1py(1 - x, -expit(logits))).sum(-1)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for gradient, plain_gradient in zip(gradients, plain_gradients, strict=True):
        np.testing.assert_allclose(gradient, plain_gradient, rtol=1e-10, atol=1e-14)


def test_bernoulli_nll_of_extreme_logits_is_linear():
    logits = jnp.array([[-1e4], [1e4], [-1e4], [1e4], [1e30], [-1e30]])
    x = jnp.array([[0.0], [1.0], [1.0], [0.25], [1.0], [0.0]])

    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(lambda *row: bernoulli_nll(*row).sum())))(
        logits[:, None], x[:, None]
    )

    np.testing.assert_allclose(value, [0, 0, 1e4, 7.5e3, 0, 0])
    np.testing.assert_allclose(gradient[:, 0, 0], [0, 0, -1, 0.75, 0, 0])


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_finds_clusters_far_apart(seed):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(4), 10))
    rows = 100 * np.eye(4)[truth] + rng.normal(size=(40, 4))

    clusters = np.asarray(KMEANS(jax.random.key(seed), jnp.asarray(rows, jnp.float32), jnp.ones(40), 4))

    assert clusters.dtype == np.int32
    assert len({*zip(clusters.tolist(), truth.tolist(), strict=True)}) == 4  # a cluster for each kind, and the reverse


def test_kmeans_ends_where_every_row_is_nearest_to_its_own_mean():
    rows = np.random.default_rng(0).normal(size=(40, 4))

    clusters = np.asarray(KMEANS(jax.random.key(0), jnp.asarray(rows, jnp.float32), jnp.ones(40), 4))

    means = np.stack([rows[clusters == cluster].mean(0) for cluster in range(4)])
    np.testing.assert_array_equal(np.square(rows[:, None] - means).sum(-1).argmin(-1), clusters)


def test_kmeans_of_identical_rows_and_of_fewer_rows_than_clusters():
    same = np.asarray(KMEANS(jax.random.key(0), jnp.ones((40, 4)), jnp.ones(40), 4))
    few = np.asarray(KMEANS(jax.random.key(0), 10 * jnp.eye(3, 4), jnp.ones(3), 5))

    assert len(set(same.tolist())) == 1
    assert len(set(few.tolist())) == 3


def test_kmeans_ignores_rows_of_no_weight():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 10)
    rows = 100 * np.eye(4)[truth] + rng.normal(size=(40, 4))
    far = np.concatenate([rows, rng.normal(1e4, 1e3, (30, 4))])
    weight = np.repeat([1.0, 0.0], [40, 30])

    clusters = np.asarray(KMEANS(jax.random.key(0), jnp.asarray(far, jnp.float32), jnp.asarray(weight), 4))[:40]

    assert len({*zip(clusters.tolist(), truth.tolist(), strict=True)}) == 4
