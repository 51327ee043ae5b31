"""Points of a class under a normal-inverse-Wishart posterior: expected likelihood, divergence and evidence.

All inputs of points are stacked on one axis, filled up with columns of zeros to the width of the widest, so that one
loop goes over them: two LAPACK calls of a program that do not depend on each other may wait for each other's threads.
A column that fills up has a scatter of 1 in prior and posterior and counts for nothing.

N items, P inputs of points, D columns of the widest, K classes. Covariances are full, or diagonal: one normal-inverse-
gamma posterior a column, which is the same in one dimension.

Source: Murphy (2012), Machine Learning: A Probabilistic Perspective, section 4.6.3; Bishop (2006), section 10.2.1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import digamma, gammaln

from mmcli.modules.gaussians import (
    PRIOR_KAPPA,
    Data,
    GmmParams,
    Niw,
    Prior,
    data_prior,
    expected_posterior,
    log_density,
)
from mmcli.modules.messages import Points
from mmcli.modules.mixture.spec import Form
from mmcli.modules.scatters import diagonal, divided


class Stack(NamedTuple):
    """Inputs of points on one axis."""

    values: Array  # (P, N, D) zeros where missing
    known: Array  # (P, N) 1 where the input is there, else 0
    widths: Array  # (P,) int32, columns that do not fill up


def stacked(inputs: Sequence[Points]) -> Stack:
    """Stack of at least one input of points."""
    widest = max(message.values.shape[1] for message in inputs)
    values = [
        jnp.pad(
            jnp.where(message.weight[:, None] > 0, message.values, 0), ((0, 0), (0, widest - message.values.shape[1]))
        )
        for message in inputs
    ]
    return Stack(
        jnp.stack(values),
        jnp.stack([message.weight for message in inputs]),
        jnp.array([message.values.shape[1] for message in inputs], jnp.int32),
    )


def stacked_prior(inputs: Sequence[Points], prior_scale: float) -> Prior:
    """m0 and S0 (P, D) of each input."""
    widest = max(message.values.shape[1] for message in inputs)
    parts = [data_prior([message], prior_scale) for message in inputs]
    return Prior(
        jnp.stack([jnp.pad(prior.centre, (0, widest - len(prior.centre))) for prior in parts]),
        jnp.stack([jnp.pad(prior.scatter, (0, widest - len(prior.scatter)), constant_values=1) for prior in parts]),
    )


def posteriors(stack: Stack, prior: Prior, weights: Array, memberships: Array, form: Form) -> Niw:
    """Posterior of every class for each input, P on axis 0.

    Args:
        stack: the inputs.
        prior: of `stacked_prior`.
        weights: (P,) powers of the likelihoods.
        memberships: (N, K).
        form: of the covariances.
    """

    def posterior(one: tuple[Stack, Prior, Array]) -> Niw:
        own, own_prior, weight = one
        # Centred, as moments of points far off would cancel in float32.
        centred = (own.values - own_prior.centre[None, :]) * own.known[:, None] * columns(own)[None, :]
        found = expected_posterior(Data(own_prior, centred, own.known), weight * memberships.T, form)
        missing = own.values.shape[1] - own.widths
        return found._replace(nu=found.nu - (missing if form == "full" else 0))

    every: Niw = jax.lax.map(posterior, (stack, prior, weights))
    return every


def columns(own: Stack) -> Array:
    """(D,) 1 for the columns of one input, 0 for those that fill up."""
    return (jnp.arange(own.values.shape[-1]) < own.widths).astype(own.values.dtype)


def expected_log_density(stack: Stack, posterior: Niw) -> Array:
    """E[log N(x_t; mu_k, Sigma_k)] of each input, (P, N, K) nats; 0 where it is missing. Bishop (2006), eq. 10.64."""

    def density(one: tuple[Stack, Niw]) -> Array:
        own, niw = one
        return _density(own, niw, whiteners(niw))

    every: Array = jax.lax.map(density, (stack, posterior))
    return every


def density_and_divergence(stack: Stack, prior: Prior, posterior: Niw) -> tuple[Array, Array]:
    """`expected_log_density`, and KL(posterior || prior) of the parameters of each class, (P, K) nats."""

    def both(one: tuple[Stack, Prior, Niw]) -> tuple[Array, Array]:
        own, own_prior, niw = one
        inverse = whiteners(niw)
        return _density(own, niw, inverse), _divergence(own, own_prior, niw, inverse)

    density, divergence = jax.lax.map(both, (stack, prior, posterior))
    return density, divergence


def whiteners(niw: Niw) -> Array:
    """A with S^-1 = A' A, (K, D, D) lower triangular, or (K, D) where diagonal."""
    if niw.chol_scatters.ndim == 2:
        return 1 / niw.chol_scatters
    return divided(jnp.broadcast_to(jnp.eye(niw.means.shape[1]), niw.chol_scatters.shape), niw.chol_scatters)


def _density(own: Stack, niw: Niw, inverse: Array) -> Array:
    """Expected log density (N, K) of one input, as the density under certain parameters and a constant a class."""
    there = columns(own)
    constants = 0.5 * (expected_log_precision(niw, there) - there.sum() / niw.kappa)
    constants += 0.5 * (1 - there).sum() * jnp.log(2 * jnp.pi)  # taken off for every column
    scales = jnp.sqrt(niw.nu).reshape(-1, *[1] * (inverse.ndim - 1))
    params = GmmParams(jnp.zeros_like(constants), niw.means, scales * inverse, constants)
    return own.known[:, None] * log_density(params, own.values)


def _divergence(own: Stack, prior: Prior, niw: Niw, inverse: Array) -> Array:
    """KL(posterior || prior) of one input, (K,) nats: of a normal distribution given a Wishart one, and of that.

    Source: Penny (2001), KL-divergences of normal, gamma, Dirichlet and Wishart densities.
    """
    there, before = columns(own), prior_niw(own, prior, niw)
    width, shifts = there.sum(), niw.means - before.means
    if inverse.ndim == 2:
        whitened = shifts * inverse
        traces = (jnp.square(inverse) * (there * prior.scatter)[None, :]).sum(-1)
    else:
        whitened = (inverse @ shifts[:, :, None])[:, :, 0]
        traces = (jnp.square(inverse) * (there * prior.scatter)[None, None, :]).sum((1, 2))
    ratio = before.kappa / niw.kappa
    normal = 0.5 * (width * (ratio - 1 - jnp.log(ratio)) + before.kappa * niw.nu * jnp.square(whitened).sum(-1))
    wishart = 0.5 * before.nu * (log_scatter(niw) - log_scatter(before)) + 0.5 * niw.nu * (traces - width)
    new, old = half_freedom(niw, there), half_freedom(before, there)
    gammas = gammaln(old) - gammaln(new) + (new - old) * digamma(new)
    return normal + wishart + (gammas * there[None, :]).sum(-1)


def expected_log_precision(niw: Niw, there: Array) -> Array:
    """E[log |Sigma^-1|], (K,), over the columns `there` (D,). Bishop (2006), eq. B.81."""
    return (digamma(half_freedom(niw, there)) * there[None, :]).sum(-1) + there.sum() * jnp.log(2) - log_scatter(niw)


def half_freedom(niw: Niw, there: Array) -> Array:
    """Arguments (K, D) of the gamma functions of a Wishart distribution; of a diagonal one nu / 2, of columns alone."""
    lost = jnp.zeros_like(there) if niw.chol_scatters.ndim == 2 else jnp.arange(len(there)) * there
    return (niw.nu[:, None] - lost[None, :]) / 2


def log_scatter(niw: Niw) -> Array:
    """log |S|, (K,); columns that fill up have a factor of 1."""
    entries = niw.chol_scatters if niw.chol_scatters.ndim == 2 else diagonal(niw.chol_scatters)
    return 2 * jnp.log(entries).sum(-1)


def prior_niw(own: Stack, prior: Prior, like: Niw) -> Niw:
    """Prior of one input as the posterior of a class without items, shaped like one of one class."""
    is_diagonal = like.chol_scatters.ndim == 2
    nu = jnp.full(1, 3, float) if is_diagonal else (own.widths + 2).astype(float)[None]
    roots = jnp.sqrt(prior.scatter)
    chol = roots[None] if is_diagonal else jnp.diag(roots)[None]
    return Niw(jnp.zeros(1), prior.centre[None], jnp.full(1, PRIOR_KAPPA, float), nu, chol)


def log_evidence(own: Stack, prior: Prior, niw: Niw) -> Array:
    """log p(points of a class) of one input with its parameters integrated out, (K,) nats. Murphy (2012), eq. 4.219."""
    there, before = columns(own), prior_niw(own, prior, niw)
    width = there.sum()
    gammas = ((gammaln(half_freedom(niw, there)) - gammaln(half_freedom(before, there))) * there[None, :]).sum(-1)
    scatters = 0.5 * (before.nu * log_scatter(before) - niw.nu * log_scatter(niw))
    return gammas + scatters + 0.5 * width * (jnp.log(before.kappa / niw.kappa) - niw.counts * jnp.log(jnp.pi))


def merged(prior: Prior, niw: Niw, first: Array) -> Niw:
    """Posteriors of one input of every class joined with the class `first` () int32, K of them."""
    shifts = niw.means - prior.centre[None, :]
    counts, kappa = niw.counts + niw.counts[first], niw.kappa + niw.kappa[first] - PRIOR_KAPPA
    sums = niw.kappa[:, None] * shifts
    joint = (sums + sums[first][None, :]) / kappa[:, None]
    nu = niw.nu + niw.counts[first]
    if niw.chol_scatters.ndim == 2:
        moments = jnp.square(niw.chol_scatters) + sums * shifts  # (K, D), the prior scatter included
        scatters = moments + moments[first][None] - prior.scatter[None] - kappa[:, None] * jnp.square(joint)
        chol = jnp.sqrt(jnp.maximum(scatters, prior.scatter[None]))
    else:
        moments = niw.chol_scatters @ niw.chol_scatters.mT + sums[:, :, None] * shifts[:, None, :]
        between = kappa[:, None, None] * joint[:, :, None] * joint[:, None, :]
        chol = jnp.linalg.cholesky(moments + moments[first][None] - jnp.diag(prior.scatter)[None] - between)
    return Niw(counts, prior.centre[None, :] + joint, kappa, nu, chol)


def one_input(niw: Niw, number: int) -> Niw:
    """The posterior of one input, of a stack of them."""
    own: Niw = jax.tree.map(lambda leaf: leaf[number], niw)
    return own


def draw_points(key: Array, niw: Niw, classes: Array) -> Array:
    """Draw a point (N, D) of one input from the class of each of (N,), at the posterior means of its parameters."""
    noise = jax.random.normal(key, (len(classes), niw.means.shape[1]))
    factors = niw.chol_scatters / jnp.sqrt(1 + niw.counts).reshape(-1, *[1] * (niw.chol_scatters.ndim - 1))
    if factors.ndim == 2:
        return niw.means[classes] + noise * factors[classes]

    def draw(number: Array, points: Array) -> Array:
        # Class by class: a matrix for each item would fill N x D x D.
        drawn = niw.means[number][None, :] + noise @ factors[number].T
        return jnp.where((classes == number)[:, None], drawn, points)

    points: Array = jax.lax.fori_loop(0, len(niw.means), draw, noise)
    return points
