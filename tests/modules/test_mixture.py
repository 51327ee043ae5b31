"""Mixture against Bayes' rule in closed form and enumeration of all labelings, in float64."""

import functools
import itertools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_array
from scipy.special import digamma, gammaln, logsumexp, multigammaln, softmax

from mmcli.modules.api import Inputs
from mmcli.modules.counts import on_device
from mmcli.modules.messages import Categorical, Counts, Points, neutral, normalized
from mmcli.modules.mixture import merging, model, posterior, starts
from mmcli.modules.mixture.posterior import Setting
from mmcli.modules.mixture.spec import MixtureOptions
from mmcli.modules.spec import Kind, Port

FALSE_ALARM = 1e-6  # probability that a correct sampler fails
K = 3
KINDS = (Kind.POINTS, Kind.COUNTS, Kind.POINTS, Kind.CATEGORICAL)
WIDTHS = (3, 5, 2, 4)
PLACES = range(len(KINDS))
WEIGHTS = (1.0, 0.5, 2.0, 1.0)
random_key = functools.partial(jax.random.key, impl="rbg")  # as a run has it


def setting_of(rule="cavity", **options):
    return Setting(MixtureOptions(**({"num_classes": K, "restarts": 2} | options)), KINDS, WIDTHS, rule)


def random_inputs(num_items=12, seed=0, child_sends=True):
    """Inputs of all kinds; of some items some are missing, and of one all."""
    rng = np.random.default_rng(seed)
    known = rng.random((len(KINDS), num_items)) < 0.8
    known[:, 2] = False
    received = (rng.random(num_items) < 0.7) & child_sends
    received[2] = False
    weights = jnp.asarray(known, float)
    parents = []
    for kind, width, there, weight in zip(KINDS, WIDTHS, known, weights, strict=True):
        values = 2 * rng.normal(size=(num_items, width))
        counts = jnp.asarray(rng.poisson(3, (num_items, width)) * there[:, None], float)
        match kind:
            case Kind.POINTS:
                parents.append(Points(jnp.asarray(np.where(there[:, None], values, 0)), weight))
            case Kind.COUNTS:
                parents.append(Counts(counts, weight))
            case Kind.CATEGORICAL:
                parents.append(normalized(jnp.asarray(values), weight))
    child = normalized(jnp.asarray(rng.normal(size=(num_items, K))), jnp.asarray(received, float))
    return Inputs.of(tuple(parents), child)


def random_memberships(num_items=12, seed=1, num_classes=K):
    return jnp.asarray(np.random.default_rng(seed).dirichlet(np.ones(num_classes), num_items))


def fitted(setting, inputs, memberships):
    data, priors = setting.data(inputs), setting.priors(inputs)
    return data, priors, jax.jit(functools.partial(posterior.fit, setting))(data, priors, memberships)


def expected_point_density(values, niw, number, k, width):
    """E[log N(x; mu, Sigma)] under a normal-inverse-Wishart, (N,), by Bishop (2006), eqs. 10.64 and 10.65."""
    factor = niw.chol_scatters[number, k]
    if factor.ndim == 1:
        scatter, nu = np.diag(factor[:width] ** 2), niw.nu[number, k]
        log_precision = width * (digamma(nu / 2) + np.log(2)) - np.linalg.slogdet(scatter)[1]
    else:
        scatter, nu = (factor @ factor.T)[:width, :width], niw.nu[number, k]
        log_precision = digamma((nu - np.arange(width)) / 2).sum() + width * np.log(2) - np.linalg.slogdet(scatter)[1]
    shifts = values - niw.means[number, k, :width]
    distances = np.einsum("nd,de,ne->n", shifts, np.linalg.inv(scatter), shifts)
    return 0.5 * (log_precision - width / niw.kappa[number, k] - nu * distances - width * np.log(2 * np.pi))


def expected_evidence(inputs, found):
    """Evidence of every input, (M, N, K), input by input and class by class."""
    rows = np.zeros((len(KINDS), len(inputs.child.weight), K))
    points, words = itertools.count(), iter(found.words)
    for place, (kind, message) in enumerate(zip(KINDS, inputs.parents, strict=True)):
        number, own = (next(points), None) if kind is Kind.POINTS else (None, next(words))
        for k in range(K):
            if own is None:
                rows[place, :, k] = expected_point_density(message.values, found.points, number, k, WIDTHS[place])
            else:
                counts = message.values if kind is Kind.COUNTS else np.exp(message.log_probs)
                rows[place, :, k] = counts @ (digamma(own[k]) - digamma(own[k].sum()))
        rows[place] *= WEIGHTS[place] * message.weight[:, None]
    return rows


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_responsibilities_and_messages_are_those_of_bayes_rule(covariance):
    setting = setting_of(covariance=covariance, input_weights=WEIGHTS, message_weight=3.0)
    with jax.enable_x64(True):
        inputs, memberships = random_inputs(), random_memberships()
        _, _, found = fitted(setting, inputs, memberships)
        state = model.MixtureState(found, memberships, jnp.array(True))
        outputs = {
            rule: jax.jit(functools.partial(model.infer, setting._replace(rule=rule)))(state, inputs)
            for rule in ("cavity", "serket")
        }
        means = model.input_means(setting, found)
        inputs, outputs, found, means = jax.tree.map(np.asarray, (inputs, outputs, found, means))

    own = expected_evidence(inputs, found)
    sent = 3.0 * inputs.child.weight[:, None] * inputs.child.log_probs
    log_pi = digamma(found.shares) - digamma(found.shares.sum())
    there = np.stack([message.weight for message in inputs.parents])
    cavity, serket = outputs["cavity"], outputs["serket"]
    forward = np.where(there.max(0)[:, None] > 0, softmax(log_pi + own.sum(0), -1), 1 / K)
    np.testing.assert_allclose(np.exp(cavity.forward.log_probs), forward, rtol=1e-8)
    np.testing.assert_array_equal(cavity.forward.weight, there.max(0))
    belief = softmax(log_pi + own.sum(0) + sent, -1)
    np.testing.assert_allclose(cavity.items["Pdz"], belief, rtol=1e-8)
    np.testing.assert_array_equal(cavity.items["class"], belief.argmax(-1))
    for place in PLACES:
        others = softmax(log_pi + own.sum(0) - own[place] + sent, -1)
        informed = (there.sum(0) - there[place] + inputs.child.weight) > 0
        for message, probs, known in (
            (cavity.backward[place], others, informed),
            (serket.backward[place], belief, informed | (there[place] > 0)),
        ):
            expected = probs @ means[place]
            match KINDS[place]:
                case Kind.POINTS:
                    np.testing.assert_array_equal(message.weight, known)
                    np.testing.assert_allclose(message.values, np.where(known[:, None], expected, 0), atol=1e-10)
                case Kind.COUNTS:
                    mass = inputs.parents[place].values.sum(-1, keepdims=True)
                    np.testing.assert_allclose(message.values, np.where(mass > 0, mass, 1) * expected, rtol=1e-8)
                case Kind.CATEGORICAL:
                    np.testing.assert_array_equal(message.weight, known)
                    expected = np.where(known[:, None], expected, 1 / WIDTHS[place])
                    np.testing.assert_allclose(np.exp(message.log_probs), expected, rtol=1e-8)


def test_of_many_items_responsibilities_are_those_of_the_true_parameters():
    rng, num_items = np.random.default_rng(0), 100_000
    kinds, widths = (Kind.POINTS, Kind.COUNTS), (2, 4)
    setting = Setting(MixtureOptions(num_classes=2), kinds, widths, "cavity")
    shares, means = np.array([0.3, 0.7]), np.array([[0.0, 0.0], [1.0, 1.0]])
    covariances = np.array([[[1.0, 0.5], [0.5, 1.0]], [[0.5, 0.0], [0.0, 2.0]]])
    phi = rng.dirichlet(np.ones(4), 2)
    labels = rng.choice(2, num_items, p=shares)
    points = means[labels] + np.einsum(
        "nij,nj->ni", np.linalg.cholesky(covariances)[labels], rng.normal(size=(num_items, 2))
    )
    words = rng.multinomial(3, phi[labels])
    with jax.enable_x64(True):
        ones = jnp.ones(num_items)
        parents = (Points(jnp.asarray(points), ones), Counts(jnp.asarray(words, float), ones))
        inputs = Inputs.of(parents, neutral(Port(Kind.CATEGORICAL, 2), num_items))
        _, _, found = fitted(setting, inputs, jax.nn.one_hot(labels, 2))
        infer = jax.jit(functools.partial(model.infer, setting))
        outputs = infer(model.MixtureState(found, None, jnp.array(True)), inputs)
        given = np.asarray(outputs.items["Pdz"])

    density = np.stack(
        [stats.multivariate_normal(*each).logpdf(points) for each in zip(means, covariances, strict=True)], axis=1
    )
    exact = softmax(np.log(shares) + density + words @ np.log(phi).T, -1)
    np.testing.assert_allclose(given, exact, atol=0.02)


def log_evidence_of(labels, inputs, setting, priors):
    """log p(inputs, labels) with all parameters integrated out, by textbook formulas (Murphy 2012, eq. 4.219)."""
    num_classes, prior = setting.options.width, setting.options.share_prior
    sizes = np.bincount(labels, minlength=num_classes)
    total = gammaln(num_classes * prior) - gammaln(num_classes * prior + len(labels))
    total += (gammaln(prior + sizes) - gammaln(prior)).sum()
    points, words = itertools.count(), iter(priors.words)
    for kind, message, width in zip(setting.kinds, inputs.parents, setting.widths, strict=True):
        if kind is Kind.POINTS:
            prior = jax.tree.map(operator.itemgetter(next(points)), priors.points)
            total += sum(point_evidence(message.values[labels == k], prior, width) for k in range(num_classes))
            continue
        beta = next(words)
        for k in range(num_classes):
            rows = (message.values if kind is Kind.COUNTS else np.exp(message.log_probs))[labels == k].sum(0)
            total += gammaln(width * beta) - gammaln(width * beta + rows.sum())
            total += (gammaln(beta + rows) - gammaln(beta)).sum()
    return total


def point_evidence(rows, prior, width):
    """log p(points) under the normal-inverse-Wishart prior, nats."""
    centre, scatter = prior.centre[:width], np.diag(prior.scatter[:width])
    kappa, nu, count = 1.0, width + 2, len(rows)
    shifts = rows - centre
    after = scatter + shifts.T @ shifts - np.outer(shifts.sum(0), shifts.sum(0)) / (kappa + count)
    log_dets = np.linalg.slogdet(scatter)[1], np.linalg.slogdet(after)[1]
    gammas = multigammaln((nu + count) / 2, width) - multigammaln(nu / 2, width)
    scatters = nu / 2 * log_dets[0] - (nu + count) / 2 * log_dets[1]
    return gammas + scatters + width / 2 * np.log(kappa / (kappa + count)) - count * width / 2 * np.log(np.pi)


def whole_inputs(num_items, seed=0):
    """Inputs of two separate groups, nothing missing, that the child sends nothing about."""
    rng = np.random.default_rng(seed)
    groups = np.arange(num_items) % 2
    ones = jnp.ones(num_items)
    values = 4.0 * groups[:, None] + rng.normal(size=(num_items, 3))
    parents = (
        Points(jnp.asarray(values), ones),
        Counts(jnp.asarray(rng.poisson(3 * np.eye(5)[groups] + 0.5), float), ones),
        Points(jnp.asarray(values[:, :2] + rng.normal(size=(num_items, 2))), ones),
        normalized(jnp.asarray(2 * np.eye(4)[groups] + rng.normal(size=(num_items, 4))), ones),
    )
    return Inputs.of(parents, neutral(Port(Kind.CATEGORICAL, K), num_items))


def swept(setting, inputs, *memberships):
    """Work of an update after its sweeps, from starts that are given, (N, K) each."""
    trace = jnp.zeros((setting.options.sweeps, len(memberships)))
    work = model.MixtureWork(jnp.int32(0), jnp.array(False), setting.priors(inputs), jnp.stack(memberships), trace)
    return jax.jit(functools.partial(model.advance, setting))(work, inputs, jnp.int32(setting.options.sweeps))


def test_the_bound_is_between_the_evidence_of_one_labeling_and_that_of_all():
    setting = setting_of(num_classes=2, sweeps=20)
    with jax.enable_x64(True):
        inputs = whole_inputs(8)
        inputs = inputs._replace(child=neutral(Port(Kind.CATEGORICAL, 2), 8))
        work = swept(setting, inputs, jax.nn.one_hot(jnp.arange(8) % 2, 2))
        inputs, priors, bounds = jax.tree.map(np.asarray, (inputs, work.priors, work.trace[:, 0]))

    labelings = map(np.array, itertools.product(range(2), repeat=8))
    exact = logsumexp([log_evidence_of(labels, inputs, setting, priors) for labels in labelings])
    # The sweeps start from the labeling by groups, of which the bound is the evidence.
    assert log_evidence_of(np.arange(8) % 2, inputs, setting, priors) <= bounds[-1] < exact


@pytest.mark.parametrize("options", [{}, {"covariance": "diagonal"}, {"num_classes": {"max": K}, "sweeps": 30}])
def test_the_bound_never_falls(options):
    setting = setting_of(**({"sweeps": 40, "input_weights": WEIGHTS, "message_weight": 2.0} | options))
    with jax.enable_x64(True):
        inputs = random_inputs(40)
        trace = np.asarray(swept(setting, inputs, *(random_memberships(40, seed) for seed in range(3))).trace)

    assert np.isfinite(trace).all()
    assert np.diff(trace, axis=0).min() > -1e-9
    assert (trace[-1] > trace[0]).all()


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_gain_of_a_merge_is_the_difference_of_two_bounds(covariance):
    setting = setting_of(covariance=covariance, num_classes={"max": K}, message_weight=2.0)

    def bound_of(data, priors, memberships):
        """Of these memberships, not of the best that the parameters allow."""
        found = posterior.fit(setting, data, priors, memberships)
        joint, at_best = posterior.evidence_and_bound(setting, data, priors, found)
        gap = data.there * (
            jax.nn.logsumexp(joint, -1) - (memberships * (joint - jnp.log(memberships + 1e-300))).sum(-1)
        )
        return at_best - gap.sum()

    with jax.enable_x64(True):
        inputs, memberships = random_inputs(20), random_memberships(20)
        data, priors, found = fitted(setting, inputs, memberships)
        gains_of = jax.jit(functools.partial(merging.merge_gains, setting.options.share_prior))
        gains = np.asarray(gains_of(data, priors, found, memberships))
        bound = jax.jit(bound_of)
        before = bound(data, priors, memberships)
        for first, second in itertools.permutations(range(K), 2):
            joined = memberships.at[:, second].add(memberships[:, first]).at[:, first].set(0)
            after = bound(data, priors, joined)
            assert gains[first, second] == pytest.approx(float(after - before), abs=1e-6)
    assert (np.diag(gains) == -np.inf).all()


def test_classes_that_share_a_group_are_joined_and_separate_groups_are_not():
    inputs = whole_inputs(40)
    inputs = inputs._replace(child=neutral(Port(Kind.CATEGORICAL, 6), 40))
    items = np.arange(40)
    three_each = jax.nn.one_hot(2 * (items // 2 % 3) + items % 2, 6)

    work = swept(setting_of(num_classes={"max": 6}, sweeps=40), inputs, three_each)

    pairs = set(zip(np.asarray(work.memberships[0].argmax(-1)).tolist(), (items % 2).tolist(), strict=True))
    assert len(pairs) == 2
    assert len({number for number, _ in pairs}) == 2


def test_sparse_counts_give_what_dense_ones_give():
    inputs = whole_inputs(16)
    sparse = np.asarray(inputs.parents[1].values)
    other = inputs.parents[1]._replace(values=on_device(csr_array(sparse)))
    setting, memberships, every = setting_of(), random_memberships(16), []
    for parents in (inputs.parents, (inputs.parents[0], other, *inputs.parents[2:])):
        data, _, found = fitted(setting, inputs._replace(parents=parents), memberships)
        every.append(jax.jit(functools.partial(posterior.evidence, setting))(data, found))

    np.testing.assert_allclose(every[0], every[1], rtol=1e-4, atol=1e-4)


def test_scale_and_offset_of_points_change_no_class():
    inputs = whole_inputs(40)
    moved = (inputs.parents[0]._replace(values=50 + 20 * inputs.parents[0].values), *inputs.parents[1:])

    start = random_memberships(40)
    one, other = (swept(setting_of(sweeps=15), given, start) for given in (inputs, inputs._replace(parents=moved)))

    np.testing.assert_allclose(one.memberships, other.memberships, atol=1e-3)


def test_starts_are_numbered_like_the_childs_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, 30)
    message = Categorical(jnp.log(0.9 * np.eye(K)[labels] + 0.1 / K), jnp.ones(30))
    memberships = jnp.asarray(np.eye(K)[(labels + 1) % K])

    np.testing.assert_array_equal(starts.numbered_like(message, memberships).argmax(-1), labels)


def test_a_drawn_input_has_the_distribution_of_its_class():
    num_items = 20_000
    setting = setting_of(covariance="full")
    inputs = whole_inputs(40)
    _, _, found = fitted(setting, inputs, jax.nn.one_hot(jnp.arange(40) % K, K))
    sent = jnp.tile(jnp.array([[1.0, 0.0, 0.0]]), (num_items, 1))
    masked = tuple(neutral(Port(kind, width), num_items) for kind, width in zip(KINDS, WIDTHS, strict=True))
    given = Inputs.of(masked, normalized(jnp.log(sent + 1e-20)))

    sample = jax.jit(functools.partial(model.sample, setting))
    drawn = sample(random_key(2), model.MixtureState(found, None, jnp.array(True)), given)

    niw = jax.tree.map(np.asarray, found.points)
    scatter = (niw.chol_scatters[0, 0] @ niw.chol_scatters[0, 0].T) / (niw.nu[0, 0] - WIDTHS[0] - 1)
    values = np.asarray(drawn[0].values, float)
    whitened = np.linalg.solve(np.linalg.cholesky(scatter), (values - niw.means[0, 0]).T)
    for column in whitened:
        assert stats.kstest(column, "norm").pvalue > FALSE_ALARM
    assert abs(np.corrcoef(whitened) - np.eye(WIDTHS[0])).max() < 5 / np.sqrt(num_items)
    words = np.asarray(found.words[1][0])
    counts = np.bincount(np.asarray(drawn[3].log_probs).argmax(-1), minlength=WIDTHS[3])
    assert stats.chisquare(counts, num_items * words / words.sum()).pvalue > FALSE_ALARM
