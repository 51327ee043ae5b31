"""Components and items that are known in part: likelihood of the known inputs, and draws of the missing ones.

Items that lack the same inputs share their marginal distributions, so work is done once for each set of inputs that
occurs, not for each item.

N items, M inputs, D columns, K classes, S covariances.

Source: Murphy (2012), Machine Learning: A Probabilistic Perspective, section 4.3.1.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular

from mmcli.modules.gaussians import GmmParams, Own, Prior, density_at, log_density, log_weights
from mmcli.modules.gmm.table import Table
from mmcli.modules.numerics import mutual_information
from mmcli.modules.scatters import diagonal


class Ordered(NamedTuple):
    """Components with the missing columns first.

    Sigma^-1 = R' R with R upper triangular: the rows of R from the first known column on are a whitener of the known
    columns, those before give the missing columns from the known.
    """

    order: Array  # (D,) columns
    is_known: Array  # (D,) bool, in that order
    means: Array  # (K, D)
    factors: Array  # (S, D, D) R


def log_joint(params: GmmParams, table: Table, own: Own | None = None) -> Array:
    """log pi_k N(x_t; mu_k, Sigma_k), (N, K) nats, of the columns of x_t that are known; log pi_k where none is.

    With `own`, log p(z_t = k, x_t | the other items and their labels).
    """
    weights = log_weights(params, own)
    if table.is_single:
        return weights + table.weight[:, None] * log_density(params, table.values, own)
    if params.whiteners.ndim == 2:
        return weights + _diagonal_log_density(params, table, own)
    unknown = jnp.broadcast_to(weights, (len(table.values), len(params.log_weights)))

    def add(is_known: Array, rows: Array, scores: Array) -> Array:
        density = jax.lax.cond(
            is_known.all(),
            lambda: log_density(params, table.values, own),
            lambda: _marginal_log_density(_ordered(params, is_known), table.values, own),
        )
        return jnp.where(rows[:, None], weights + density, scores)

    return _over_patterns(table, add, unknown)


def joint_and_shared(params: GmmParams, table: Table, own: Own | None) -> tuple[Array, Array]:
    """`log_joint` with `own` (N, K), and the information that inputs share about the class, () nats an item.

    It is the mutual information of the class by one input and the class by the others, over the items that both know,
    averaged over the inputs that have such items; 0 where there is none.
    """
    if table.is_single:
        return log_joint(params, table, own), jnp.float32(0)
    num_inputs = table.known.shape[1]
    alone = table.known[None] * jnp.eye(num_inputs)[:, None, :]  # (M, N, M)
    others = table.known[None] - alone
    # One after the other: LAPACK calls of a program that do not depend on each other may wait for each other's threads.
    scores = jax.lax.map(
        lambda known: log_joint(params, table._replace(known=known), own),
        jnp.concatenate([table.known[None], alone, others]),
    )
    both = alone.max(axis=2) * others.max(axis=2)  # (M, N)
    by_one, by_others = jnp.split(jax.nn.softmax(scores[1:], axis=-1), 2)
    informations = mutual_information((by_one * both[:, :, None]).transpose(0, 2, 1) @ by_others)
    counted = both.max(axis=1)  # (M,)
    return scores[0], (counted * informations).sum() / jnp.maximum(counted.sum(), 1)


def filled(key: Array, params: GmmParams, table: Table, labels: Array, prior: Prior) -> Array:
    """Points (N, D) less m0 with missing columns drawn, given the known ones and the labels (N,)."""
    values = jnp.where(table.column_known > 0, table.values, 0)
    noise = jax.random.normal(key, values.shape)
    if params.whiteners.ndim == 2:
        drawn = params.means[labels] + noise / params.whiteners[labels]
        return jnp.where(table.column_known > 0, values, drawn) - prior.centre[None, :]

    def fill(is_known: Array, rows: Array, points: Array) -> Array:
        def drawn() -> Array:
            return jnp.where(rows[:, None], _drawn(_ordered(params, is_known), values, noise, labels), points)

        completed: Array = jax.lax.cond(is_known.all(), lambda: points, drawn)
        return completed

    return _over_patterns(table, fill, values) - prior.centre[None, :]


def filled_by_means(table: Table, labels: Array, num_classes: int, prior: Prior) -> Array:
    """Points (N, D) less m0 with the means of the class's known values in place of missing ones."""
    known = table.column_known
    centred = known * (table.values - prior.centre[None, :])
    members = jax.nn.one_hot(labels, num_classes, axis=0)  # (K, N)
    means = (members @ centred) / jnp.maximum(members @ known, 1)
    whole: Array = jnp.where(known > 0, centred, means[labels])
    return whole


def _over_patterns(table: Table, work: Callable[[Array, Array, Array], Array], start: Array) -> Array:
    """Fold `work` over the sets of inputs that items have; items without any are left out.

    Args:
        table: the items.
        work: (is_known (D,) bool, rows (N,) bool that have exactly these columns, result so far) -> result.
        start: result before the first.
    """

    def one(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        left, result = carry
        pattern = table.known[left.argmax()]  # (M,)
        rows = left & (table.known == pattern[None, :]).all(-1)
        return left & ~rows, work(pattern[table.owners] > 0, rows, result)

    return jax.lax.while_loop(lambda carry: carry[0].any(), one, (table.weight > 0, start))[1]


def _ordered(params: GmmParams, is_known: Array) -> Ordered:
    order = jnp.argsort(is_known)
    factors = jnp.linalg.qr(params.whiteners[:, :, order], mode="r")
    return Ordered(order, is_known[order], params.means[:, order], factors)


def _marginal_log_density(ordered: Ordered, values: Array, own: Own | None) -> Array:
    """log N of the known columns, (N, K) nats."""
    is_known, factors = ordered.is_known, ordered.factors
    rows = jnp.where(is_known[None, :, None], factors, 0)
    # Missing columns meet zeros, but a number of theirs may be anything.
    known = jnp.where(is_known[None, :], values[:, ordered.order], 0)

    def distances(row_and_mean: tuple[Array, Array]) -> Array:
        row, mean = row_and_mean
        return jnp.square((known - jnp.where(is_known, mean, 0)[None, :]) @ row.T).sum(-1)

    every = jnp.broadcast_to(rows, (len(ordered.means), *rows.shape[1:]))
    squares = jax.lax.map(distances, (every, ordered.means)).T
    log_dets = jnp.where(is_known[None, :], jnp.log(jnp.abs(diagonal(factors))), 0).sum(-1)
    return density_at(squares, log_dets, is_known.sum(), own)


def _diagonal_log_density(params: GmmParams, table: Table, own: Own | None) -> Array:
    """log N of the known columns, (N, K) nats, of diagonal covariances."""
    known = table.column_known
    values = jnp.where(known > 0, table.values, 0)
    squares = jnp.square((values[:, None, :] - params.means[None]) * params.whiteners[None])
    density = density_at(squares, jnp.log(params.whiteners), 1, own)  # (N, K, D)
    return jnp.where(known[:, None, :] > 0, density, 0).sum(-1)


def _drawn(ordered: Ordered, values: Array, noise: Array, labels: Array) -> Array:
    """Values (N, D) with the missing columns drawn: R_u (x_u - mu_u) + R_uk (x_k - mu_k) is standard normal."""
    order, is_known, means, factors = ordered

    def draw(number: Array, points: Array) -> Array:
        mean, factor = means[number], factors[jnp.minimum(number, len(factors) - 1)]
        shifts = jnp.where(is_known[None, :], values[:, order] - mean[None, :], 0)
        sides = jnp.where(is_known[None, :], shifts, noise[:, order] - shifts @ factor.T)
        # Identity for known columns: they stay.
        system = jnp.where(is_known[:, None], jnp.eye(len(order)), jnp.where(is_known[None, :], 0, factor))
        drawn = mean[None, :] + solve_triangular(system, sides.T, lower=False).T
        return jnp.where((labels == number)[:, None], drawn, points)

    points = jax.lax.fori_loop(0, len(means), draw, jnp.zeros_like(values))
    return jnp.where(is_known[jnp.argsort(order)][None, :], values, points[:, jnp.argsort(order)])
