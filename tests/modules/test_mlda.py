"""MLDA against enumeration of all topic assignments and the bound written out word by word."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.sparse import csr_array
from scipy.special import digamma, gammaln, logsumexp, softmax

from mmcli.data.labels import make_labels
from mmcli.modules import api as contract
from mmcli.modules.api import Inputs
from mmcli.modules.counts import BLOCK, expected_counts, on_device
from mmcli.modules.messages import Categorical, Counts, neutral, normalized
from mmcli.modules.mlda import model, setting, variational
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.spec import Kind, Port
from mmcli.modules.words import as_counts
from mmcli.runs.metrics import evaluate

random_key = functools.partial(jax.random.key, impl="rbg")  # as a run has it
ALPHA, BETA = 0.4, 0.3
BETAS = (BETA, BETA)  # of two modalities
ITEM_CONCENTRATIONS = jax.jit(variational.item_concentrations)
PORTS = (Port(Kind.COUNTS, 5), Port(Kind.CATEGORICAL, 3))


def log_beta(concentrations):
    """Log of the normalizer of a Dirichlet, over the last axis."""
    return gammaln(concentrations).sum(-1) - gammaln(concentrations.sum(-1))


def expected_log(concentrations):
    return digamma(concentrations) - digamma(concentrations.sum(-1, keepdims=True))


def test_kl_of_two_dirichlets_by_quadrature():
    pairs = np.array([[[0.7, 2.0], [0.1, 0.1]], [[5.0, 1.5], [0.6, 3.0]], [[30.0, 20.0], [1.0, 1.0]]])

    with jax.enable_x64(True):
        divergences = variational.dirichlet_kl(pairs[:, 0], pairs[:, 1])
        same = variational.dirichlet_kl(pairs[:, 0], pairs[:, 0])

    for divergence, (one, other) in zip(divergences, pairs, strict=True):
        q, p = stats.beta(*one), stats.beta(*other)
        expected = integrate.quad(lambda x, q=q, p=p: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), 0, 1, limit=200)[0]
        assert float(divergence) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(same, 0, atol=1e-12)


def test_kl_of_dirichlets_of_many_topics_is_cross_entropy_less_entropy():
    one, other = np.random.default_rng(0).gamma(1.0, size=(2, 4, 6))

    with jax.enable_x64(True):
        divergences = variational.dirichlet_kl(one, other)

    entropy = np.array([stats.dirichlet(row).entropy() for row in one])
    cross = log_beta(other) - ((other - 1) * expected_log(one)).sum(-1)
    np.testing.assert_allclose(divergences, cross - entropy, rtol=1e-10)


def random_corpus(num_items=6, num_topics=3, seed=0):
    """q(theta), q(phi), prior and real-valued counts of two modalities."""
    rng = np.random.default_rng(seed)
    words = [rng.gamma(0.5, size=(num_items, 5)), rng.gamma(0.5, size=(num_items, 4))]
    topics = [rng.gamma(1.0, size=(num_topics, counts.shape[1])) + BETA for counts in words]
    return ALPHA + rng.gamma(1.0, size=(num_items, num_topics)), topics, np.full((num_items, num_topics), ALPHA), words


def test_bound_is_the_sum_over_words_written_out():
    concentrations, topics, prior, words = random_corpus()
    with jax.enable_x64(True):
        bound = float(
            variational.elbo(jnp.asarray(concentrations), prior, list(map(jnp.asarray, topics)), words, BETAS)
        )

    log_theta = expected_log(concentrations)  # (N, K)
    entropy = np.sum([stats.dirichlet(row).entropy() for row in (*concentrations, *topics[0], *topics[1])])
    expected = entropy + ((prior - 1) * log_theta).sum() - log_beta(prior).sum()
    for topic, counts in zip(topics, words, strict=True):
        log_phi = expected_log(topic)  # (K, V)
        expected += ((BETA - 1) * log_phi).sum() - log_beta(np.full_like(topic, BETA)).sum()
        joint = log_theta[:, :, None] + log_phi[None]  # (N, K, V), E[log p(word, topic)]
        responsibilities = softmax(joint, axis=1)
        expected += (counts[:, None, :] * responsibilities * (joint - np.log(responsibilities))).sum()
    assert bound == pytest.approx(expected, rel=1e-12)


def test_sweeps_never_lower_the_bound():
    concentrations, topics, prior, words = random_corpus(seed=1)
    with jax.enable_x64(True):

        @jax.jit
        def sweep(concentrations, topics):
            swept = variational.variational_sweep(concentrations, topics, prior, words, BETAS)
            return *swept, variational.elbo(*swept[:1], prior, swept[1], words, BETAS)

        solution, bounds = (jnp.asarray(concentrations), tuple(map(jnp.asarray, topics))), []
        for _ in range(60):
            *solution, bound = sweep(*solution)
            bounds.append(float(bound))

    assert min(np.diff(bounds)) > -1e-9
    assert bounds[-1] > bounds[0] + 0.1


def test_the_bound_is_below_the_evidence_of_all_topic_assignments():
    documents, num_topics, vocabulary = [(0, 0, 1, 0), (2, 2, 1, 2)], 2, 3
    tokens = [(item, word) for item, words in enumerate(documents) for word in words]
    scores = []
    for assignment in itertools.product(range(num_topics), repeat=len(tokens)):
        item_topics, topic_words = np.full((2, num_topics), ALPHA), np.full((num_topics, vocabulary), BETA)
        for (item, word), topic in zip(tokens, assignment, strict=True):
            item_topics[item, topic] += 1
            topic_words[topic, word] += 1
        scores.append(log_beta(item_topics).sum() + log_beta(topic_words).sum())
    log_evidence = logsumexp(scores) - 2 * log_beta(np.full(num_topics, ALPHA))
    log_evidence -= num_topics * log_beta(np.full(vocabulary, BETA))

    words = [np.array([np.bincount(words, minlength=vocabulary) for words in documents], np.float64)]
    with jax.enable_x64(True):
        prior = np.full((2, num_topics), ALPHA)
        solution = prior + jnp.array([[3.0, 1.0], [1.0, 3.0]]), (jnp.array([[3.0, 1.0, 0.4], [0.4, 1.0, 3.0]]),)
        sweep = jax.jit(lambda *solution: variational.variational_sweep(*solution, prior, words, BETAS[:1]))
        for _ in range(200):
            solution = sweep(*solution)
        bound = float(variational.elbo(solution[0], prior, solution[1], words, BETAS[:1]))

    # Of the two ways to number the topics the bound sees one: log 2 and the dependence of theta, phi and z are missed.
    assert log_evidence - 3 < bound < log_evidence


# Mean-field inference is good where words hardly overlap: here it is off by 0.016 at most.
OWN = 0.9  # share of a topic's own two words
TOPICS = np.kron(np.eye(3), np.full((1, 2), OWN / 2)) + np.kron(1 - np.eye(3), np.full((1, 2), (1 - OWN) / 4))


@pytest.mark.parametrize("document", [(0, 0, 1, 2, 0, 1), (0, 1, 2, 3, 4, 5), (4, 4, 4, 5, 5, 5), (0, 2, 2, 3, 3, 3)])
def test_topics_of_an_item_are_near_those_of_all_assignments(document):
    prior, log_posterior, means = np.array([0.4, 0.6, 0.5]), [], []
    for assignment in itertools.product(range(3), repeat=len(document)):
        counts = prior + np.bincount(assignment, minlength=3)
        log_posterior.append(log_beta(counts) + np.log(TOPICS[assignment, document]).sum())
        means.append(counts / counts.sum())
    expected = np.exp(log_posterior - logsumexp(log_posterior)) @ np.array(means)

    known = [jnp.asarray(1e5 * TOPICS, jnp.float32)]  # after so many words as good as known
    counts = [jnp.asarray(np.bincount(document, minlength=6)[None], jnp.float32)]
    found = np.asarray(ITEM_CONCENTRATIONS(known, jnp.asarray(prior[None], jnp.float32), counts))[0]

    np.testing.assert_allclose(found / found.sum(), expected, atol=0.03)
    assert found.sum() == pytest.approx(prior.sum() + len(document), rel=1e-5)


@pytest.mark.parametrize("num_items", [1, BLOCK, BLOCK + 1])
def test_expected_counts_are_the_sums_of_responsibilities_whatever_the_blocks(num_items):
    rng = np.random.default_rng(0)
    factors, word_factors = rng.random((num_items, 3)), rng.random((3, 5))
    counts = rng.poisson(1.0, (num_items, 5)).astype(float)

    with jax.enable_x64(True):
        of_items, of_words = jax.jit(expected_counts)(factors, word_factors, counts)

    joint = factors[:, :, None] * word_factors[None]  # (N, K, V)
    topics_of_words = counts[:, None, :] * joint / joint.sum(1, keepdims=True)
    np.testing.assert_allclose(of_items, topics_of_words.sum(2), rtol=1e-10)
    np.testing.assert_allclose(of_words, topics_of_words.sum(0), rtol=1e-10)


def test_an_item_settles_where_its_bound_is_highest():
    _, topics, prior, words = random_corpus()
    with jax.enable_x64(True):
        found = ITEM_CONCENTRATIONS(topics, jnp.asarray(prior), [jnp.asarray(counts) for counts in words])
        bound = jax.jit(variational.elbo)
        best = bound(found, prior, topics, words, BETAS)
        for direction in np.random.default_rng(0).normal(size=(5, *found.shape)):
            moved = np.asarray(found) * np.exp(0.05 * direction)
            assert bound(moved, prior, topics, words, BETAS) < best


def planted(num_topics=5, per_topic=12, seed=0):
    """Items of one topic each: words of a vocabulary of 20, and a noisy message about the topic."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(num_topics), per_topic)
    topics = rng.dirichlet(np.full(20, 0.3), num_topics)
    counts = np.stack([rng.multinomial(30, topics[topic]) for topic in truth])
    message = normalized(
        jnp.asarray(3 * np.eye(num_topics)[truth] + rng.normal(size=(len(truth), num_topics)), jnp.float32)
    )
    return Inputs.of((Counts(jnp.asarray(counts, jnp.float32), jnp.ones(len(counts))), message), NOTHING), truth


NOTHING = neutral(Port(Kind.CATEGORICAL, 5), 60)


@pytest.fixture(scope="module")
def found():
    """What updates of 20 seeds found among planted classes."""
    inputs, truth = planted()
    ports = (Port(Kind.COUNTS, 20), Port(Kind.CATEGORICAL, 5))
    module = model.build(MldaOptions(num_classes=5, weights=(30.0, 30.0)), ports, "cavity")
    step = jax.jit(lambda *args: contract.step(module, *args))
    state = module.init(random_key(0), inputs)
    return module, step, inputs, truth, [step(random_key(seed), state, inputs) for seed in range(20)]


def test_the_annealed_start_finds_planted_classes_from_every_seed(found):
    *_, truth, updates = found

    assert [evaluate(np.asarray(outputs.items["class"]), make_labels(truth)).acc for _, outputs, _ in updates] == [
        1.0
    ] * 20


def test_the_next_update_goes_on_from_what_was_found(found):
    _, step, inputs, _, updates = found
    state, outputs, info = updates[0]

    _, next_outputs, next_info = step(random_key(99), state, inputs)

    np.testing.assert_array_equal(next_outputs.items["class"], outputs.items["class"])  # numbered as before
    assert float(next_info.objective) == pytest.approx(float(info.objective), abs=1.0)
    assert float(info.objective) == float(info.trace[-1])


def test_a_confident_child_moves_the_topics_of_an_item_but_not_what_goes_forward(found):
    module, *_, updates = found
    state, plain, _ = updates[0]
    unseen = Inputs.of(tuple(neutral(port, 60) for port in (Port(Kind.COUNTS, 20), Port(Kind.CATEGORICAL, 5))), NOTHING)
    sure = unseen._replace(child=normalized(20 * jnp.eye(5)[jnp.arange(60) % 5]))

    outputs = jax.jit(module.infer)(state, sure)

    np.testing.assert_array_equal(outputs.items["class"], np.arange(60) % 5)
    assert np.ptp(np.asarray(outputs.forward.log_probs)) == 0
    words = np.asarray(state.topics[1] / state.topics[1].sum(-1, keepdims=True))
    np.testing.assert_allclose(np.exp(outputs.backward[1].log_probs), words[np.arange(60) % 5], atol=1e-3)
    assert len(np.unique(plain.items["class"])) == 5


def test_fractional_counts_are_scaled_and_never_cut():
    rng = np.random.default_rng(0)
    rows = Counts(jnp.asarray(rng.random((50, 40)) * rng.gamma(1.0, size=(50, 1)), jnp.float32), jnp.ones(50))
    classes = normalized(jnp.asarray(rng.normal(size=(50, 7)), jnp.float32))

    for message, values in ((rows, rows.values), (classes, jnp.exp(classes.log_probs))):
        scaled = as_counts(message, 200.0)
        np.testing.assert_allclose(scaled.sum(-1), 200, rtol=1e-6)
        np.testing.assert_allclose(scaled / 200, values / values.sum(-1, keepdims=True), rtol=1e-5)
        np.testing.assert_array_equal(as_counts(message, None), values)


def test_missing_rows_have_no_words_and_uniform_ones_do():
    classes = Categorical(jnp.log(jnp.array([[0.5, 0.5], [0.5, 0.5], [0.25, 0.75]])), jnp.array([0.0, 1.0, 1.0]))

    np.testing.assert_allclose(as_counts(classes, 8.0), [[0, 0], [4, 4], [2, 6]], rtol=1e-6)
    np.testing.assert_allclose(as_counts(classes, None), [[0, 0], [0.5, 0.5], [0.25, 0.75]], rtol=1e-6)


def test_an_empty_document_is_no_evidence_whether_it_is_there_or_not():
    for weight in (0.0, 1.0):
        rows = Counts(jnp.array([[0.0, 0.0], [1.0, 3.0]]), jnp.array([weight, 1.0]))

        np.testing.assert_allclose(as_counts(rows, 8.0), [[0, 0], [2, 6]], rtol=1e-6)


@pytest.fixture(scope="module")
def trained():
    """State, inputs, and what each rule says under `infer`, jitted."""
    rng = np.random.default_rng(0)
    parents = (
        Counts(jnp.asarray(rng.integers(0, 5, (8, 5)), jnp.float32), jnp.ones(8)),
        normalized(jnp.asarray(2 * rng.normal(size=(8, 3)), jnp.float32)),
    )
    inputs = Inputs.of(parents, normalized(jnp.asarray(rng.normal(size=(8, 3)), jnp.float32)))
    topics = tuple(jnp.asarray(1 + 20 * rng.random((3, port.width)), jnp.float32) for port in PORTS)
    state = model.MldaState(topics, jnp.full((8, 3), 1 / 3), jnp.array(True))
    options = MldaOptions(num_classes=3, weights=(10.0, 10.0))
    return state, inputs, {rule: jax.jit(model.build(options, PORTS, rule).infer) for rule in ("cavity", "serket")}


def test_serkets_form_differs_from_the_cavity_in_what_goes_back_only(trained):
    state, inputs, infer = trained
    cavity, serket = infer["cavity"](state, inputs), infer["serket"](state, inputs)

    for leaf, same in zip(
        jax.tree.leaves((cavity.forward, cavity.items)), jax.tree.leaves((serket.forward, serket.items)), strict=True
    ):
        np.testing.assert_allclose(leaf, same, rtol=1e-6)
    for message, other in zip(cavity.backward, serket.backward, strict=True):
        assert abs(message[0] - other[0]).max() > 1e-3


@pytest.mark.parametrize("place", [0, 1])
def test_the_cavity_leaves_out_what_the_parent_sent(trained, place):
    state, inputs, infer = trained
    # Other words, as many of them: what goes back to counts is as many as were sent.
    values, weight = inputs.parents[place]
    changed = type(inputs.parents[place])(values[:, ::-1], weight)
    other = inputs._replace(parents=tuple(changed if m == place else said for m, said in enumerate(inputs.parents)))

    sent = {rule: infer[rule](state, inputs).backward for rule in infer}
    resent = {rule: infer[rule](state, other).backward for rule in infer}

    np.testing.assert_array_equal(sent["cavity"][place][0], resent["cavity"][place][0])
    assert abs(sent["serket"][place][0] - resent["serket"][place][0]).max() > 1e-3
    assert abs(sent["cavity"][1 - place][0] - resent["cavity"][1 - place][0]).max() > 1e-3


def test_what_goes_back_is_the_words_expected_of_the_other_inputs(trained):
    state, inputs, infer = trained
    counts, classes = infer["cavity"](state, inputs).backward

    for place, probs in enumerate(
        (counts.values / inputs.parents[0].values.sum(-1, keepdims=True), jnp.exp(classes.log_probs))
    ):
        received = as_counts(inputs.parents[1 - place], 10.0)
        prior = 0.1 * 3 * jnp.exp(inputs.child.log_probs)
        theta = ITEM_CONCENTRATIONS([state.topics[1 - place]], prior, [received])
        theta /= theta.sum(-1, keepdims=True)
        phi = state.topics[place] / state.topics[place].sum(-1, keepdims=True)
        np.testing.assert_allclose(probs, theta @ phi, rtol=1e-4)
    np.testing.assert_allclose(counts.values.sum(-1), inputs.parents[0].values.sum(-1), rtol=1e-5)


def test_an_update_of_sparse_counts_is_that_of_the_same_dense_ones():
    inputs, _ = planted()
    rows = csr_array(np.asarray(inputs.parents[0].values).astype(float))
    ports = (Port(Kind.COUNTS, 20), Port(Kind.CATEGORICAL, 5))
    options = MldaOptions(
        num_classes=5, weights=(30.0, 30.0), sweeps=10, anneal_sweeps=10, restarts=1
    )  # no two find the same
    module = model.build(options, ports, "cavity")

    with jax.enable_x64(True):
        received = jax.tree.map(lambda leaf: leaf.astype(float), inputs)
        begun = module.begin(random_key(1), module.init(random_key(0), received), received)
        found = []
        for values in (jnp.asarray(rows.toarray()), on_device(rows)):
            sent = received._replace(parents=(Counts(values, received.parents[0].weight), received.parents[1]))
            found.append(jax.jit(module.advance)(begun, sent, jnp.int32(module.iterations)))

    assert float(found[0].trace[-1]) < 0  # the sweeps were made
    for leaf, other in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-9, atol=1e-9)


def test_a_missing_input_is_as_if_it_were_not_there(trained):
    state, inputs, infer = trained
    without = inputs._replace(parents=(inputs.parents[0], neutral(PORTS[1], 8)))
    options = MldaOptions(num_classes=3, weights=(10.0,))
    alone = model.build(options, PORTS[:1], "cavity").infer
    only = jax.jit(alone)(state._replace(topics=state.topics[:1]), inputs._replace(parents=inputs.parents[:1]))

    outputs = infer["cavity"](state, without)

    np.testing.assert_allclose(outputs.forward.log_probs, only.forward.log_probs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs.items["Pdz"], only.items["Pdz"], rtol=1e-4)


def test_an_item_of_which_nothing_else_is_known_hears_nothing_back():
    counts = jnp.asarray(np.random.default_rng(0).poisson(2.0, (6, 5)), float).at[2].set(0)
    parent = normalized(jnp.asarray(np.random.default_rng(1).normal(size=(6, 3)), float))
    ports = (Port(Kind.COUNTS, 5), Port(Kind.CATEGORICAL, 3))
    options = MldaOptions(num_classes=2, weights=(20, 20), sweeps=5, anneal_sweeps=5, restarts=2)
    inputs = Inputs.of((Counts(counts, jnp.ones(6)), parent), neutral(Port(Kind.CATEGORICAL, 2), 6))
    module = model.build(options, ports, "cavity")

    _, outputs, _ = contract.step(module, jax.random.key(0), module.init(jax.random.key(0), inputs), inputs)

    said = np.asarray(outputs.backward[1].log_probs)
    np.testing.assert_allclose(said[2], -np.log(3), rtol=1e-6)
    assert (np.ptp(said, axis=-1) > 0).tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(outputs.backward[0].values.sum(-1)[2], 1, rtol=1e-5)


def test_the_start_goes_on_whose_classes_hold_for_held_out_items():
    """The highest score of the sweeps, by the items that the words were fitted to, does not decide between starts."""
    rng, num_items, rare = np.random.default_rng(0), 120, 4000
    truth = rng.integers(3, size=num_items)
    words = [np.hstack([5 * np.eye(3)[truth], rng.random((num_items, rare)) < 60 / rare]) for _ in range(2)]
    parents = tuple(Counts(jnp.asarray(counts, jnp.float32), jnp.ones(num_items)) for counts in words)
    inputs = Inputs.of(parents, neutral(Port(Kind.CATEGORICAL, 3), num_items))
    own = setting.Setting(MldaOptions(num_classes=3, restarts=2), (Kind.COUNTS,) * 2, "cavity")
    work = model.begin(own, random_key(0), model.init(own, random_key(0), inputs), inputs)
    chance_and_planted = jnp.asarray(np.eye(3)[np.stack([rng.integers(3, size=num_items), truth], axis=1)])
    work = work._replace(best=chance_and_planted, best_score=jnp.array([2.0, 1.0]))

    settled = model.settle(own, work, inputs)

    assert evaluate(np.asarray(settled.concentrations.argmax(-1)), make_labels(truth)).acc == 1


def test_a_judgement_counts_for_as_many_words_as_have_its_information():
    kinds = (Kind.COUNTS, Kind.CATEGORICAL, Kind.COUNTS, Kind.CATEGORICAL)
    own = setting.Setting(MldaOptions(num_classes=3), kinds, "cavity")
    only_judgements = setting.Setting(MldaOptions(num_classes=3), kinds[1::2], "cavity")

    # 24 words have 12 nats: a word has half of one.
    found = own.auto_weights(jnp.array([20.0, 1, 4, 1]), jnp.array([11.0, 3, 1, 0.1]))
    uninformed = own.auto_weights(jnp.array([20.0, 1, 4, 1]), jnp.array([-0.1, 3, 0, 0.1]))

    np.testing.assert_allclose(found, [20, 6, 4, 1], rtol=1e-6)
    np.testing.assert_allclose(only_judgements.auto_weights(jnp.ones(2), jnp.array([3.0, 0.1])), [3, 1])
    np.testing.assert_allclose(uninformed, [20, 1000, 4, 1000])


def test_sure_judgements_decide_on_items_of_vague_words_and_count_the_same_in_all_updates():
    rng, num_items = np.random.default_rng(0), 300
    truth = np.arange(num_items) % 5
    phi = 0.3 * np.eye(5).repeat(4, axis=1) / 4 + 0.7 / 20
    counts = np.stack([rng.multinomial(20, row) for row in phi[truth]])
    ports = (Port(Kind.COUNTS, 20), Port(Kind.CATEGORICAL, 5))
    judgements = normalized(jnp.asarray(5 * np.eye(5)[truth], jnp.float32))
    parents = (Counts(jnp.asarray(counts, jnp.float32), jnp.ones(num_items)), judgements)
    inputs = Inputs.of(parents, neutral(Port(Kind.CATEGORICAL, 5), num_items))

    def updates(weights, number):
        options = MldaOptions(num_classes=5, restarts=2, weights=weights)
        module = model.build(options, ports, "cavity")
        step, state = jax.jit(lambda *args: contract.step(module, *args)), module.init(random_key(0), inputs)
        for seed in range(number):
            state, outputs, _ = step(random_key(seed), state, inputs)
            yield evaluate(np.asarray(outputs.items["class"]), make_labels(truth)).acc, state.words

    (acc, weights), (_, later_weights) = updates("auto", 2)
    ((acc_of_a_word, _),) = updates((float(weights[0]), 1.0), 1)

    assert acc > 0.99 > acc_of_a_word
    np.testing.assert_array_equal(later_weights, weights)
