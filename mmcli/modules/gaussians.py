"""Gaussian components under a normal-inverse-Wishart prior: posterior, draws from it and its means.

Covariances are `full`, one a class; `tied`, one for all classes; or `diagonal`, a variance a class and column, each
column with the prior of the mixture of that column alone. Which follows from the shapes of parameters.

N items, D features, K classes, S covariances: K, or 1 where they are tied.

Source: Murphy (2012), Machine Learning: A Probabilistic Perspective, section 4.6.3.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaln

from mmcli.modules.blocks import by_block
from mmcli.modules.covariance import Covariance
from mmcli.modules.messages import Message, Points, of_kind
from mmcli.modules.numerics import draw_gamma, winsorized_moments
from mmcli.modules.scatters import class_products, diagonal, divided, floored_cholesky, panels, rounding_error

PRIOR_KAPPA = 1.0
PRIOR_CLASS_COUNT = 1.0
SMALLEST_KEPT = 1e-6  # of the determinant of a scatter, without one item: less is lost in its rounding


class GmmParams(NamedTuple):
    """Parameters of K Gaussian components in D dimensions."""

    log_weights: Array  # (K,)
    means: Array  # (K, D)
    whiteners: Array  # (S, D, D) lower triangular A, Sigma^-1 = A' A; its diagonal alone, (K, D), where it is diagonal
    log_dets: Array  # (S,) log |A|


class Niw(NamedTuple):
    """Normal-inverse-Wishart posterior of each of K classes. Murphy (2012), eqs. 4.209 to 4.214."""

    counts: Array  # (K,) items
    means: Array  # (K, D)
    kappa: Array  # (K,)
    nu: Array  # (S,)
    chol_scatters: Array  # (S, D, D) lower triangular; (K, D) where diagonal

    @property
    def scale(self) -> Array:
        """What the scatters are divided by for the mean of the covariance, (S,). Murphy (2012), eq. 4.215."""
        return self.nu - 2 if self.chol_scatters.ndim == 2 else self.nu - self.means.shape[1] - 1


class Own(NamedTuple):
    """What items contribute to the posterior whose means are the parameters, so that it can be left out."""

    posterior: Niw
    shares: Array  # (N, K) of an item in each class; 0 where it has no point


class Prior(NamedTuple):
    """Prior parameters that follow from the data."""

    centre: Array  # (D,) m0
    scatter: Array  # (D,) diagonal of S0


class Data(NamedTuple):
    """Points prepared for sweeps."""

    prior: Prior
    centred: Array  # (N, D) less m0; 0 where missing, unless it is filled
    weight: Array  # (N,)


def data_prior(parents: Sequence[Message], prior_scale: float) -> Prior:
    """m0 and S0 for the data; a feature that does not vary gets the largest variance of the others, or 1."""
    points = [of_kind(message, Points) for message in parents]
    moments = [winsorized_moments(message.values, message.weight) for message in points]
    centre, variances = (jnp.concatenate(parts) for parts in zip(*moments, strict=True))
    largest = variances.max()
    floor = jnp.where(largest > 0, largest, 1.0)
    return Prior(centre, prior_scale * jnp.where(variances > 0, variances, floor))


def niw_posterior(data: Data, labels: Array, num_classes: int, covariance: Covariance) -> Niw:
    """Posterior of every class's mean and covariance given the labels (N,)."""

    def products() -> Array:
        sums: Array = by_block(
            lambda rows, labels: ((), class_products(rows, labels, num_classes)), (data.centred, labels)
        )[1]
        return sums

    return _posterior(data, jax.nn.one_hot(labels, num_classes, axis=0), products, covariance)


def expected_posterior(data: Data, responsibilities: Array, covariance: Covariance) -> Niw:
    """The same where an item belongs to classes in shares: responsibilities are (K, N), sums over K are 1."""

    def products() -> Array:
        # Class by class: rows weighted for all classes would fill N x K x D.
        def of_classes(rows: Array, responsibilities: Array) -> tuple[tuple[()], Array]:
            return (), jax.lax.map(lambda shares: (shares[:, None] * rows).T @ rows, responsibilities)

        sums: Array = by_block(of_classes, (data.centred,), columns=(responsibilities,))[1]
        return sums

    return _posterior(data, responsibilities, products, covariance)


def _posterior(data: Data, shares: Array, products: Callable[[], Array], covariance: Covariance) -> Niw:
    """Posterior given the shares (K, N) of items in classes, and their sums (K, D, D) of products where needed."""
    centre, prior_scatter = data.prior
    num_features = centre.shape[0]
    members = shares * data.weight[None, :]
    counts = members.sum(-1)
    kappa = PRIOR_KAPPA + counts
    shifts = (members @ data.centred) / kappa[:, None]  # (K, D), from the centre
    means = centre[None, :] + shifts
    if covariance == "diagonal":
        squares = members @ jnp.square(data.centred)  # (K, D)
        scatters = squares - kappa[:, None] * jnp.square(shifts) + prior_scatter[None, :]
        error = rounding_error(counts, squares)
        return Niw(counts, means, kappa, 3 + counts, jnp.sqrt(jnp.where(scatters > error, scatters, scatters + error)))
    if covariance == "tied":
        moments = (data.centred.T @ data.centred)[None]
        between = ((kappa[:, None] * shifts).T @ shifts)[None]
        sizes = counts.sum()[None]
    else:
        moments = products()
        between = kappa[:, None, None] * shifts[:, :, None] * shifts[:, None, :]
        sizes = counts
    scatters = moments - between + jnp.diag(prior_scatter)[None]
    chol = floored_cholesky(scatters, rounding_error(sizes, diagonal(moments)))
    return Niw(counts, means, kappa, num_features + 2 + sizes, chol)


def draw_params(key: Array, posterior: Niw) -> GmmParams:
    """Draw parameters from Dirichlet and NIW, by Bartlett's decomposition of the Wishart precision.

    Source: Murphy (2012), eq. 4.210; Smith and Hocking (1972), algorithm AS 53.
    """
    gamma_key, factor_key, noise_key = jax.random.split(key, 3)
    num_classes, num_features = posterior.means.shape
    is_diagonal = posterior.chol_scatters.ndim == 2
    # Sigma^-1 = L^-T B B' L^-1 with B triangular: squares of its diagonal are chi-square, the rest normal.
    # B is drawn upper triangular, so that A = B' L^-1 is lower triangular.
    lost = jnp.zeros(num_features) if is_diagonal else num_features - 1 - jnp.arange(num_features)
    freedom = posterior.nu[:, None] - lost[None, :]  # (S, D)
    shares = PRIOR_CLASS_COUNT + posterior.counts
    gammas = draw_gamma(gamma_key, jnp.concatenate([shares, freedom.reshape(-1) / 2]))
    log_weights = jnp.log(gammas[:num_classes]) - jnp.log(gammas[:num_classes].sum())
    scales = jnp.sqrt(2 * gammas[num_classes:]).reshape(freedom.shape)
    noise = jax.random.normal(noise_key, posterior.means.shape) / jnp.sqrt(posterior.kappa)[:, None]
    if is_diagonal:
        whiteners = scales / posterior.chol_scatters
        return GmmParams(log_weights, posterior.means + noise / whiteners, whiteners, jnp.log(whiteners).sum(-1))
    # Class by class: XLA on a CPU takes four times as long for all at once.
    draw = partial(jax.random.normal, shape=(num_features, num_features))
    normals = jax.lax.map(draw, jax.random.split(factor_key, len(freedom)))
    factors = jnp.tril(normals, -1) + scales[:, :, None] * jnp.eye(num_features)[None]
    whiteners = divided(factors, posterior.chol_scatters)
    sides = noise.reshape(len(whiteners), -1, num_features).mT  # (S, D, classes of each covariance)
    shifts = solve_triangular(whiteners, sides, lower=True).mT.reshape(noise.shape)
    return GmmParams(log_weights, posterior.means + shifts, whiteners, jnp.log(diagonal(whiteners)).sum(-1))


def mean_params(posterior: Niw) -> GmmParams:
    """Posterior means of weights, means and covariances. Murphy (2012), eq. 4.215."""
    shares = PRIOR_CLASS_COUNT + posterior.counts
    log_weights = jnp.log(shares / shares.sum())
    if posterior.chol_scatters.ndim == 2:
        whiteners = jnp.sqrt(posterior.scale)[:, None] / posterior.chol_scatters
        return GmmParams(log_weights, posterior.means, whiteners, jnp.log(whiteners).sum(-1))
    num_features = posterior.means.shape[1]
    whiteners = divided(jnp.sqrt(posterior.scale)[:, None, None] * jnp.eye(num_features)[None], posterior.chol_scatters)
    return GmmParams(log_weights, posterior.means, whiteners, jnp.log(diagonal(whiteners)).sum(-1))


def log_weights(params: GmmParams, own: Own | None = None) -> Array:
    """log pi_k, (1, K) nats; with `own`, log P(z_t = k | labels of the other items), (N, K)."""
    if own is None:
        return params.log_weights[None]
    counts = PRIOR_CLASS_COUNT + own.posterior.counts
    return jnp.log(counts[None] - own.shares) - jnp.log(counts.sum() - own.shares.sum(-1))[:, None]


def log_density(params: GmmParams, values: Array, own: Own | None = None) -> Array:
    """log N(x_t; mu_k, Sigma_k), (N, K) nats, of points (N, D); with `own`, `log_predictive`."""
    means, whiteners = params.means, params.whiteners
    num_classes, num_features = means.shape
    if whiteners.ndim == 2:
        squares = jnp.square((values[:, None, :] - means[None]) * whiteners[None])
        if own is None:
            return density_at(squares.sum(-1), params.log_dets, num_features, None)
        return log_predictive(squares, jnp.log(whiteners), 1, own).sum(-1)
    if len(whiteners) == 1:
        squares = jnp.square((values @ whiteners[0].T)[:, None, :] - (means @ whiteners[0].T)[None]).sum(-1)
        return density_at(squares, params.log_dets, num_features, own)
    squares = jnp.zeros((len(values), num_classes))
    for first, last in panels(num_features):
        rows = whiteners[:, first:last, :last]  # zero from `last` on
        offsets = (rows @ means[:, :last, None]).reshape(-1)
        whitened = values[:, :last] @ rows.reshape(-1, last).T - offsets[None, :]
        squares += jnp.square(whitened.reshape(-1, num_classes, last - first)).sum(-1)
    return density_at(squares, params.log_dets, num_features, own)


def density_at(squares: Array, log_dets: Array, num_columns: int | Array, own: Own | None) -> Array:
    """Log density, nats, from the squared Mahalanobis distances of points: normal, or with `own` predictive.

    Args:
        squares: (N, K), or (N, K, D) column by column of diagonal covariances.
        log_dets: log |A| of the whiteners; broadcasts to `squares` without the first axis.
        num_columns: of a point, 1 where it is column by column.
        own: what the items contribute to the posterior whose means are the parameters.
    """
    if own is None:
        return log_dets[None] - 0.5 * squares - 0.5 * num_columns * jnp.log(2 * jnp.pi)
    return log_predictive(squares, log_dets, num_columns, own)


def log_predictive(squares: Array, log_dets: Array, num_columns: int | Array, own: Own) -> Array:
    """log p(x_t | z_t = k, the other items and their labels), a Student t distribution, as in collapsed Gibbs sampling.

    An item of share r at a distance d from the mean adds r kappa / (kappa - r) d d' to the scatter S, and without it
    the mean is at kappa / (kappa - r) d. Determinant and inverse of S less such a product follow from d' S^-1 d.
    Of a tied covariance the item is left out for its own class alone.

    Args: as in `density_at`.

    Source: Murphy (2012), eq. 4.222 and section 24.2.4; Hager (1989), doi:10.1137/1031049, eqs. 2 and 24.
    """
    kappa, scale, shares, half_columns = own.posterior.kappa, own.posterior.scale, own.shares, 0.5 * num_columns
    if squares.ndim == 3:
        kappa, scale, shares = kappa[:, None], scale[:, None], shares[:, :, None]
    left, added = kappa[None] - shares, squares / scale[None]  # kappa without the item; d' S^-1 d
    kept = jnp.maximum(1 - shares * kappa[None] / left * added, SMALLEST_KEPT)  # |S without the item| / |S|
    log_det = 0.5 * jnp.log(kept) + half_columns * jnp.log(scale)[None] - log_dets[None]  # log |S without it| / 2
    spread = left / (left + 1)  # of the mean, beside that of the point
    distances = spread * jnp.square(kappa[None] / left) * added / kept
    half_freedom = 0.5 * (scale[None] - shares) + 1
    constant = gammaln(half_freedom + half_columns) - gammaln(half_freedom) - half_columns * jnp.log(jnp.pi / spread)
    return constant - log_det - (half_freedom + half_columns) * jnp.log1p(distances)


def draw_points(key: Array, params: GmmParams, classes: Array) -> Array:
    """Draw a point (N, D) from the component of each class of (N,)."""
    noise = jax.random.normal(key, (len(classes), params.means.shape[1]))
    if params.whiteners.ndim == 2:
        return params.means[classes] + noise / params.whiteners[classes]
    whiteners = jnp.broadcast_to(params.whiteners, (len(params.means), *params.whiteners.shape[1:]))

    def draw(number: Array, points: Array) -> Array:
        # Class by class: a matrix for each item would fill N x D x D.
        drawn = params.means[number][None, :] + solve_triangular(whiteners[number], noise.T, lower=True).T
        return jnp.where((classes == number)[:, None], drawn, points)

    points: Array = jax.lax.fori_loop(0, len(params.means), draw, noise)
    return points
