"""Probabilistic PCA against linear algebra in float64, and the contract that every type keeps.

N items, D features, Q latent dimensions.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mmcli_pca.model import build, sample
from mmcli_pca.spec import SPEC, PcaOptions

from mmcli.modules.api import Inputs, step
from mmcli.modules.messages import Points, neutral
from mmcli.modules.spec import Kind, Port
from mmcli.testing import check_module

N, D, Q = 200, 5, 2
PORT, LATENT = Port(Kind.POINTS, D), Port(Kind.POINTS, Q)
IS_THERE = np.arange(N) % 10 != 9


def make_points():
    """Points (N, D) of Q strong and D - Q weak directions, those that are missing far away."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, Q)) @ rng.normal(size=(Q, D)) * 3 + rng.normal(size=(N, D)) * 0.5 + 7
    values[~IS_THERE] = 1e3
    return values


VALUES = make_points()
POINTS = Points(jnp.asarray(VALUES, jnp.float32), jnp.asarray(IS_THERE, jnp.float32))
PRIOR = np.random.default_rng(1).normal(size=(N, Q))


@pytest.fixture(scope="module")
def fitted():
    """State, outputs and info of an update without a child, the state as float64."""
    module = build(PcaOptions(latent_dim=Q), (PORT,), "cavity")
    inputs = Inputs.of((POINTS,), neutral(LATENT, N))
    return step(module, jax.random.key(1), module.init(jax.random.key(0), inputs), inputs)


def in_float64(state):
    return [np.asarray(leaf, np.float64) for leaf in state]


def log_likelihood(values, mean, covariance):
    """Sum of log N(x; mean, covariance) over rows."""
    centred = values - mean
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * (len(values) * log_det + (centred * np.linalg.solve(covariance, centred.T).T).sum())


def posterior_mean(state, value, prior):
    """E[z | x, c] by conditioning the joint Gaussian of z and x, (Q,)."""
    mean, loadings, noise = in_float64(state)
    covariance = loadings @ loadings.T + noise * np.eye(D)
    return prior + loadings.T @ np.linalg.solve(covariance, value - mean - loadings @ prior)


def test_it_keeps_to_the_contract():
    check_module(SPEC)


def test_parameters_are_those_of_the_eigenvectors_of_the_covariance(fitted):
    mean, loadings, noise = in_float64(fitted[0])
    eigenvalues, vectors = np.linalg.eigh(np.cov(VALUES[IS_THERE].T, bias=True))

    np.testing.assert_allclose(mean, VALUES[IS_THERE].mean(0), rtol=1e-5)
    np.testing.assert_allclose(noise, eigenvalues[: D - Q].mean(), rtol=1e-3)
    expected = vectors[:, ::-1][:, :Q] * np.sqrt(eigenvalues[::-1][:Q] - eigenvalues[: D - Q].mean())
    np.testing.assert_allclose(loadings @ loadings.T, expected @ expected.T, rtol=1e-3, atol=1e-3)
    assert (np.take_along_axis(loadings, np.abs(loadings).argmax(0, keepdims=True), axis=0) > 0).all()


def test_the_objective_is_the_log_likelihood_and_no_other_parameters_have_a_greater_one(fitted):
    state, _, info = fitted
    mean, loadings, noise = in_float64(state)
    values, eye = VALUES[IS_THERE], np.eye(D)
    best = log_likelihood(values, mean, loadings @ loadings.T + noise * eye)
    rng = np.random.default_rng(2)

    np.testing.assert_allclose(float(info.objective), best, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(info.trace), [float(info.objective)])
    for _ in range(50):
        other = loadings + 0.05 * rng.normal(size=(D, Q))
        covariance = other @ other.T + noise * np.exp(0.05 * rng.normal()) * eye
        assert log_likelihood(values, mean + 0.05 * rng.normal(size=D), covariance) < best


@pytest.mark.parametrize("row", [0, 1, 2])
def test_latent_means_are_those_of_the_posterior_with_the_childs_point_as_prior_mean(fitted, row):
    module = build(PcaOptions(latent_dim=Q), (PORT,), "cavity")
    child = Points(jnp.asarray(PRIOR, jnp.float32), jnp.ones(N))
    outputs = module.infer(fitted[0], Inputs.of((POINTS,), child))
    mean, loadings, _ = in_float64(fitted[0])
    z = posterior_mean(fitted[0], VALUES[row], PRIOR[row])

    np.testing.assert_allclose(outputs.items["z"][row], z, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(outputs.items["x_hat"][row], mean + loadings @ z, rtol=1e-3)
    forward = posterior_mean(fitted[0], VALUES[row], np.zeros(Q))
    np.testing.assert_allclose(outputs.forward.values[row], forward, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(outputs.backward[0].values[row], mean + loadings @ PRIOR[row], rtol=1e-3)


def test_a_missing_point_is_where_the_child_expects_it(fitted):
    module = build(PcaOptions(latent_dim=Q), (PORT,), "serket")
    outputs = module.infer(fitted[0], Inputs.of((POINTS,), Points(jnp.asarray(PRIOR, jnp.float32), jnp.ones(N))))
    mean, loadings, _ = in_float64(fitted[0])

    np.testing.assert_allclose(outputs.items["z"][9], PRIOR[9], rtol=1e-6)
    np.testing.assert_allclose(outputs.backward[0].values[9], mean + loadings @ PRIOR[9], rtol=1e-4)
    assert outputs.forward.weight[9] == 0


def test_samples_have_the_mean_and_covariance_of_the_model(fitted):
    """A correct sampler fails with a probability below 1e-6: 5.5 standard errors, 30 comparisons."""
    mean, loadings, noise = in_float64(fitted[0])
    num_samples = 20000
    inputs = Inputs.of((neutral(PORT, num_samples),), neutral(LATENT, num_samples))
    (drawn,) = sample(jax.random.key(3), fitted[0], inputs)
    covariance = loadings @ loadings.T + noise * np.eye(D)
    variances = np.diag(covariance)

    found = np.asarray(drawn.values, np.float64)
    assert (np.abs(found.mean(0) - mean) < 5.5 * np.sqrt(variances / num_samples)).all()
    # Var of an entry of the covariance of Gaussians: (C_ii C_jj + C_ij^2) / N
    spread = np.sqrt((np.outer(variances, variances) + covariance**2) / num_samples)
    assert (np.abs(np.cov(found.T) - covariance) < 5.5 * spread).all()


@pytest.mark.parametrize("values", [np.full((4, D), 3.0), np.zeros((1, D))], ids=["all alike", "one item"])
def test_points_without_variance_leave_finite_numbers(values):
    module = build(PcaOptions(latent_dim=Q), (PORT,), "cavity")
    inputs = Inputs.of((Points(jnp.asarray(values), jnp.ones(len(values))),), neutral(LATENT, len(values)))

    state, outputs, info = step(module, jax.random.key(1), module.init(jax.random.key(0), inputs), inputs)

    np.testing.assert_allclose(outputs.items["x_hat"], values, rtol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((state, outputs, info)))


@pytest.mark.parametrize(("width", "problems"), [(None, 0), (3, 0), (2, 1), (1, 1)])
def test_a_latent_space_as_wide_as_the_input_is_refused(width, problems):
    found = list(SPEC.check(PcaOptions(latent_dim=Q), [Port(Kind.POINTS, width)]))

    assert [option for option, _ in found] == ["latent_dim"] * problems
