"""Multinomial mixtures against their joint and posterior written out."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from mmcli.modules.mlda.mixture import selection_scores, topic_scores

BETA = 0.3
N, R, K = 6, 2, 3
NO_CHILD = np.full((N, 1, K), -np.log(K))


def written_out(member, words):
    """log pi_k + sum of log phi (N, K), and the log prior of pi and phi, of memberships (N, K)."""
    shares = (member.sum(0) + 1) / (N + K)
    scores, log_prior = np.tile(np.log(shares), (N, 1)), np.log(shares).sum()
    for counts in words:
        phi = np.stack([BETA + sum(member[item, topic] * counts[item] for item in range(N)) for topic in range(K)])
        phi /= phi.sum(-1, keepdims=True)
        for item, topic in itertools.product(range(N), range(K)):
            scores[item, topic] += sum(counts[item] * np.log(phi[topic]))
        log_prior += BETA * np.log(phi).sum()
    return scores, log_prior


@pytest.fixture
def memberships():
    return np.random.default_rng(0).dirichlet(np.ones(K), (N, R))


@pytest.fixture
def words():
    rng = np.random.default_rng(1)
    return [rng.gamma(0.5, size=(N, width)) for width in (5, 4)]


def test_scores_are_the_joint_written_out(memberships, words):
    with jax.enable_x64(True):
        scores = topic_scores(jnp.asarray(memberships), words, BETA)

    for start in range(R):
        np.testing.assert_allclose(scores[:, start], written_out(memberships[:, start], words)[0], rtol=1e-10)


def test_selection_scores_without_parents_are_evidence_and_prior_written_out(memberships, words):
    with jax.enable_x64(True):
        found = selection_scores(jnp.asarray(memberships), words, [], NO_CHILD, BETA)

    for start in range(R):
        scores, log_prior = written_out(memberships[:, start], words)
        assert float(found[start]) == pytest.approx(logsumexp(scores - np.log(K), axis=-1).sum() + log_prior, rel=1e-10)


def shared_information(member, observed, told):
    """Sum of log [p(message | observed) / p(message)] over the items that were told something, of (N, K)."""
    scores = written_out(member, observed)[0]
    posterior = np.exp(scores - logsumexp(scores, axis=-1, keepdims=True))
    shares = (member.sum(0) + 1) / (N + K)
    phi = np.stack([BETA + sum(member[item, topic] * told[item] for item in range(N)) for topic in range(K)])
    joint = shares[:, None] * phi / phi.sum(-1, keepdims=True)
    topics_of_word = joint / joint.sum(0)  # (K, V)
    total = 0.0
    for item in range(N):
        if told[item].sum() > 0:
            told_topics = topics_of_word @ (told[item] / told[item].sum())
            total += np.log((posterior[item] * told_topics / shares).sum())
    return total


def test_selection_scores_add_what_observations_share_with_what_is_told(memberships, words):
    observed, told = words
    told[2] = 0  # a parent that says nothing of an item
    with jax.enable_x64(True):
        alone = selection_scores(jnp.asarray(memberships), [observed], [], NO_CHILD, BETA)
        found = selection_scores(jnp.asarray(memberships), [observed], [told], NO_CHILD, BETA) - alone

    for start in range(R):
        shared = shared_information(memberships[:, start], [observed], told)
        assert float(found[start]) == pytest.approx(2 * observed.sum() * shared / (N - 1), rel=1e-8)


def test_a_message_that_repeats_the_classes_is_worth_more_than_one_that_cuts_across():
    observed = np.repeat(np.eye(2), 3, axis=0) * 50  # two classes of three items
    member = jnp.asarray(np.repeat(np.eye(2), 3, axis=0)[:, None])
    across = np.tile(np.eye(2), (3, 1))

    same, crossed = (
        selection_scores(member, [observed], [told], np.zeros((N, 1, 2)), BETA) for told in (observed, across)
    )

    assert float(same[0]) > float(crossed[0])


def test_expectation_maximisation_never_lowers_the_evidence(memberships, words):
    with jax.enable_x64(True):
        member, found = jnp.asarray(memberships), []
        for _ in range(30):
            found.append(selection_scores(member, words, [], NO_CHILD, BETA))
            member = jax.nn.softmax(topic_scores(member, words, BETA), axis=-1)

    assert np.diff(np.stack(found), axis=0).min() > -1e-9
