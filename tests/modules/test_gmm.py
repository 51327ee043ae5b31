"""The GMM against enumeration of all labelings, known distributions and formulas in float64."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, log_softmax, logsumexp, multigammaln

from mmcli.modules import api as contract
from mmcli.modules import gaussians
from mmcli.modules.api import Inputs
from mmcli.modules.gmm import marginals, model
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.gmm.table import prepare, side_by_side
from mmcli.modules.messages import Categorical, Points, neutral, normalized
from mmcli.modules.scatters import class_products, diagonal, divided, floored_cholesky
from mmcli.modules.spec import Kind, Port

FALSE_ALARM = 1e-6  # probability that a correct sampler fails one of these tests
PRIOR_SCALE = 1.0  # little less, and few sweeps leave a labeling of five points


def pulled_in(values):
    """Values (n, D) with the outermost hundredth at each end, at least one of three and more, pulled in to the rest."""
    ordered, outer = np.sort(values, axis=0), int(np.ceil(0.01 * (len(values) - 1)))
    low, high = sorted((outer, len(values) - 1 - outer))
    return np.clip(values, ordered[low], ordered[high])


def prior_of(values, weight, prior_scale=PRIOR_SCALE):
    """m0, kappa0, nu0 and S0 of the module's documentation."""
    kept = pulled_in(values[weight > 0])
    return kept.mean(0), 1.0, values.shape[1] + 2.0, prior_scale * np.diag(kept.var(0))


def prepared(points, prior_scale=PRIOR_SCALE):
    return prepare(side_by_side((points,)), gaussians.data_prior((points,), prior_scale))


def posterior_given(data, labels, num_classes, covariance="full"):
    return gaussians.niw_posterior(data, jnp.asarray(labels, jnp.int32), num_classes, covariance)


def posterior_of(members, m0, kappa0, nu0, s0):
    """Murphy (2012), eqs. 4.210 to 4.214, of the members (n, D) of one class."""
    kappa, nu = kappa0 + len(members), nu0 + len(members)
    mean = (kappa0 * m0 + members.sum(0)) / kappa
    scatter = s0 + members.T @ members + kappa0 * np.outer(m0, m0) - kappa * np.outer(mean, mean)
    return mean, kappa, nu, scatter


def log_marginal(members, *prior):
    """log p(members of one class), parameters integrated out: Murphy (2007), eq. 266."""
    num_features = members.shape[1]
    _, kappa0, nu0, s0 = prior
    _, kappa, nu, scatter = posterior_of(members, *prior)
    return (
        -0.5 * members.size * np.log(np.pi)
        + multigammaln(nu / 2, num_features)
        - multigammaln(nu0 / 2, num_features)
        + 0.5 * nu0 * np.linalg.slogdet(s0)[1]
        - 0.5 * nu * np.linalg.slogdet(scatter)[1]
        + 0.5 * num_features * np.log(kappa0 / kappa)
    )


def log_marginal_tied(classes, *prior):
    """log p(members of every class) under one covariance, parameters integrated out."""
    m0, kappa0, nu0, s0 = prior
    num_features = len(m0)
    posteriors = [posterior_of(members, *prior) for members in classes]
    scatter, nu = s0 + sum(scatter - s0 for *_, scatter in posteriors), nu0 + sum(map(len, classes))
    return (
        -0.5 * (nu - nu0) * num_features * np.log(np.pi)
        + multigammaln(nu / 2, num_features)
        - multigammaln(nu0 / 2, num_features)
        + 0.5 * nu0 * np.linalg.slogdet(s0)[1]
        - 0.5 * nu * np.linalg.slogdet(scatter)[1]
        + 0.5 * num_features * sum(np.log(kappa0 / kappa) for _, kappa, *_ in posteriors)
    )


def log_evidence(values, known, labels, num_classes, prior_scale, covariance):
    """log p(values | labels), parameters integrated out; `known` (N, D), by rows unless the covariance is diagonal."""
    if covariance == "diagonal":
        return sum(
            log_marginal(
                values[known[:, d] & (labels == k), d : d + 1], *prior_of(values[:, [d]], known[:, d], prior_scale)
            )
            for k in range(num_classes)
            for d in range(values.shape[1])
        )
    prior, rows = prior_of(values, known[:, 0], prior_scale), known[:, 0]
    classes = [values[rows & (labels == k)] for k in range(num_classes)]
    if covariance == "tied":
        return log_marginal_tied(classes, *prior)
    return sum(log_marginal(members, *prior) for members in classes)


def enumerate_labelings(values, weight, log_prior, prior_scale=PRIOR_SCALE, covariance="full"):
    """P(labels) of all K^N labelings, in the order of itertools.product; Dirichlet(1, ..., 1) weights.

    `weight` is (N,), or (N, D) where items are known in part.
    """
    num_items, num_classes = log_prior.shape
    by_column = np.broadcast_to(weight.reshape(num_items, -1), values.shape) > 0
    known = by_column.any(1)
    scores = []
    for labels in map(np.array, itertools.product(range(num_classes), repeat=num_items)):
        score = log_prior[np.arange(num_items), labels].sum()
        counts = np.bincount(labels[known], minlength=num_classes)
        score += gammaln(1 + counts).sum() - gammaln(num_classes + known.sum())
        score += log_evidence(values, by_column, labels, num_classes, prior_scale, covariance)
        # An unknown item takes part in no count: its class follows the weights that the others leave.
        score += (np.log1p(counts[labels[~known]]) - np.log(num_classes + known.sum())).sum()
        scores.append(score)
    return np.exp(scores - logsumexp(scores))


def chi_square_p_value(counts, probabilities):
    """Of counts of independent draws; cells of which fewer than 10 are expected are put together."""
    expected = counts.sum() * probabilities
    rare = expected < 10
    observed, expected = (np.append(cells[~rare], cells[rare].sum()) for cells in (counts, expected))
    kept = expected > 0
    assert not observed[~kept].any()
    return stats.chisquare(observed[kept], expected[kept]).pvalue


POINTS_1 = np.array([[-0.6], [-0.4], [0.1], [0.5], [0.7]])
POINTS_2 = np.array([[-0.6, 0.1], [-0.4, 0.3], [0.1, -0.5], [0.5, 0.2], [0.7, -0.3]])
ALL_KNOWN, THIRD_UNKNOWN = np.ones(5), np.array([1.0, 1.0, 0.0, 1.0, 1.0])
LOG_MESSAGE = log_softmax(np.random.default_rng(3).normal(size=(5, 2)), axis=-1)


@partial(jax.jit, static_argnames="covariance")
def last_labels(key, parents, log_prior, prior_scale, covariance="full"):
    """Labels (4096, N) after 60 sweeps of as many chains from random labels: independent draws."""
    chains, sweeps, table = 4096, 60, side_by_side(parents)
    prior = gaussians.data_prior(parents, prior_scale)
    data = prepare(table, prior)

    def sweep(chain, key):
        def one(key, chain):
            return model.gibbs_sweep(key, chain, table, data, log_prior, covariance)[0]

        return jax.vmap(one)(jax.random.split(key, chains), chain), None

    labels = jax.random.bernoulli(key, shape=(chains, log_prior.shape[0])).astype(jnp.int32)
    filled = None
    if not table.is_single:
        filled = jax.vmap(lambda labels: marginals.filled_by_means(table, labels, log_prior.shape[1], prior))(labels)
    return jax.lax.scan(sweep, model.Chain(labels, filled), jax.random.split(key, sweeps))[0].labels


def float32(values, weight):
    return Points(jnp.asarray(values, jnp.float32), jnp.asarray(weight, jnp.float32))


@pytest.mark.parametrize(
    ("values", "weight", "log_prior", "prior_scale", "covariance"),
    [
        (POINTS_1, ALL_KNOWN, np.zeros((5, 2)), PRIOR_SCALE, "full"),
        (POINTS_2, ALL_KNOWN, 1.5 * LOG_MESSAGE, PRIOR_SCALE, "full"),
        # Of four points two are pulled in: their prior is narrower than they are, and chains change labels seldom.
        (POINTS_2, THIRD_UNKNOWN, LOG_MESSAGE, 10 * PRIOR_SCALE, "full"),
        (POINTS_2, THIRD_UNKNOWN, LOG_MESSAGE, 10 * PRIOR_SCALE, "tied"),
        (POINTS_2, ALL_KNOWN, LOG_MESSAGE, PRIOR_SCALE, "diagonal"),
    ],
    ids=["no message", "message", "unknown point", "tied", "diagonal"],
)
def test_gibbs_sampling_visits_every_labeling_as_often_as_its_posterior_says(
    values, weight, log_prior, prior_scale, covariance
):
    parents = (float32(values, weight),)
    log_message = jnp.asarray(log_prior, jnp.float32)

    labels = np.asarray(last_labels(jax.random.key(0), parents, log_message, prior_scale, covariance))

    posterior = enumerate_labelings(values, weight, log_prior, prior_scale, covariance)
    assert chi_square_p_value(visits_of(labels), posterior) > FALSE_ALARM


def visits_of(labels):
    """How often each labeling of five points occurs, in the order of itertools.product."""
    return np.bincount(labels @ (2 ** np.arange(4, -1, -1)), minlength=32)


@pytest.mark.parametrize("missing", [[], [1, 2]], ids=["complete", "in part"])
def test_sweeps_over_two_inputs_visit_every_labeling_as_often_as_its_posterior_says(missing):
    weights = np.ones((5, 2))
    weights[missing, [0, 1][: len(missing)]] = 0
    parents = tuple(float32(POINTS_2[:, [d]], weights[:, d]) for d in range(2))
    log_message = jnp.asarray(LOG_MESSAGE, jnp.float32)

    labels = np.asarray(last_labels(jax.random.key(0), parents, log_message, 10 * PRIOR_SCALE, "diagonal"))

    posterior = enumerate_labelings(POINTS_2, weights, LOG_MESSAGE, 10 * PRIOR_SCALE, "diagonal")
    assert chi_square_p_value(visits_of(labels), posterior) > FALSE_ALARM


def test_the_enumeration_tells_a_wrong_prior_from_the_right_one():
    right = enumerate_labelings(POINTS_2, ALL_KNOWN, np.zeros((5, 2)))
    wrong = enumerate_labelings(POINTS_2, ALL_KNOWN, np.zeros((5, 2)), 0.7 * PRIOR_SCALE)

    visits = np.random.default_rng(0).multinomial(4096, wrong)

    assert chi_square_p_value(visits, right) < FALSE_ALARM < chi_square_p_value(visits, wrong)


def random_data(num_items=12, num_features=3, far=0.0):
    rng = np.random.default_rng(5)
    values, weight = far + rng.normal(size=(num_items, num_features)), np.ones(num_items)
    weight[2] = 0
    return values, weight, rng.integers(0, 3, num_items)


def test_posterior_of_parameters_in_float64():
    values, weight, labels = random_data()
    with jax.enable_x64(True):
        data = prepared(Points(jnp.asarray(values), jnp.asarray(weight)))
        posterior = jax.tree.map(np.asarray, posterior_given(data, labels, 4))

    prior = prior_of(values, weight)
    for k in range(4):  # the last class is empty
        mean, kappa, nu, scatter = posterior_of(values[(labels == k) & (weight > 0)], *prior)
        assert posterior.counts[k] == ((labels == k) & (weight > 0)).sum()
        np.testing.assert_allclose(posterior.means[k], mean, rtol=1e-10)
        assert (posterior.kappa[k], posterior.nu[k]) == (kappa, nu)
        np.testing.assert_allclose(posterior.chol_scatters[k] @ posterior.chol_scatters[k].T, scatter, atol=1e-10)


def test_posterior_of_a_tied_covariance_in_float64():
    values, weight, labels = random_data()
    with jax.enable_x64(True):
        data = prepared(Points(jnp.asarray(values), jnp.asarray(weight)))
        posterior = jax.tree.map(np.asarray, posterior_given(data, labels, 4, "tied"))

    prior = prior_of(values, weight)
    *_, nu0, s0 = prior
    each = [posterior_of(values[(labels == k) & (weight > 0)], *prior) for k in range(4)]
    np.testing.assert_allclose(posterior.means, [mean for mean, *_ in each], rtol=1e-10)
    np.testing.assert_array_equal(posterior.kappa, [kappa for _, kappa, *_ in each])
    assert posterior.nu == [nu0 + weight.sum()]
    chol, scatter = posterior.chol_scatters[0], s0 + sum(scatter - s0 for *_, scatter in each)
    np.testing.assert_allclose(chol @ chol.T, scatter, atol=1e-10)


def test_posterior_of_diagonal_covariances_is_that_of_each_column_in_float64():
    values, weight, labels = random_data()
    with jax.enable_x64(True):
        data = prepared(Points(jnp.asarray(values), jnp.asarray(weight)))
        posterior = jax.tree.map(np.asarray, posterior_given(data, labels, 4, "diagonal"))

    for k in range(4):
        for d in range(3):
            column = values[:, [d]]
            mean, kappa, nu, scatter = posterior_of(column[(labels == k) & (weight > 0)], *prior_of(column, weight))
            assert (posterior.kappa[k], posterior.nu[k]) == (kappa, nu)
            np.testing.assert_allclose(posterior.means[k, d], mean[0], rtol=1e-10)
            np.testing.assert_allclose(posterior.chol_scatters[k, d] ** 2, scatter[0, 0], rtol=1e-10)


@pytest.mark.parametrize("covariance", ["tied", "diagonal"])
def test_draws_of_other_covariances_follow_their_posterior(covariance):
    values, weight, labels = random_data(num_features=2)
    data = prepared(float32(values, weight))
    posterior = jax.tree.map(np.asarray, posterior_given(data, labels % 2, 3, covariance))
    keys = jax.random.split(jax.random.key(0), 5000)
    params = jax.jit(jax.vmap(gaussians.draw_params, (0, None)))(keys, posterior)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)

    for k in range(3):
        shifts = params.means[:, k] - posterior.means[k]
        if covariance == "tied":
            scatter, whiteners = posterior.chol_scatters[0] @ posterior.chol_scatters[0].T, params.whiteners[:, 0]
            along = np.square(whiteners @ [1.0, -2.0]).sum(-1) / ([1, -2] @ np.linalg.solve(scatter, [1, -2]))
            assert p_value(along, stats.chi2(posterior.nu[0])) > FALSE_ALARM
            whitened = np.einsum("rij,rj->ri", whiteners, shifts)
        else:
            for d in range(2):
                along = np.square(params.whiteners[:, k, d] * posterior.chol_scatters[k, d])
                assert p_value(along, stats.chi2(posterior.nu[k])) > FALSE_ALARM
            whitened = params.whiteners[:, k] * shifts
        for column in np.sqrt(posterior.kappa[k]) * whitened.T:
            assert p_value(column, stats.norm) > FALSE_ALARM


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_mean_parameters_and_densities_of_every_covariance_in_float64(covariance):
    values, weight, labels = random_data()
    with jax.enable_x64(True):
        points = Points(jnp.asarray(values), jnp.asarray(weight))
        posterior = posterior_given(prepared(points), labels, 3, covariance)
        params = gaussians.mean_params(posterior)
        log_weights, means = np.asarray(params.log_weights), np.asarray(params.means)
        scores = np.asarray(marginals.log_joint(params, side_by_side((points,))))
        nu, factors = np.asarray(posterior.nu), np.asarray(posterior.chol_scatters)

    for k in range(3):
        s = 0 if covariance == "tied" else k
        if covariance == "diagonal":
            expected = np.diag(factors[k] ** 2) / (nu[k] - 2)
        else:
            expected = factors[s] @ factors[s].T / (nu[s] - 4)
        density = stats.multivariate_normal(means[k], expected).logpdf(values)
        np.testing.assert_allclose(scores[:, k], log_weights[k] + weight * density, rtol=1e-9)


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_items_that_belong_to_classes_in_shares_count_by_them_in_float64(covariance):
    values, weight, labels = random_data()
    shares = 0.75 * np.eye(3)[labels] + 0.25 * np.eye(3)[(labels + 1) % 3]
    with jax.enable_x64(True):
        data = prepared(Points(jnp.asarray(values), jnp.asarray(weight)))
        found = gaussians.expected_posterior(data, jnp.asarray(shares.T), covariance)
        found = jax.tree.map(np.asarray, found)

    m0, kappa0, _, s0 = prior_of(values, weight)
    members, centred = weight[:, None] * shares, values - m0
    kappa = kappa0 + members.sum(0)
    shifts = members.T @ centred / kappa[:, None]
    scatters = np.einsum("nk,ni,nj->kij", members, centred, centred) - np.einsum("k,ki,kj->kij", kappa, shifts, shifts)
    np.testing.assert_allclose(found.kappa, kappa)
    np.testing.assert_allclose(found.means, m0 + shifts)
    factors = found.chol_scatters
    if covariance == "diagonal":
        np.testing.assert_allclose(factors**2, np.diagonal(s0 + scatters, axis1=1, axis2=2))
    else:
        expected = s0 + (scatters.sum(0, keepdims=True) if covariance == "tied" else scatters)
        np.testing.assert_allclose(factors @ np.swapaxes(factors, 1, 2), expected, atol=1e-12)


@pytest.mark.parametrize("num_items", [1, 127, 128, 700])
def test_products_of_classes_in_blocks_are_those_of_their_rows(num_items):
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(num_items, 3)), rng.choice([0, 0, 0, 2, 3], num_items)  # no item is of class 1

    with jax.enable_x64(True):
        products = np.asarray(class_products(jnp.asarray(rows), jnp.asarray(labels, jnp.int32), 4))

    for k in range(4):
        np.testing.assert_allclose(products[k], rows[labels == k].T @ rows[labels == k], atol=1e-12)


@pytest.mark.parametrize("num_features", [1, 5, 64, 65, 150])
def test_triangular_matrices_are_divided_by_panels(num_features):
    rng = np.random.default_rng(0)
    factors, lower = np.tril(rng.normal(size=(2, 2, num_features, num_features)))
    lower += 9 * np.sqrt(num_features) * np.eye(num_features)

    with jax.enable_x64(True):
        quotient = np.asarray(divided(jnp.asarray(factors), jnp.asarray(lower)))

    np.testing.assert_allclose(quotient @ lower, factors, atol=1e-10)
    np.testing.assert_array_equal(np.triu(quotient, 1), 0)


def test_scatter_of_far_off_points_does_not_cancel_in_float32():
    values, weight, labels = random_data(far=1e3)
    data = prepared(Points(jnp.asarray(values, jnp.float32), jnp.asarray(weight, jnp.float32)))
    chol = np.asarray(posterior_given(data, labels, 3).chol_scatters)

    for k in range(3):
        *_, scatter = posterior_of(values[(labels == k) & (weight > 0)], *prior_of(values, weight))
        np.testing.assert_allclose(chol[k] @ chol[k].T, scatter, atol=1e-2)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3, 1e6, 1e12])
@pytest.mark.parametrize("num_items", [30, 3000])
def test_features_that_are_sums_of_others_have_a_covariance_at_any_scale(num_items, scale):
    rng = np.random.default_rng(0)
    values = scale * rng.normal(size=(num_items, 2)) @ rng.normal(size=(2, 6))  # of rank 2
    data = prepared(Points(jnp.asarray(values, jnp.float32), jnp.ones(num_items)))
    chol = np.asarray(posterior_given(data, jnp.arange(num_items) % 3, 4).chol_scatters, float)

    for k in range(3):
        *_, scatter = posterior_of(values[k::3], *prior_of(values, np.ones(num_items)))
        near = np.sqrt(np.diag(scatter))
        assert np.isfinite(chol[k]).all()
        np.testing.assert_allclose(
            chol[k] @ chol[k].T / np.outer(near, near), scatter / np.outer(near, near), atol=1e-3
        )
    np.testing.assert_allclose(chol[3], np.sqrt(prior_of(values, np.ones(num_items))[3]), rtol=1e-5)  # the empty class


def test_the_floor_of_a_covariance_touches_no_other():
    alike = np.eye(3)[[0, 1, 1]] @ np.eye(3)[:, [0, 1, 1]]  # the last feature is the one before it
    scatters = jnp.stack([1e-5 * jnp.eye(3), jnp.asarray(alike, jnp.float32), 1e5 * jnp.eye(3)])
    floors = 1e-6 * diagonal(scatters)

    chol, plain = floored_cholesky(scatters, floors), jnp.linalg.cholesky(scatters)

    np.testing.assert_array_equal(chol[::2], plain[::2])
    assert np.isnan(plain[1]).any()
    np.testing.assert_allclose(chol[1] @ chol[1].T, alike + 1e-6 * np.eye(3), atol=2e-7)


@pytest.mark.parametrize("offset", [0.0, 1024.0])
@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_neither_scale_nor_offset_changes_a_posterior(scale, offset):
    values, weight, labels = random_data()
    values = np.round(values, 2)
    near, far = (
        posterior_given(prepared(Points(jnp.asarray(scale * points), jnp.asarray(weight))), labels, 3)
        for points in (values, values + offset)
    )
    plain = posterior_given(prepared(Points(jnp.asarray(values), jnp.asarray(weight))), labels, 3)

    for posterior, shift in ((near, 0), (far, offset)):
        np.testing.assert_allclose(posterior.means / scale - shift, plain.means, atol=1e-3)
        np.testing.assert_allclose(posterior.chol_scatters / scale, plain.chol_scatters, atol=1e-2)


def test_an_outlier_moves_no_prior():
    values, weight, _ = random_data(num_items=200)
    wild = values.copy()
    wild[7] = 1e12

    for kept, moved in zip(*(prior_of(points, weight) for points in (values, wild)), strict=True):
        np.testing.assert_allclose(moved, kept, atol=0.1)
    found = gaussians.data_prior((Points(jnp.asarray(wild, jnp.float32), jnp.asarray(weight)),), PRIOR_SCALE)
    np.testing.assert_allclose(found.centre, prior_of(wild, weight)[0], rtol=1e-4)
    np.testing.assert_allclose(np.diag(found.scatter), prior_of(wild, weight)[3], rtol=1e-4)


def test_what_does_not_vary_has_the_prior_of_the_broadest_or_of_1():
    values = np.stack([np.full(9, 7.1), np.arange(9.0), np.arange(9.0) / 100], axis=1)

    found = gaussians.data_prior((Points(jnp.asarray(values, jnp.float32), jnp.ones(9)),), 0.1)
    nothing = gaussians.data_prior((Points(jnp.asarray(values[:, :1], jnp.float32), jnp.ones(9)),), 0.1)

    assert found.scatter[0] == found.scatter[1] > 1000 * found.scatter[2]
    assert nothing.scatter[0] == pytest.approx(0.1)


@pytest.fixture(scope="module")
def posterior():
    """Of three classes in two dimensions, the last of them empty."""
    values, weight, labels = random_data(num_features=2)
    data = prepared(Points(jnp.asarray(values, jnp.float32), jnp.asarray(weight, jnp.float32)))
    return jax.tree.map(np.asarray, posterior_given(data, labels % 2, 3))


@pytest.fixture(scope="module")
def draws(posterior):
    """5000 draws of weights (R, K), means (R, K, D), precisions (R, K, D, D) and log |A|."""
    params = jax.jit(jax.vmap(gaussians.draw_params, (0, None)))(jax.random.split(jax.random.key(0), 5000), posterior)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    return params, np.exp(params.log_weights), np.swapaxes(params.whiteners, -1, -2) @ params.whiteners


def p_value(sample, distribution):
    return stats.kstest(sample, distribution.cdf).pvalue


def test_weights_are_drawn_from_their_dirichlet(posterior, draws):
    _, weights, _ = draws
    shares = 1 + posterior.counts

    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    for k, share in enumerate(shares):
        assert p_value(weights[:, k], stats.beta(share, shares.sum() - share)) > FALSE_ALARM
    ratio = weights[:, 0] / (weights[:, 0] + weights[:, 1])  # of a Dirichlet, independent of the third
    assert p_value(ratio, stats.beta(shares[0], shares[1])) > FALSE_ALARM
    assert stats.spearmanr(ratio, weights[:, 2]).pvalue > FALSE_ALARM


@pytest.mark.parametrize("direction", [[1.0, 0.0], [0.0, 1.0], [1.0, -2.0], [3.0, 1.0]])
def test_precisions_are_drawn_from_their_wishart(posterior, draws, direction):
    _, _, precisions = draws
    for k in range(3):
        scatter = posterior.chol_scatters[k] @ posterior.chol_scatters[k].T
        direction = np.array(direction)
        along = np.einsum("rij,i,j->r", precisions[:, k], direction, direction)
        inverse_along = np.einsum("rij,i,j->r", np.linalg.inv(precisions[:, k]), direction, direction)

        # Muirhead (1982), theorems 3.2.5 and 3.2.12.
        along /= direction @ np.linalg.solve(scatter, direction)
        assert p_value(along, stats.chi2(posterior.nu[k])) > FALSE_ALARM
        across = (direction @ scatter @ direction) / inverse_along
        assert p_value(across, stats.chi2(posterior.nu[k] - 1)) > FALSE_ALARM


def test_means_are_drawn_from_a_gaussian_given_the_covariance_and_a_t_without(posterior, draws):
    params, _, _ = draws
    for k in range(3):
        scatter, kappa, freedom = (
            posterior.chol_scatters[k] @ posterior.chol_scatters[k].T,
            *(
                posterior.kappa[k],
                posterior.nu[k] - 1,
            ),
        )
        shifts = params.means[:, k] - posterior.means[k]
        whitened = np.sqrt(kappa) * np.einsum("rij,rj->ri", params.whiteners[:, k], shifts)

        for column in whitened.T:
            assert p_value(column, stats.norm) > FALSE_ALARM
            assert stats.spearmanr(column, params.log_dets[:, k]).pvalue > FALSE_ALARM
        assert p_value(np.square(whitened).sum(-1), stats.chi2(2)) > FALSE_ALARM
        along = shifts @ [2.0, 1.0] / np.sqrt([2.0, 1.0] @ scatter @ [2.0, 1.0] / (kappa * freedom))
        assert p_value(along, stats.t(freedom)) > FALSE_ALARM


def test_log_determinants_are_of_the_whiteners(draws):
    params, _, precisions = draws

    np.testing.assert_allclose(2 * params.log_dets, np.linalg.slogdet(precisions)[1], atol=1e-3)


def test_mean_parameters_are_the_posterior_means(posterior):
    params = jax.tree.map(np.asarray, gaussians.mean_params(posterior))

    np.testing.assert_allclose(
        np.exp(params.log_weights), (1 + posterior.counts) / (3 + posterior.counts.sum()), rtol=1e-5
    )
    np.testing.assert_allclose(params.means, posterior.means)
    for k in range(3):
        covariance = posterior.chol_scatters[k] @ posterior.chol_scatters[k].T / (posterior.nu[k] - 3)
        np.testing.assert_allclose(np.linalg.inv(params.whiteners[k].T @ params.whiteners[k]), covariance, rtol=1e-4)
        assert params.log_dets[k] == pytest.approx(-0.5 * np.linalg.slogdet(covariance)[1], abs=1e-4)


def test_log_joint_is_weight_times_density(posterior):
    values, weight, _ = random_data(num_features=2)
    params = gaussians.mean_params(posterior)
    points = Points(jnp.asarray(values, jnp.float32), jnp.asarray(weight, jnp.float32))
    scores = marginals.log_joint(params, side_by_side((points,)))

    for k in range(3):
        covariance = posterior.chol_scatters[k] @ posterior.chol_scatters[k].T / (posterior.nu[k] - 3)
        density = stats.multivariate_normal(posterior.means[k], covariance).logpdf(values)
        np.testing.assert_allclose(scores[:, k], params.log_weights[k] + weight * density, atol=1e-4)


def test_shared_evidence_adds_the_information_that_points_and_message_share():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 30)
    log_weights, message = np.log([0.5, 0.3, 0.2]), log_softmax(3 * np.eye(3)[labels], axis=-1)
    scores = log_weights + 4 * np.eye(3)[labels] + rng.normal(size=(30, 3))
    evidence = logsumexp(scores, axis=-1).sum()

    with jax.enable_x64(True):

        def scored(message, told, known):
            return float(model.shared_evidence(scores, Categorical(message, told.astype(float)), known, 2.5))

        every = np.ones(30)
        agreed, opposed, constant = (
            scored(sent, every, every)
            for sent in (message, message[:, [1, 2, 0]], np.tile(np.log([0.7, 0.2, 0.1]), (30, 1)))
        )
        told, known = np.arange(30) % 3 > 0, np.arange(30) % 5 > 0
        some = scored(np.where(told[:, None], message, -np.log(3)), told, known.astype(float))

    assert constant == pytest.approx(evidence, rel=1e-12)
    assert opposed < evidence < agreed
    posterior, shares = np.exp(log_softmax(scores, axis=-1)), np.exp(message).mean(0)
    shared = np.log((posterior * np.exp(message) / shares).sum(-1)).sum()
    assert agreed == pytest.approx(evidence + 2.5 * shared, rel=1e-12)
    both, shares = told & known, np.exp(message)[told].mean(0)
    shared = np.log((posterior * np.exp(message) / shares).sum(-1))[both].mean() * known.sum()
    assert some == pytest.approx(evidence + 2.5 * shared, rel=1e-12)


def blobs(centres, size, spread):
    """Points around each centre, and which."""
    truth = np.repeat(np.arange(len(centres)), size)
    rng = np.random.default_rng(0)
    values = np.array(centres)[truth] + spread * rng.normal(size=(len(truth), len(centres[0])))
    return Points(jnp.asarray(values, jnp.float32), jnp.ones(len(truth))), truth


def partition(classes):
    """Which items share a class, whatever it is called."""
    return np.asarray(classes)[:, None] == np.asarray(classes)[None, :]


@pytest.fixture(scope="module")
def clustered():
    """Three classes of which two are near each other, a module for them, and its update jitted."""
    points, truth = blobs([[0.0, 0.0], [0.0, 1.2], [9.0, 9.0]], 20, 0.5)
    module = model.build(GmmOptions(num_classes=3, sweeps=40), (Port(Kind.POINTS, 2),), "cavity")
    return points, truth, module, jax.jit(lambda *args: contract.step(module, *args))


def test_a_message_takes_apart_the_classes_that_one_word_holds_together(clustered):
    points, truth, module, step = clustered
    # The child has seen the first two classes under one word: of each the same word is the likeliest, but
    # what comes after it differs. The points alone hold them together as well.
    merged = np.where(truth == 2, 1, 0)
    rows = np.log([[0.90, 0.02, 0.08], [0.80, 0.19, 0.01], [0.05, 0.90, 0.05]])
    inputs = Inputs.of((points,), Categorical(jnp.asarray(rows[truth], jnp.float32), jnp.ones(60)))
    state = module.init(jax.random.key(0), inputs)
    state = state._replace(labels=jnp.asarray(merged, jnp.int32), trained=jnp.array(True))

    for seed in range(5):
        learned, outputs, _ = step(jax.random.key(seed), state, inputs)
        np.testing.assert_array_equal(partition(outputs.items["class"]), partition(truth))
        np.testing.assert_array_equal(learned.labels, outputs.items["class"])


def test_a_message_that_agrees_keeps_what_was_learned(clustered):
    points, truth, module, step = clustered
    inputs = Inputs.of((points,), Categorical(jnp.log(0.94 * jax.nn.one_hot(truth, 3) + 0.02), jnp.ones(60)))
    state = module.init(jax.random.key(0), inputs)
    state = state._replace(labels=jnp.asarray(truth, jnp.int32), trained=jnp.array(True))

    for seed in range(5):
        _, outputs, info = step(jax.random.key(seed), state, inputs)
        np.testing.assert_array_equal(partition(outputs.items["class"]), partition(truth))
        assert info.trace.shape == (40,)


def test_clusters_far_apart_are_found_and_their_means_go_back(clustered):
    _, _, module, step = clustered
    points, truth = blobs([[0.0, 0.0], [0.0, 9.0], [9.0, 9.0]], 20, 0.5)
    inputs = Inputs.of((points,), neutral(Port(Kind.CATEGORICAL, 3), 60))

    state, outputs, _ = step(jax.random.key(0), module.init(jax.random.key(1), inputs), inputs)

    np.testing.assert_array_equal(partition(outputs.items["class"]), partition(truth))
    centres = np.stack([np.asarray(points.values)[truth == k].mean(0) for k in range(3)])
    np.testing.assert_allclose(outputs.backward[0].values, centres[truth], atol=0.5)
    np.testing.assert_allclose(outputs.backward[0].values, state.params.means[outputs.items["class"]])
    np.testing.assert_allclose(np.exp(outputs.forward.log_probs), outputs.items["Pdz"], atol=1e-6)


def test_without_a_message_an_update_ends_where_expected_classes_and_parameters_agree(clustered):
    points, _, module, step = clustered
    inputs = Inputs.of((points,), neutral(Port(Kind.CATEGORICAL, 3), 60))

    state, outputs, info = step(jax.random.key(0), module.init(jax.random.key(1), inputs), inputs)

    table, data = side_by_side((points,)), prepared(points, 0.1)
    scores = marginals.log_joint(state.params, table)
    np.testing.assert_array_equal(outputs.items["class"], scores.argmax(1))
    shares = jax.nn.softmax(scores, axis=1)
    np.testing.assert_allclose(model.settle("full", data, table, shares), shares, atol=1e-2)
    posterior = gaussians.expected_posterior(data, shares.T, "full")
    for leaf, found in zip(gaussians.mean_params(posterior), state.params, strict=True):
        np.testing.assert_allclose(leaf, found, atol=1e-2)
    predicted = marginals.log_joint(state.params, table, gaussians.Own(posterior, shares))
    assert info.objective == pytest.approx(logsumexp(predicted, axis=1).sum(), rel=1e-4)
    np.testing.assert_allclose(outputs.forward.log_probs, log_softmax(predicted, axis=1), atol=1e-2)


def test_the_message_counts_by_its_weight():
    points, truth = blobs([[0.0, 0.0], [0.0, 9.0]], 10, 0.5)
    swapped = normalized(0.5 * jax.nn.one_hot(1 - truth, 2))
    classes = {}
    for weight in (1.0, 1e4):
        module = model.build(GmmOptions(num_classes=2, message_weight=weight), (Port(Kind.POINTS, 2),), "cavity")
        state = module.init(jax.random.key(0), Inputs.of((points,), swapped))
        data = prepared(points)
        params = gaussians.mean_params(posterior_given(data, truth, 2))
        received = Inputs.of((points,), swapped)
        classes[weight] = jax.jit(module.infer)(state._replace(params=params), received).items["class"]

    np.testing.assert_array_equal(classes[1.0], truth)
    np.testing.assert_array_equal(classes[1e4], 1 - truth)


def assert_sound(state, outputs, info):
    for leaf in jax.tree.leaves((state, outputs, info)):
        assert np.isfinite(leaf).all()
    assert set(np.asarray(outputs.items["class"]).tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("num_others", [0, 1, 20])
def test_constant_columns_and_identical_points_leave_classes_empty_and_numbers_finite(clustered, num_others):
    _, _, module, step = clustered
    values = np.full((60, 2), 7.0, np.float32)
    values[:num_others, 1] += 1.0
    inputs = Inputs.of((Points(jnp.asarray(values), jnp.ones(60)),), neutral(Port(Kind.CATEGORICAL, 3), 60))

    state = module.init(jax.random.key(0), inputs)
    for seed in range(3):
        state, outputs, info = step(jax.random.key(seed), state, inputs)
        assert_sound(state, outputs, info)
        inputs = inputs._replace(child=outputs.forward)


def test_one_item_and_more_classes():
    module = model.build(GmmOptions(num_classes=3, sweeps=5, chains=2), (Port(Kind.POINTS, 2),), "cavity")
    inputs = Inputs.of((Points(jnp.array([[3.0, 4.0]]), jnp.ones(1)),), neutral(Port(Kind.CATEGORICAL, 3), 1))

    state, outputs, info = jax.jit(lambda *args: contract.step(module, *args))(
        jax.random.key(0), module.init(jax.random.key(0), inputs), inputs
    )

    assert_sound(state, outputs, info)
    np.testing.assert_allclose(outputs.backward[0].values, [[3.0, 4.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("covariance", "num_items", "form"),
    [("auto", 30, "full"), ("auto", 29, "diagonal"), ("tied", 5, "tied"), ("full", 5, "full")],
)
def test_a_covariance_is_full_where_a_class_has_as_many_items_as_there_are_columns(covariance, num_items, form):
    options = GmmOptions(num_classes=3, covariance=covariance, sweeps=2, chains=1)
    points = Points(jax.random.normal(jax.random.key(0), (num_items, 10)), jnp.ones(num_items))
    inputs = Inputs.of((points,), neutral(Port(Kind.CATEGORICAL, 3), num_items))

    state = model.build(options, (Port(Kind.POINTS, 10),), "cavity").init(jax.random.key(0), inputs)

    shapes = {"full": (3, 10, 10), "diagonal": (3, 10), "tied": (1, 10, 10)}
    assert state.params.whiteners.shape == shapes[form]
