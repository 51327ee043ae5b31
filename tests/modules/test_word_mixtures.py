"""Mixtures over several views against their joint written out."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from mmcli.modules.word_mixtures import (
    FOLDS,
    SHARED_WEIGHT,
    Views,
    beliefs_without,
    class_information,
    class_shares,
    fit,
    fit_held_out,
    folds,
    score,
    shared_information,
)

BETA = 0.3
N, R, K = 6, 2, 3


def views_of(words, child=None):
    """Views of words, all known where they have any, and a child's log probabilities (N, K)."""
    known = tuple(jnp.asarray((counts.sum(-1) > 0).astype(float)) for counts in words)
    log_probs = np.full((N, K), -np.log(K)) if child is None else child
    is_sent = jnp.zeros(N) if child is None else jnp.ones(N)
    return Views(
        tuple(map(jnp.asarray, words)),
        (jnp.asarray(BETA),) * len(words),
        known,
        jnp.asarray(log_probs)[:, None],
        is_sent,
    )


def written_out(member, words, fold=None):
    """log pi (K,), evidence of each view (N, K), and the log prior of pi and phi, of memberships (N, K).

    Evidence of an item is by the items of the other folds of `fold` (N,), or by all.
    """
    shares = (member.sum(0) + 1) / (N + K)
    evidence, log_prior = [], np.log(shares).sum()
    for counts in words:
        scores = np.zeros((N, K))
        for item, topic in itertools.product(range(N), range(K)):
            others = [other for other in range(N) if fold is None or fold[other] != fold[item]]
            phi = BETA + sum(member[other, topic] * counts[other] for other in others)
            scores[item, topic] = sum(counts[item] * np.log(phi / phi.sum()))
        evidence.append(scores)
        phi = BETA + member.T @ counts
        log_prior += BETA * np.log(phi / phi.sum(-1, keepdims=True)).sum()
    return np.log(shares), evidence, log_prior


@pytest.fixture
def memberships():
    return np.random.default_rng(0).dirichlet(np.ones(K), (N, R))


@pytest.fixture
def words():
    rng = np.random.default_rng(1)
    return [rng.gamma(0.5, size=(N, width)) for width in (5, 4)]


def fitted(views, memberships):
    memberships = jnp.asarray(memberships)
    return fit(views, (memberships,) * len(views.words), class_shares(memberships))


def test_a_fit_is_the_joint_written_out(memberships, words):
    with jax.enable_x64(True):
        found = fitted(views_of(words), memberships)

    for start in range(R):
        shares, evidence, log_prior = written_out(memberships[:, start], words)
        np.testing.assert_allclose(found.log_shares[start], shares, rtol=1e-10)
        for ours, theirs in zip(found.evidence, [*evidence, np.full((N, K), -np.log(K))], strict=True):
            np.testing.assert_allclose(ours[:, start], theirs, rtol=1e-10)
        assert float(found.log_prior[start]) == pytest.approx(log_prior, rel=1e-10)


def mutual_information_of(alone, others):
    """Of the table of two (N, K) distributions, nats."""
    table = alone.T @ others / alone.sum()
    independent = table.sum(1, keepdims=True) * table.sum(0)
    return (table * np.log(table / independent)).sum()


def test_shared_information_is_that_of_each_view_with_the_others_written_out(memberships, words):
    words[1][2] = 0  # an item that the second view does not have
    with jax.enable_x64(True):
        views = views_of(words)
        found = shared_information(views, fitted(views, memberships))

    both = [item for item in range(N) if item != 2]
    for start in range(R):
        shares, evidence, _ = written_out(memberships[:, start], words)
        first, second = (softmax(shares + scores, axis=-1)[both] for scores in evidence)
        assert float(found[start]) == pytest.approx(mutual_information_of(first, second), rel=1e-8)


def test_the_score_is_evidence_an_item_and_shared_information(memberships, words):
    with jax.enable_x64(True):
        views = views_of(words)
        fit_of_all = fitted(views, memberships)
        found, shared = score(views, fit_of_all), shared_information(views, fit_of_all)

    for start in range(R):
        shares, evidence, log_prior = written_out(memberships[:, start], words)
        log_evidence = logsumexp(shares + sum(evidence) - np.log(K), axis=-1).sum() + log_prior
        assert float(found[start]) == pytest.approx(log_evidence / N + SHARED_WEIGHT * float(shared[start]), rel=1e-8)


def test_the_score_of_held_out_items_written_out(memberships, words):
    with jax.enable_x64(True):
        views = views_of(words)
        found = score(views, fit_held_out(views, jnp.asarray(memberships)))

    for start in range(R):
        shares, evidence, _ = written_out(memberships[:, start], words, folds(N))
        log_evidence = logsumexp(shares + sum(evidence) - np.log(K), axis=-1).mean()
        shared = mutual_information_of(*(softmax(shares + scores, axis=-1) for scores in evidence))
        assert float(found[start]) == pytest.approx(log_evidence + SHARED_WEIGHT * shared, rel=1e-8)


def test_folds_are_of_one_size_and_do_not_go_with_the_order_of_the_items():
    fold = folds(1000)

    np.testing.assert_array_equal(np.bincount(fold), 1000 // FOLDS)
    for period in (2, 5, 10):  # items in the order of their classes, 0..9, 0..9
        shares = [(fold[first::period] == 0).mean() for first in range(period)]
        assert 0.05 < min(shares) < max(shares) < 0.4


def test_classes_by_chance_share_nothing_of_held_out_items_however_many_the_words():
    """Parameters fitted to the items that they judge confirm any classes: rare words name the items of each."""
    rng, num_items, rare = np.random.default_rng(0), 120, 4000
    truth = rng.integers(K, size=num_items)
    words = [np.hstack([5 * np.eye(K)[truth], rng.random((num_items, rare)) < 60 / rare]) for _ in range(2)]
    views = Views(
        tuple(jnp.asarray(counts, jnp.float32) for counts in words),
        (jnp.asarray(0.01),) * 2,
        (jnp.ones(num_items),) * 2,
        jnp.full((num_items, 1, K), -jnp.log(K)),
        jnp.zeros(num_items),
    )
    planted_and_chance = np.eye(K)[np.stack([truth, rng.integers(K, size=num_items)], axis=1)]

    same_items = shared_information(views, fitted(views, planted_and_chance))
    held_out = shared_information(views, fit_held_out(views, jnp.asarray(planted_and_chance)))

    assert float(same_items.min()) > 0.9 * np.log(K)
    assert float(held_out[0]) > 0.5 * np.log(K) > 0.1 > float(held_out[1])


def test_one_view_shares_nothing(memberships, words):
    views = views_of(words[:1])

    np.testing.assert_array_equal(shared_information(views, fitted(views, memberships)), 0)


def test_a_childs_message_is_a_view(memberships, words):
    agreeing = np.log(softmax(5 * memberships[:, 0], axis=-1))
    views = views_of(words[:1], agreeing)

    assert (shared_information(views, fitted(views, memberships)) > 0).all()


def test_a_view_that_repeats_the_classes_shares_more_than_one_that_cuts_across():
    observed = np.repeat(np.eye(3), 2, axis=0) * 50  # three classes of two items
    member = np.repeat(np.eye(3), 2, axis=0)[:, None]
    across = np.tile(np.eye(3), (2, 1)) * 50

    same, crossed = (
        shared_information(views, fitted(views, member))
        for views in (views_of([observed, observed]), views_of([observed, across]))
    )

    assert float(same[0]) == pytest.approx(np.log(3), abs=0.05)
    assert float(crossed[0]) < 0.3


def test_expectation_maximisation_never_lowers_the_evidence(memberships, words):
    with jax.enable_x64(True):
        views, member, found = views_of(words), jnp.asarray(memberships), []
        for _ in range(30):
            fit_of_all = fitted(views, member)
            found.append(jax.nn.logsumexp(fit_of_all.joint, axis=-1).sum(0) + fit_of_all.log_prior)
            (member, same) = beliefs_without(fit_of_all, jnp.ones(R), jnp.ones(R))
            np.testing.assert_array_equal(member, same)

    assert np.diff(np.stack(found), axis=0).min() > -1e-9


def test_co_em_fits_a_view_to_the_beliefs_of_the_other_alone(memberships, words):
    with jax.enable_x64(True):
        views = views_of(words)
        first, second = beliefs_without(fitted(views, memberships), jnp.zeros(R), jnp.ones(R))

    for start in range(R):
        shares, (of_first, of_second), _ = written_out(memberships[:, start], words)
        np.testing.assert_allclose(first[:, start], softmax(shares + of_second, axis=-1), rtol=1e-9)
        np.testing.assert_allclose(second[:, start], softmax(shares + of_first, axis=-1), rtol=1e-9)


def test_information_on_classes_is_how_far_the_evidence_on_an_items_own_exceeds_the_mean():
    evidence = np.array([[0.0, -3, -6], [-1, -1, -1], [0, 0, 0]])
    memberships = np.array([[1.0, 0, 0], [0.2, 0.5, 0.3], [0.4, 0.6, 0]])  # the view lacks the last

    found = class_information(jnp.asarray(memberships), jnp.asarray(evidence), jnp.array([1.0, 1, 0]))

    assert float(found) == pytest.approx((3 + 0) / 2)
