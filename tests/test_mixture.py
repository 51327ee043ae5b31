"""Multinomial mixtures against their joint written out, and the choice between them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from mmcli.mixture import merits, topic_scores

BETA = 0.3
N, R, K = 6, 2, 3
NO_CHILD = np.full((N, 1, K), -np.log(K))


def written_out(member, words):
    """log pi_k + sum of log phi (N, K), log prior of pi and phi, and phi of each modality, of memberships (N, K)."""
    shares = (member.sum(0) + 1) / (N + K)
    scores, log_prior, topics = np.tile(np.log(shares), (N, 1)), np.log(shares).sum(), []
    for counts in words:
        phi = np.stack([BETA + sum(member[item, topic] * counts[item] for item in range(N)) for topic in range(K)])
        phi /= phi.sum(-1, keepdims=True)
        for item, topic in itertools.product(range(N), range(K)):
            scores[item, topic] += sum(counts[item] * np.log(phi[topic]))
        log_prior += BETA * np.log(phi).sum()
        topics.append(phi)
    return shares, scores, log_prior, topics


@pytest.fixture
def memberships():
    return np.random.default_rng(0).dirichlet(np.ones(K), (N, R))


@pytest.fixture
def words():
    rng = np.random.default_rng(1)
    return [rng.gamma(0.5, size=(N, width)) for width in (5, 4)]


def test_scores_are_the_joint_written_out(memberships, words):
    with jax.enable_x64(True):
        scores = topic_scores(jnp.asarray(memberships), words, jnp.ones((2, R)), BETA)

    for start in range(R):
        np.testing.assert_allclose(scores[:, start], written_out(memberships[:, start], words)[1], rtol=1e-10)


def test_a_mixture_that_is_deaf_to_a_modality_scores_as_without_it(memberships, words):
    with jax.enable_x64(True):
        scores = topic_scores(jnp.asarray(memberships), words, jnp.array([[1.0, 1.0], [1.0, 0.0]]), BETA)

    np.testing.assert_allclose(scores[:, 0], written_out(memberships[:, 0], words)[1], rtol=1e-10)
    np.testing.assert_allclose(scores[:, 1], written_out(memberships[:, 1], words[:1])[1], rtol=1e-10)


def test_merits_are_evidence_and_shared_information_written_out(memberships, words):
    observed, told = words
    with jax.enable_x64(True):
        found = merits(jnp.asarray(memberships), [observed], [told], NO_CHILD, BETA)

    for start in range(R):
        member = memberships[:, start]
        shares, scores, log_prior, _ = written_out(member, [observed])
        phi = written_out(member, [told])[3][0]
        expected = logsumexp(scores - np.log(K), axis=-1).sum() + log_prior
        for item in range(N):
            of_words = phi * shares[:, None] / (phi * shares[:, None]).sum(0)  # P(topic | word)
            ratio = sum(softmax(scores[item]) * (of_words @ (told[item] / told[item].sum())) / shares)
            expected += observed[item].sum() * np.log(ratio)
        assert float(found[start]) == pytest.approx(expected, rel=1e-9)


def test_expectation_maximisation_never_lowers_the_merit_of_observations(memberships, words):
    with jax.enable_x64(True):
        member, found = jnp.asarray(memberships), []
        for _ in range(30):
            found.append(merits(member, words, [], NO_CHILD, BETA))
            member = jax.nn.softmax(topic_scores(member, words, jnp.ones((2, R)), BETA), axis=-1)

    assert np.diff(np.stack(found), axis=0).min() > -1e-9


def test_what_both_senses_see_beats_what_only_a_message_sees():
    """Observed words tell a from b; the message tells apart two halves of a that nothing else sees, and a from b."""
    truth = np.array([0, 0, 1, 1, 2, 2])  # two halves of a, and b
    observed = 20.0 * np.eye(2)[np.array([0, 0, 0, 0, 1, 1])]
    told = 20.0 * np.eye(3)[truth]
    both_see = np.eye(K)[np.array([0, 0, 0, 0, 1, 1])]
    message_only = np.eye(K)[np.array([0, 0, 1, 1, 1, 1])]
    with jax.enable_x64(True):
        found = merits(jnp.asarray(np.stack([both_see, message_only], 1)), [observed], [told], NO_CHILD, BETA)

    assert found[0] > found[1]
