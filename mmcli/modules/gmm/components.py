"""Gaussian components under a normal-inverse-Wishart prior: posterior, draws from it and its means.

N items, D features, K classes.

Source: Murphy (2012), Machine Learning: A Probabilistic Perspective, section 4.6.3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular

from mmcli.modules.messages import Points
from mmcli.modules.numerics import draw_gamma, winsorized_moments

PRIOR_KAPPA = 1.0
PRIOR_CLASS_COUNT = 1.0


class GmmParams(NamedTuple):
    """Parameters of K Gaussian components in D dimensions."""

    log_weights: Array  # (K,)
    means: Array  # (K, D)
    whiteners: Array  # (K, D, D) lower triangular A, Sigma^-1 = A' A
    log_dets: Array  # (K,) log |A|


class Niw(NamedTuple):
    """Normal-inverse-Wishart posterior of each of K classes. Murphy (2012), eqs. 4.209 to 4.214."""

    counts: Array  # (K,) items
    means: Array  # (K, D)
    kappa: Array  # (K,)
    nu: Array  # (K,)
    chol_scatters: Array  # (K, D, D) lower triangular


class Prior(NamedTuple):
    """Prior parameters that follow from the data."""

    centre: Array  # (D,) m0
    scatter: Array  # (D,) diagonal of S0


class Data(NamedTuple):
    """Points prepared once for all sweeps."""

    prior: Prior
    centred: Array  # (N, D)
    products: Array  # (N, D D) of each pair of features
    weight: Array  # (N,)


def data_prior(points: Points, prior_scale: float) -> Prior:
    """m0 and S0 for the data; a feature that does not vary gets the largest variance of the others, or 1."""
    centre, variances = winsorized_moments(points.values, points.weight)
    largest = variances.max()
    floor = jnp.where(largest > 0, largest, 1.0)
    return Prior(centre, prior_scale * jnp.where(variances > 0, variances, floor))


def prepare(points: Points, prior: Prior) -> Data:
    """Centre the points (N, D) by the prior and multiply their features, once for all sweeps."""
    # Centred first: moments of far-off data would cancel in float32.
    centred = (points.values - prior.centre[None, :]) * points.weight[:, None]
    products = centred[:, :, None] * centred[:, None, :]  # (N, D, D)
    return Data(prior, centred, products.reshape(products.shape[0], -1), points.weight)


def niw_posterior(data: Data, labels: Array, num_classes: int) -> Niw:
    """Posterior of every class's mean and covariance given the labels (N,)."""
    centre, prior_scatter = data.prior
    num_features = centre.shape[0]
    members = jax.nn.one_hot(labels, num_classes, axis=0) * data.weight[None, :]  # (K, N)
    counts = members.sum(-1)
    kappa = PRIOR_KAPPA + counts
    shifts = (members @ data.centred) / kappa[:, None]  # (K, D), from the centre
    moments = (members @ data.products).reshape(num_classes, num_features, num_features)
    scatters = moments - kappa[:, None, None] * shifts[:, :, None] * shifts[:, None, :]
    scatters += jnp.diag(prior_scatter)[None]
    # Sums of many squares in floating point are sure to about this much.
    error = float(np.finfo(moments.dtype).eps) * (counts / 16 + num_features)[:, None] * diagonal(moments)
    return Niw(counts, centre[None, :] + shifts, kappa, num_features + 2 + counts, floored_cholesky(scatters, error))


def diagonal(matrices: Array) -> Array:
    """Diagonals (..., D) of matrices (..., D, D)."""
    entries: Array = jnp.diagonal(matrices, axis1=-2, axis2=-1)
    return entries


def floored_cholesky(scatters: Array, floors: Array) -> Array:
    """Cholesky factors of (K, D, D); where features depend on each other to below `floors` (K, D), these are added.

    So features that are sums of others, of whatever scale, have a covariance; others keep theirs to the bit.
    """
    chol = jnp.linalg.cholesky(scatters)
    is_sound = (jnp.square(diagonal(chol)) > floors).all(-1)  # False for NaN

    def raised() -> Array:
        floored = jnp.linalg.cholesky(scatters + floors[:, :, None] * jnp.eye(scatters.shape[-1])[None])
        return jnp.where(is_sound[:, None, None], chol, floored)

    # Not both at once: two LAPACK calls of one program may each wait for threads that the other holds, for ever.
    factors: Array = jax.lax.cond(is_sound.all(), lambda: chol, raised)
    return factors


def lower_inverse(lower: Array) -> Array:
    """Inverses of lower triangular matrices (K, D, D)."""
    return solve_triangular(lower, jnp.broadcast_to(jnp.eye(lower.shape[-1]), lower.shape), lower=True)


def draw_params(key: Array, posterior: Niw) -> GmmParams:
    """Draw (K, ...) parameters from Dirichlet and NIW, by Bartlett's decomposition of the Wishart precision.

    Source: Murphy (2012), eq. 4.210; Smith and Hocking (1972), algorithm AS 53.
    """
    num_classes, num_features = posterior.means.shape
    gamma_key, normal_key = jax.random.split(key)
    # Sigma^-1 = L^-T B B' L^-1 with B triangular: squares of its diagonal are chi-square, the rest normal.
    # B is drawn upper triangular, so that A = B' L^-1 is lower triangular.
    freedom = posterior.nu[:, None] - (num_features - 1 - jnp.arange(num_features))[None, :]
    shares = (PRIOR_CLASS_COUNT + posterior.counts)[:, None]
    gammas = draw_gamma(gamma_key, jnp.concatenate([shares, freedom / 2], axis=1))  # (K, 1 + D)
    normals = jax.random.normal(normal_key, (num_classes, num_features, num_features + 1))
    scales = jnp.sqrt(2 * gammas[:, 1:])  # (K, D)
    factors = jnp.tril(normals[:, :, 1:], -1) + scales[:, :, None] * jnp.eye(num_features)[None]
    whiteners = factors @ lower_inverse(posterior.chol_scatters)
    noise = normals[:, :, :1] / jnp.sqrt(posterior.kappa)[:, None, None]
    means = posterior.means + solve_triangular(whiteners, noise, lower=True)[:, :, 0]
    log_weights = jnp.log(gammas[:, 0]) - jnp.log(gammas[:, 0].sum())
    return GmmParams(log_weights, means, whiteners, jnp.log(diagonal(whiteners)).sum(-1))


def mean_params(posterior: Niw) -> GmmParams:
    """Posterior means of weights, means and covariances. Murphy (2012), eq. 4.215."""
    num_features = posterior.means.shape[1]
    shares = PRIOR_CLASS_COUNT + posterior.counts
    freedom = posterior.nu - num_features - 1
    whiteners = jnp.sqrt(freedom)[:, None, None] * lower_inverse(posterior.chol_scatters)
    log_dets = jnp.log(diagonal(whiteners)).sum(-1)
    return GmmParams(jnp.log(shares / shares.sum()), posterior.means, whiteners, log_dets)


def log_joint(params: GmmParams, points: Points) -> Array:
    """log pi_k N(x_t; mu_k, Sigma_k), (N, K) nats; log pi_k where the point is unknown."""
    num_classes, num_features = params.means.shape
    flat = params.whiteners.reshape(num_classes * num_features, num_features)
    offsets = (params.whiteners @ params.means[:, :, None]).reshape(-1)
    whitened = (points.values @ flat.T - offsets[None, :]).reshape(-1, num_classes, num_features)
    log_likelihood = (
        params.log_dets[None, :] - 0.5 * jnp.square(whitened).sum(-1) - 0.5 * num_features * jnp.log(2 * jnp.pi)
    )
    return params.log_weights[None, :] + points.weight[:, None] * log_likelihood
