"""Markov chain against enumeration of all paths of every sequence, in float64."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, log_softmax, logsumexp, softmax

from mmcli.modules.api import Inputs
from mmcli.modules.markov import model
from mmcli.modules.markov.model import MarkovState
from mmcli.modules.markov.smoothing import Chain, smooth
from mmcli.modules.markov.spec import MarkovOptions
from mmcli.modules.messages import Categorical, class_prior, normalized
from mmcli.modules.spec import Kind, Port

FALSE_ALARM = 1e-6  # probability that a correct sampler fails
K = 3
LENGTHS = [(8,), (4, 1, 3), (2, 5, 1), (1,) * 8]
SMOOTH = jax.jit(smooth)
INFER = jax.jit(model.infer, static_argnums=0)
random_key = functools.partial(jax.random.key, impl="rbg")  # as a run has it


def log_beta(concentrations):
    """Log of the normalizer of a Dirichlet, over the last axis."""
    return gammaln(concentrations).sum(-1) - gammaln(concentrations.sum(-1))


def first_rows(lengths):
    starts = np.zeros(sum(lengths), bool)
    starts[np.cumsum([0, *lengths[:-1]])] = True
    return starts


def random_chain(rng, num_states=K):
    return rng.dirichlet(np.ones(num_states)), rng.dirichlet(np.ones(num_states), num_states)


def paths_of(length, num_states=K):
    return np.array(list(itertools.product(range(num_states), repeat=length)))


def posterior_of_paths(initial, transitions, evidence):
    """log p(evidence) of a sequence, its paths and their probabilities."""
    paths = paths_of(len(evidence), len(initial))
    moves = np.log(transitions)[paths[:, :-1], paths[:, 1:]].sum(-1)
    scores = np.log(initial)[paths[:, 0]] + moves + evidence[np.arange(len(evidence)), paths].sum(-1)
    return logsumexp(scores), paths, softmax(scores)


def posteriors(initial, transitions, evidence, lengths):
    """P(z_t | all evidence of its sequence), (N, K)."""
    rows = []
    for part in np.split(evidence, np.cumsum(lengths)[:-1]):
        _, paths, probs = posterior_of_paths(initial, transitions, part)
        rows += [np.bincount(column, probs, len(initial)) for column in paths.T]
    return np.array(rows)


def without_row(evidence, row):
    return np.where(np.arange(len(evidence))[:, None] == row, 0, evidence)


def cavities(initial, transitions, evidence, lengths):
    """P(z_t | evidence of all other rows of its sequence), (N, K)."""
    each = [posteriors(initial, transitions, without_row(evidence, t), lengths)[t] for t in range(len(evidence))]
    return np.array(each)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_passes_are_those_of_all_paths(lengths):
    rng = np.random.default_rng(len(lengths))
    initial, transitions = random_chain(rng)
    evidence, starts = 2 * rng.normal(size=(sum(lengths), K)), first_rows(lengths)
    with jax.enable_x64(True):
        chain = Chain(jnp.asarray(initial), jnp.asarray(transitions))
        smoothed = SMOOTH(chain, evidence, starts)
        is_part = jnp.ones(len(starts), bool)
        counts = model.expected_counts(chain, smoothed, jnp.asarray(starts), is_part)
        log_norms, log_cavity = np.asarray(smoothed.log_norms), np.asarray(smoothed.log_cavity)

    log_evidence, begun, moved = 0.0, np.zeros(K), np.zeros((K, K))
    for part in np.split(evidence, np.cumsum(lengths)[:-1]):
        log_norm, paths, probs = posterior_of_paths(initial, transitions, part)
        log_evidence += log_norm
        begun += np.bincount(paths[:, 0], probs, K)
        for path, prob in zip(paths, probs, strict=True):
            for pair in itertools.pairwise(path):
                moved[pair] += prob
    assert log_norms.sum() == pytest.approx(log_evidence, rel=1e-12)
    np.testing.assert_allclose(softmax(log_cavity, -1), cavities(initial, transitions, evidence, lengths), rtol=1e-10)
    np.testing.assert_allclose(counts[0], begun, rtol=1e-10)
    np.testing.assert_allclose(counts[1], moved, rtol=1e-10, atol=1e-14)


def random_state(rng):
    return MarkovState(*map(jnp.asarray, (*(5 * each for each in random_chain(rng)), log_softmax(rng.normal(size=K)))))


def random_inputs(rng, lengths, known=None, sent=None):
    """Inputs of random messages; `known` and `sent` (N,) are the rows that are there."""
    num_items = sum(lengths)
    parent, child = (
        normalized(jnp.asarray(2 * rng.normal(size=(num_items, K))), jnp.asarray(weight, float))
        for weight in (np.ones(num_items) if rows is None else rows for rows in (known, sent))
    )
    return Inputs((parent,), child, jnp.asarray(first_rows(lengths)))


def evidence_of(message, log_prior=0.0):
    """Evidence (N, K) of a message, none where its row is missing."""
    return np.where(message.weight[:, None] > 0, message.log_probs - log_prior, 0)


KNOWN, SENT = [1, 0, 1, 1, 0, 0, 0, 1], [1, 1, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(("known", "sent"), [(None, None), (KNOWN, SENT), (KNOWN, [0] * 8), ([0] * 8, SENT)])
def test_messages_are_those_of_all_paths(known, sent):
    lengths, rng = (4, 1, 3), np.random.default_rng(5)
    with jax.enable_x64(True):
        state, inputs = random_state(rng), random_inputs(rng, lengths, known, sent)
        outputs = INFER("cavity", state, inputs)
        serket = INFER("serket", state, inputs)
        chain = model.mean_chain(state)
        state, inputs, outputs, serket, chain = jax.tree.map(np.asarray, (state, inputs, outputs, serket, chain))

    log_prior = state.log_prior
    own, child = evidence_of(inputs.parents[0], log_prior), evidence_of(inputs.child)
    alone, belief = (posteriors(*chain, evidence, lengths) for evidence in (own, own + child))
    cavity = np.array([posteriors(*chain, without_row(own, t) + child, lengths)[t] for t in range(len(own))]) / np.exp(
        log_prior
    )
    sequence = np.repeat(np.arange(3), lengths)
    there, received = inputs.parents[0].weight, inputs.child.weight
    in_sequence = np.bincount(sequence, there)[sequence]
    others = in_sequence - there + np.bincount(sequence, received)[sequence]
    for message, expected, is_there in (
        (outputs.forward, alone, in_sequence > 0),
        (outputs.backward[0], cavity / cavity.sum(-1, keepdims=True), others > 0),
        (serket.backward[0], None, others + there > 0),
    ):
        np.testing.assert_array_equal(message.weight, is_there)
        if expected is not None:
            sent_expected = np.where(is_there[:, None], expected, 1 / K)
            np.testing.assert_allclose(np.exp(message.log_probs), sent_expected, rtol=1e-9)
    np.testing.assert_allclose(outputs.items["Pdz"], belief, rtol=1e-9)
    np.testing.assert_array_equal(outputs.items["class"], belief.argmax(-1))
    # What both send of an item, multiplied, is the posterior of the chain; serket's message alone is.
    both = there * (others > 0) > 0
    product = softmax(inputs.parents[0].log_probs + outputs.backward[0].log_probs, -1)
    np.testing.assert_allclose(product[both], belief[both], rtol=1e-9)
    np.testing.assert_allclose(np.exp(serket.backward[0].log_probs)[both], belief[both], rtol=1e-9)


def updated(inputs, options):
    """State after an update, and the bound at each sweep, (I,) nats."""
    module = model.build(options, (Port(Kind.CATEGORICAL, K),), "cavity")
    work = module.begin(random_key(1), module.init(random_key(0), inputs), inputs)
    done = jax.jit(module.advance)(work, inputs, jnp.int32(options.sweeps))
    return jax.tree.map(np.asarray, (done.state, done.trace))


def certain(classes):
    """Message of a parent that is certain of its classes."""
    return normalized(100.0 * jnp.eye(K)[classes])


def test_of_certain_classes_transitions_are_counted_within_sequences():
    classes, lengths = np.array([0, 0, 1, 2, 2, 2, 0, 1, 1]), (4, 5)
    starts = jnp.asarray(first_rows(lengths))
    child = normalized(jnp.zeros((9, K)), jnp.zeros(9))
    with jax.enable_x64(True):
        options = MarkovOptions(sweeps=3, initial_prior=0.5, transition_prior=2.0, parent_prior="uniform")
        state, _ = updated(Inputs((certain(classes),), child, starts), options)
        shares = np.asarray(class_prior(certain(classes), MarkovOptions().parent_prior))

    # 2 at row 3 is not followed by 2 at row 4, which begins a sequence.
    np.testing.assert_allclose(state.initial, [1.5, 0.5, 1.5])
    np.testing.assert_allclose(state.transitions, 2 + np.array([[1, 2, 0], [0, 1, 1], [1, 0, 1]]), atol=1e-9)
    np.testing.assert_allclose(state.log_prior, np.log(1 / K))
    np.testing.assert_allclose(shares, np.array([4, 4, 4]) / 12)


@pytest.mark.parametrize(("prior", "gap"), [(0.7, 2.0), (100.0, 0.05)])
def test_the_bound_rises_and_is_below_the_evidence_of_all_paths(prior, gap):
    lengths, rng = (3, 2, 1), np.random.default_rng(2)
    with jax.enable_x64(True):
        inputs = random_inputs(rng, lengths)
        options = MarkovOptions(sweeps=30, initial_prior=prior, transition_prior=2 * prior)
        state, bounds = updated(inputs, options)
        inputs = jax.tree.map(np.asarray, inputs)

    evidence = evidence_of(inputs.parents[0], state.log_prior) + evidence_of(inputs.child)
    # Parameters integrated out: each path of all sequences has its probability under Dirichlet priors.
    starts, before = first_rows(lengths), np.vstack([np.full(K, prior), np.full((K, K), 2 * prior)])
    scores = []
    for path in paths_of(sum(lengths)):
        after = before.copy()
        for t, state_of_row in enumerate(path):
            after[0 if starts[t] else 1 + path[t - 1], state_of_row] += 1
        log_prob = log_beta(after).sum() - log_beta(before).sum()
        scores.append(log_prob + evidence[np.arange(len(path)), path].sum())
    exact = logsumexp(scores)
    assert min(np.diff(bounds)) > -1e-10
    assert exact - gap < bounds[-1] < exact


def test_rows_after_the_last_evidence_of_a_sequence_change_no_parameter():
    rng, options = np.random.default_rng(3), MarkovOptions(sweeps=20)
    with jax.enable_x64(True):
        short = random_inputs(rng, (5, 3))
        rows = np.array([0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 7])  # two more rows of the first sequence, one of the second
        is_there = np.array([1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0.0])
        parent, child = (
            normalized(message.log_probs[rows], jnp.asarray(is_there)) for message in (short.parents[0], short.child)
        )
        long = Inputs((parent,), child, jnp.asarray(first_rows((7, 4))))
        (before, bounds), (after, same_bounds) = updated(short, options), updated(long, options)

    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-10)
    np.testing.assert_allclose(same_bounds, bounds, rtol=1e-10)


def test_long_sequences_of_contradicting_evidence_neither_underflow_nor_lose_precision():
    rng, num_items = np.random.default_rng(4), 20_000
    initial, transitions = random_chain(rng)
    transitions = transitions**8  # some transitions are all but impossible
    transitions /= transitions.sum(-1, keepdims=True)
    evidence = 50 * rng.normal(size=(num_items, K))
    starts = rng.random(num_items) < 1e-3
    starts[0] = True

    smoothed = SMOOTH(Chain(*map(jnp.float32, (initial, transitions))), jnp.float32(evidence), starts)

    total, filtered = 0.0, np.full(K, 1 / K)
    for row, is_start in zip(evidence, starts, strict=True):
        scores = (np.log(initial) if is_start else np.log(filtered @ transitions)) + row
        total, filtered = total + logsumexp(scores), softmax(scores)
    assert np.isfinite(smoothed.log_cavity).all()
    assert np.asarray(smoothed.log_norms).sum(dtype=np.float64) == pytest.approx(total, rel=1e-6)
    np.testing.assert_allclose(smoothed.filtered[-1], filtered, atol=1e-5)


def test_paths_are_drawn_from_their_posterior():
    rng, length, num_sequences = np.random.default_rng(6), 3, 4000
    lengths = (length,) * num_sequences
    state, one = random_state(rng), random_inputs(rng, (length,), known=[1, 0, 1], sent=[0, 0, 1])
    parent, child = (
        Categorical(jnp.tile(message.log_probs, (num_sequences, 1)), jnp.tile(message.weight, num_sequences))
        for message in (one.parents[0], one.child)
    )
    inputs = Inputs((parent,), child, jnp.asarray(first_rows(lengths)))

    (drawn,) = jax.jit(model.sample)(random_key(0), state, inputs)

    state, one, drawn = jax.tree.map(np.asarray, (state, one, drawn))
    evidence = evidence_of(one.parents[0], state.log_prior) + evidence_of(one.child)
    _, paths, probs = posterior_of_paths(*map(np.asarray, model.mean_chain(state)), evidence)
    found = drawn.log_probs.argmax(-1).reshape(-1, length) @ K ** np.arange(length)[::-1]
    counts = np.bincount(found, minlength=len(paths))
    often = probs * num_sequences > 5
    expected = num_sequences * np.append(probs[often], probs[~often].sum())
    visits = np.append(counts[often], counts[~often].sum())
    assert stats.chisquare(visits, expected * visits.sum() / expected.sum()).pvalue > FALSE_ALARM
