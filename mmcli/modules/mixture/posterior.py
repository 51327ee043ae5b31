"""Posterior of a mixture's parameters, and the evidence on items under it.

N items, M inputs, P of them points, V words, K classes.

Source: Bishop (2006), Pattern Recognition and Machine Learning, section 10.2.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import logsumexp

from mmcli.modules.api import Inputs
from mmcli.modules.class_count import AUTO
from mmcli.modules.counts import Rows, row_sums, times, word_sums
from mmcli.modules.gaussians import Niw, Prior
from mmcli.modules.messages import Categorical, Points, of_kind
from mmcli.modules.mixture.points import (
    Stack,
    density_and_divergence,
    expected_log_density,
    posteriors,
    stacked,
    stacked_prior,
)
from mmcli.modules.mixture.spec import Form, MixtureOptions, covariance_form
from mmcli.modules.numerics import dirichlet_kl, expected_log
from mmcli.modules.spec import Kind, Rule
from mmcli.modules.words import as_counts, pseudo_count


class Posterior(NamedTuple):
    """Posterior of the parameters; the inputs of each kind in the order of the config."""

    shares: Array  # (K,) parameters of q(pi), a Dirichlet
    points: Niw | None  # of each input of points, P on axis 0; None where there is none
    words: tuple[Array, ...]  # (K, V) parameters of a Dirichlet for each class, of each other input


class Priors(NamedTuple):
    """Priors that follow from the data."""

    points: Prior | None  # (P, D) each
    words: tuple[Array, ...]  # () pseudo-count of a word, of each other input


class Data(NamedTuple):
    """Inputs as the mixture computes on them."""

    points: Stack | None
    words: tuple[Rows, ...]  # (N, V) counts, zeros where missing
    known: Array  # (M, N) 1 where the input has evidence on the item, else 0
    message: Array  # (N, K) g log b of the child, 0 where it sent nothing
    received: Array  # (N,) 1 where it sent anything

    @property
    def there(self) -> Array:
        """(N,) 1 where there is any evidence on an item, else 0."""
        return jnp.maximum(self.known.max(axis=0), self.received)


class Setting(NamedTuple):
    """Options, kinds of the inputs, and rule that a module is built with."""

    options: MixtureOptions
    kinds: tuple[Kind, ...]  # of each input
    widths: tuple[int, ...]
    rule: Rule

    @property
    def point_places(self) -> tuple[int, ...]:
        """Numbers of the inputs of points."""
        return tuple(place for place, kind in enumerate(self.kinds) if kind is Kind.POINTS)

    @property
    def word_places(self) -> tuple[int, ...]:
        """Numbers of the other inputs."""
        return tuple(place for place, kind in enumerate(self.kinds) if kind is not Kind.POINTS)

    @property
    def weights(self) -> tuple[float, ...]:
        """Power of the likelihood of each input."""
        return self.options.input_weights or (1.0,) * len(self.kinds)

    def form(self, num_items: int) -> Form:
        """Form of the covariances."""
        widths = [self.widths[place] for place in self.point_places]
        return covariance_form(self.options, num_items, max(widths, default=1))

    def points(self, inputs: Inputs) -> list[Points]:
        """Messages of the inputs of points."""
        return [of_kind(inputs.parents[place], Points) for place in self.point_places]

    def data(self, inputs: Inputs) -> Data:
        """Inputs as the mixture computes on them."""
        points, child = self.points(inputs), of_kind(inputs.child, Categorical)
        words = tuple(as_counts(inputs.parents[place], None) for place in self.word_places)
        known = dict(zip(self.point_places, [message.weight for message in points], strict=True))
        known |= {
            place: (row_sums(counts) > 0).astype(float) for place, counts in zip(self.word_places, words, strict=True)
        }
        message = self.options.message_weight * child.weight[:, None] * child.log_probs
        every = jnp.stack([known[place] for place in range(len(self.kinds))])
        return Data(stacked(points) if points else None, words, every, message, child.weight)

    def priors(self, inputs: Inputs) -> Priors:
        """Priors that follow from the data."""
        points, data = self.points(inputs), self.data(inputs)
        beta = self.options.beta
        words = tuple(
            pseudo_count(counts, self.options.width) if beta == AUTO else jnp.asarray(beta, float)
            for counts in data.words
        )
        return Priors(stacked_prior(points, self.options.prior_scale) if points else None, words)


def fit(setting: Setting, data: Data, priors: Priors, memberships: Array) -> Posterior:
    """Posterior of the parameters given the memberships (N, K) of all items: the maximisation step."""
    members = data.there[:, None] * memberships
    weights, points = setting.weights, None
    if data.points is not None and priors.points is not None:
        own = jnp.array([weights[place] for place in setting.point_places])
        points = posteriors(data.points, priors.points, own, members, setting.form(len(members)))
    words = tuple(
        beta + weights[place] * word_sums(members, counts)
        for place, counts, beta in zip(setting.word_places, data.words, priors.words, strict=True)
    )
    return Posterior(setting.options.share_prior + members.sum(0), points, words)


def evidence(setting: Setting, data: Data, posterior: Posterior) -> Array:
    """E[log p(input m of item t | k)] to the power of the input's weight, (M, N, K) nats; 0 where missing."""
    density = None
    if data.points is not None and posterior.points is not None:
        density = expected_log_density(data.points, posterior.points)
    return _by_input(setting, data, posterior, density)


def evidence_and_bound(setting: Setting, data: Data, priors: Priors, posterior: Posterior) -> tuple[Array, Array]:
    """`log_joint` of all inputs and the child's message, (N, K), and the evidence lower bound, () nats.

    The classes are at their optimum given the posterior, so that the bound is that of the memberships which follow.
    """
    density, penalty = None, jnp.zeros(())
    if data.points is not None and posterior.points is not None and priors.points is not None:
        density, divergence = density_and_divergence(data.points, priors.points, posterior.points)
        penalty += divergence.sum()
    joint = log_joint(posterior, _by_input(setting, data, posterior, density).sum(0) + data.message)
    penalty += dirichlet_kl(posterior.shares, jnp.full_like(posterior.shares, setting.options.share_prior))
    for topic, beta in zip(posterior.words, priors.words, strict=True):
        penalty += dirichlet_kl(topic, jnp.broadcast_to(beta, topic.shape)).sum()
    return joint, (data.there * logsumexp(joint, axis=-1)).sum() - penalty


def log_joint(posterior: Posterior, evidence: Array) -> Array:
    """E[log pi_k] and evidence (N, K), which the softmax of a row turns into the memberships of an item."""
    return expected_log(posterior.shares)[None, :] + evidence


def _by_input(setting: Setting, data: Data, posterior: Posterior, density: Array | None) -> Array:
    found = {} if density is None else dict(zip(setting.point_places, density, strict=True))
    for place, counts, words in zip(setting.word_places, data.words, posterior.words, strict=True):
        found[place] = times(counts, expected_log(words).T)
    return jnp.stack([weight * found[place] for place, weight in enumerate(setting.weights)])
