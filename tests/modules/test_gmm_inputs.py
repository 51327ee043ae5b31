"""A GMM of several inputs, some of them missing, against Gaussian formulas in float64 and on planted classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import log_softmax, softmax

from mmcli.modules import api
from mmcli.modules.api import Inputs
from mmcli.modules.gaussians import GmmParams, Prior
from mmcli.modules.gmm import marginals, model
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.gmm.starts import common_classes
from mmcli.modules.gmm.table import balanced, side_by_side
from mmcli.modules.messages import Points, neutral
from mmcli.modules.spec import Kind, Port
from mmcli.runs.metrics import agreement

FALSE_ALARM = 1e-6  # probability that a correct draw fails one of these tests
WIDTHS = (2, 1, 2)
K, N = 3, 300
SHARED = np.arange(N) % K  # class of each item, which both inputs show
PATTERNS = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]], float)


def random_components(covariance):
    """Two components in five dimensions, and their covariances."""
    rng = np.random.default_rng(0)
    factors = np.tril(rng.normal(size=(2, 5, 5)))
    factors += (np.sign(np.diagonal(factors, axis1=1, axis2=2))[:, :, None] + 0.5) * np.eye(5)
    factors *= np.sign(np.diagonal(factors, axis1=1, axis2=2))[:, :, None]
    if covariance == "diagonal":
        whiteners = np.diagonal(factors, axis1=1, axis2=2)
        covariances = np.stack([np.diag(row**-2.0) for row in whiteners])
        log_dets = np.log(whiteners).sum(-1)
    else:
        whiteners = factors[:1] if covariance == "tied" else factors
        covariances = np.broadcast_to(np.linalg.inv(np.swapaxes(whiteners, 1, 2) @ whiteners), (2, 5, 5))
        log_dets = np.log(np.diagonal(whiteners, axis1=1, axis2=2)).sum(-1)
    means, log_weights = rng.normal(size=(2, 5)), np.log([0.3, 0.7])
    return (log_weights, means, whiteners, log_dets), covariances


def random_table(num_items):
    """Points whose items lack inputs by turns; NaN stands where a value is missing."""
    known = PATTERNS[np.arange(num_items) % len(PATTERNS)]
    columns = np.repeat(known, WIDTHS, axis=1) > 0
    values = np.where(columns, np.random.default_rng(1).normal(size=(num_items, 5)), np.nan)
    return values, known, columns


def parents_of(values, known):
    ends = np.cumsum(WIDTHS)
    return tuple(
        Points(jnp.asarray(values[:, end - width : end]), jnp.asarray(known[:, place]))
        for place, (width, end) in enumerate(zip(WIDTHS, ends, strict=True))
    )


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_the_likelihood_of_an_item_is_that_of_its_known_columns(covariance):
    params, covariances = random_components(covariance)
    values, known, columns = random_table(14)
    with jax.enable_x64(True):
        table = side_by_side(parents_of(values, known))
        scores = np.asarray(marginals.log_joint(GmmParams(*map(jnp.asarray, params)), table))

    log_weights, means, *_ = params
    for item, there in enumerate(columns):
        for k in range(2):
            expected = log_weights[k]
            if there.any():
                marginal = stats.multivariate_normal(means[k, there], covariances[k][np.ix_(there, there)])
                expected += marginal.logpdf(values[item, there])
            assert scores[item, k] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_missing_columns_are_drawn_given_the_known_ones(covariance):
    params, covariances = random_components(covariance)
    values, known, columns = random_table(14)
    labels = np.arange(14) // 7
    with jax.enable_x64(True):
        table = side_by_side(parents_of(values, known))
        arguments = GmmParams(*map(jnp.asarray, params)), table, jnp.asarray(labels, jnp.int32)
        prior = Prior(jnp.arange(5.0), jnp.ones(5))
        keys = jax.random.split(jax.random.key(0), 4000)
        draws = np.asarray(jax.vmap(lambda key: marginals.filled(key, *arguments, prior))(keys)) + np.arange(5.0)

    for item, there in enumerate(columns):
        covariance, mean, lacking = covariances[labels[item]], params[1][labels[item]], ~there
        np.testing.assert_allclose(draws[:, item, there], np.broadcast_to(values[item, there], (4000, there.sum())))
        if lacking.all() or not lacking.any():  # an item without any input counts nowhere
            continue
        gain = covariance[np.ix_(lacking, there)] @ np.linalg.pinv(covariance[np.ix_(there, there)])
        expected = mean[lacking] + gain @ (values[item, there] - mean[there])
        spread = covariance[np.ix_(lacking, lacking)] - gain @ covariance[np.ix_(there, lacking)]
        whitened = np.linalg.solve(np.linalg.cholesky(spread), (draws[:, item, lacking] - expected).T)
        for column in whitened:
            assert stats.kstest(column, stats.norm.cdf).pvalue > FALSE_ALARM
        assert stats.kstest(np.square(whitened).sum(0), stats.chi2(lacking.sum()).cdf).pvalue > FALSE_ALARM


def test_no_input_decides_distances_by_its_scale_or_width():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 5)) * [1e3, 1e3, 1, 1e-3, 1e-3] + 7
    known = np.ones((50, 3))
    known[:9, 1] = 0
    with jax.enable_x64(True):
        found = np.asarray(balanced(side_by_side(parents_of(values, known))))

    squares = np.square(found)
    for part, there in ((squares[:, :2], known[:, 0]), (squares[:, 2:3], known[:, 1]), (squares[:, 3:], known[:, 2])):
        assert part[there > 0].sum(1).mean() == pytest.approx(1)
        assert not part[there == 0].any()


@pytest.fixture(scope="module")
def learned():
    """A mixture over two inputs, either of which distinguishes four planted classes; a third of the items lack one."""
    rng = np.random.default_rng(0)
    truth = np.arange(240) % 4
    senses = [rng.normal(scale=9, size=(4, width))[truth] + rng.normal(size=(240, width)) for width in (2, 3)]
    weights = np.ones((2, 240))
    weights[0, :40], weights[1, 40:80] = 0, 0
    parents = tuple(
        Points(jnp.asarray(weight[:, None] * sense, jnp.float32), jnp.asarray(weight, jnp.float32))
        for sense, weight in zip(senses, weights, strict=True)
    )
    module = model.build(GmmOptions(num_classes=4, sweeps=30), (Port(Kind.POINTS, 2), Port(Kind.POINTS, 3)), "cavity")
    inputs = Inputs.of(parents, neutral(Port(Kind.CATEGORICAL, 4), 240))
    update = jax.jit(lambda key, inputs: api.step(module, key, module.init(key, inputs), inputs))
    state, outputs, info = update(jax.random.key(0), inputs)
    return truth, senses, inputs, module, state, outputs, info


def test_items_that_lack_an_input_are_classified_by_the_other(learned):
    truth, _, _, _, state, outputs, info = learned
    classes = np.asarray(outputs.items["class"])

    assert len(set(zip(truth, classes, strict=True))) == 4
    np.testing.assert_array_equal(state.labels, classes)
    assert np.isfinite(info.trace).all()


@pytest.mark.parametrize("lacking", [0, 1])
def test_recognition_by_one_input_finds_the_class_and_predicts_the_other(learned, lacking):
    truth, senses, inputs, module, state, outputs, _ = learned
    parents = list(inputs.parents)
    parents[lacking] = neutral(Port(Kind.POINTS, senses[lacking].shape[1]), 240)
    parents[1 - lacking] = Points(jnp.asarray(senses[1 - lacking], jnp.float32), jnp.ones(240))

    found = jax.jit(module.infer)(state, inputs._replace(parents=tuple(parents)))

    np.testing.assert_array_equal(found.items["class"], outputs.items["class"])
    means = np.stack([senses[lacking][truth == k].mean(0) for k in range(4)])
    np.testing.assert_allclose(found.backward[lacking].values, means[truth], atol=0.7)
    assert found.backward[lacking].weight.all()


def test_each_parent_receives_its_columns_of_the_class_means_and_mu_is_of_the_first(learned):
    *_, module, state, outputs, _ = learned
    means = np.asarray(state.params.means)[np.asarray(outputs.items["class"])]

    np.testing.assert_array_equal(outputs.backward[0].values, means[:, :2])
    np.testing.assert_array_equal(outputs.backward[1].values, means[:, 2:])
    np.testing.assert_array_equal(module.params(state)["mu"], state.params.means[:, :2])


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_points_drawn_of_classes_have_their_means_and_covariances(covariance):
    params, covariances = random_components(covariance)
    state = model.GmmState(jnp.zeros(8000, jnp.int32), GmmParams(*map(jnp.float32, params)), jnp.array(True))
    ports = tuple(Port(Kind.POINTS, width) for width in WIDTHS)
    module = model.build(GmmOptions(num_classes=2, covariance=covariance, message_weight=1e6), ports, "cavity")
    classes = np.arange(8000) % 2
    sent = neutral(Port(Kind.CATEGORICAL, 2), 8000)._replace(
        log_probs=jnp.asarray(log_softmax(9.0 * np.eye(2)[classes], axis=-1), jnp.float32)
    )
    inputs = Inputs.of(tuple(neutral(port, 8000) for port in ports), sent)

    drawn = np.concatenate([part.values for part in jax.jit(module.sample)(jax.random.key(0), state, inputs)], axis=1)

    for k in range(2):
        whitened = np.linalg.solve(np.linalg.cholesky(covariances[k]), (drawn[classes == k] - params[1][k]).T)
        for column in whitened:
            assert stats.kstest(column, stats.norm.cdf).pvalue > FALSE_ALARM
        assert stats.kstest(np.square(whitened).sum(0), stats.chi2(5).cdf).pvalue > FALSE_ALARM


def information(table):
    """Mutual information of a table of sums, nats."""
    shares = table / table.sum()
    return (shares * np.log(shares / np.outer(shares.sum(1), shares.sum(0)))).sum()


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_inputs_share_the_information_of_their_marginals(covariance):
    params, covariances = random_components(covariance)
    values, known, _ = random_table(28)
    with jax.enable_x64(True):
        table = side_by_side(parents_of(values, known))
        _, shared = marginals.joint_and_shared(GmmParams(*map(jnp.asarray, params)), table, None)

    owners = np.repeat(np.arange(len(WIDTHS)), WIDTHS)
    expected = []
    for number in range(len(WIDTHS)):
        sums = np.zeros((2, 2))
        for item, pattern in enumerate(known):
            if pattern[number] and pattern.sum() > 1:
                own, others = owners == number, (owners != number) & (pattern[owners] > 0)
                alone, rest = (
                    softmax(
                        [
                            params[0][k]
                            + stats.multivariate_normal(
                                params[1][k, there], covariances[k][np.ix_(there, there)]
                            ).logpdf(values[item, there])
                            for k in range(2)
                        ]
                    )
                    for there in (own, others)
                )
                sums += np.outer(alone, rest)
        expected.append(information(sums))
    assert float(shared) == pytest.approx(np.mean(expected), rel=1e-6)


@pytest.fixture(scope="module")
def kinds_apart():
    """Two inputs of two columns: one column shows the class, the other, more clearly, a kind of the input alone."""
    rng = np.random.default_rng(0)
    kinds = [rng.integers(K, size=N) for _ in range(2)]
    return [np.stack([6.0 * SHARED, 60.0 * kind], 1) + rng.normal(size=(N, 2)) for kind in kinds]


def points_of(senses):
    return tuple(Points(jnp.asarray(sense, jnp.float32), jnp.ones(N)) for sense in senses)


def test_chains_start_from_classes_that_inputs_have_in_common(kinds_apart):
    labels = common_classes(jax.random.key(0), side_by_side(points_of(kinds_apart)), K, 4)

    assert min(agreement(np.asarray(each), SHARED).acc for each in labels) > 0.95


def test_the_chain_goes_on_that_inputs_share_and_not_the_likeliest(kinds_apart):
    module = model.build(GmmOptions(num_classes=K, sweeps=20), (Port(Kind.POINTS, 2),) * 2, "cavity")
    inputs = Inputs.of(points_of(kinds_apart), neutral(Port(Kind.CATEGORICAL, K), N))
    update = jax.jit(lambda key, inputs: api.step(module, key, module.init(key, inputs), inputs))

    accs = [
        agreement(np.asarray(update(jax.random.key(seed), inputs)[1].items["class"]), SHARED).acc for seed in (0, 1)
    ]

    assert min(accs) > 0.95
