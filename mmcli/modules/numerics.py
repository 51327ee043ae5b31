"""Numerical functions that several modules share."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import digamma, gammaln

from mmcli.modules.blocks import in_turn, row_of

TINY = 1e-30  # keeps log 0 and 0 / 0 out
OUTERMOST = 0.01  # of a column's values, at each end


def draw_gamma(key: Array, shape: Array) -> Array:
    """Draw exact Gamma(shape, 1) variates by rejection, independent, for `shape` (...) of at least 1.

    jax.random.gamma draws one element after the other and takes seconds to compile; this tries all at once.

    Source: Marsaglia and Tsang (2000), doi:10.1145/358407.358414.
    """
    offset = shape - 1 / 3
    slope = 1 / jnp.sqrt(9 * offset)

    def attempt(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        tries, draws = carry
        normal_key, uniform_key = jax.random.split(jax.random.fold_in(key, tries))
        normal = jax.random.normal(normal_key, shape.shape)
        cube = jnp.maximum(1 + slope * normal, 0) ** 3
        # A cube of 0 has logarithm -inf and is never accepted.
        log_ratio = 0.5 * normal**2 + offset * (1 - cube + jnp.log(cube))
        accepted = jnp.log(jax.random.uniform(uniform_key, shape.shape)) < log_ratio
        return tries + 1, jnp.where(accepted & (draws == 0), offset * cube, draws)

    # 0 stands for not drawn yet: a draw that comes out as 0 is tried again.
    start = (jnp.int32(0), jnp.zeros(shape.shape))
    return jax.lax.while_loop(lambda carry: (carry[1] == 0).any(), attempt, start)[1]


def draw_categorical(key: Array, log_weights: Array) -> Array:
    """Draw a column (N,) int32 for each row of (N, K), in proportion to exp(log_weights).

    One uniform number an item: jax.random.categorical takes two logarithms a column.
    """
    num_columns = log_weights.shape[1]
    weights = jnp.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    below = weights @ jnp.triu(jnp.ones((num_columns, num_columns)))  # (N, K) cumulative
    draws = jax.random.uniform(key, (len(weights), 1)) * below[:, -1:]
    return jnp.minimum((below <= draws).sum(-1), num_columns - 1).astype(jnp.int32)


def expected_log(concentrations: Array) -> Array:
    """E[log p] under Dirichlet rows, same shape. Blei, Ng and Jordan (2003), JMLR 3, appendix A.1."""
    return digamma(concentrations) - digamma(concentrations.sum(-1, keepdims=True))


def dirichlet_kl(concentrations: Array, prior: Array) -> Array:
    """KL(Dirichlet(concentrations) || Dirichlet(prior)) of each row, (...,) nats, of two (..., K)."""
    total, prior_total = concentrations.sum(-1), prior.sum(-1)
    log_norm = gammaln(total) - gammaln(concentrations).sum(-1) - gammaln(prior_total) + gammaln(prior).sum(-1)
    return log_norm + ((concentrations - prior) * expected_log(concentrations)).sum(-1)


def winsorized_moments(rows: Array, weight: Array) -> tuple[Array, Array]:
    """Mean and variance (D,) of each column of (N, D), the outermost values at each end pulled in to the rest.

    So one value, however far off, moves neither. A column left with a single value by that has its plain
    variance.

    Args:
        rows: (N, D).
        weight: (N,) 1, or 0 for rows that do not count.

    Source: Tukey (1962), doi:10.1214/aoms/1177704711, section 14.
    """
    counts, last = weight[:, None] > 0, jnp.maximum(weight.sum().astype(int) - 1, 0)
    ordered = jnp.sort(jnp.where(counts, rows, jnp.inf), axis=0)
    outer = jnp.ceil(OUTERMOST * last).astype(int)  # values pulled in at each end, of one or two none
    low, high = jnp.minimum(outer, last - outer), jnp.maximum(outer, last - outer)

    def moments(first: Array, last: Array) -> tuple[Array, Array]:
        values = jnp.clip(rows, first[None, :], last[None, :])
        mean = jnp.where(counts, values, 0).sum(0) / jnp.maximum(weight.sum(), 1)
        squares = jnp.where(counts, jnp.square(values - mean[None, :]), 0)
        # Rounding of the mean is no variance.
        return mean, jnp.where(first < last, squares.sum(0) / jnp.maximum(weight.sum(), 1), 0)

    (mean, variance), (_, plain) = moments(ordered[low], ordered[high]), moments(ordered[0], ordered[last])
    return mean, jnp.where(variance > 0, variance, plain)


@jax.custom_vjp
def bernoulli_nll(logits: Array, x: Array) -> Array:
    """-log Bernoulli(x; sigmoid(logits)), (N,) nats, of two (N, X) with x in [0, 1]."""
    return _bernoulli_nll_forward(logits, x)[0]


def _bernoulli_nll_forward(logits: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    # Loss and gradient share one exponential: half of what automatic differentiation computes here.
    shrunk = jnp.exp(-jnp.abs(logits))
    nll = jnp.maximum(logits, 0) - logits * x + jnp.log1p(shrunk)
    residual = jnp.where(logits >= 0, 1, shrunk) / (1 + shrunk) - x
    return nll.sum(-1), (logits, residual)


def _bernoulli_nll_backward(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    logits, residual = saved
    return cotangent[:, None] * residual, -cotangent[:, None] * logits


bernoulli_nll.defvjp(_bernoulli_nll_forward, _bernoulli_nll_backward)


def kmeans(
    key: Array, rows: Array, weight: Array, num_clusters: int, *, starts: int = 4, iterations: int = 15
) -> Array:
    """Cluster (N,) int32 of each of N rows (N, D): the tightest of several runs started by k-means++.

    Weights (N,) are 1, or 0 for rows that move no centre.

    Source: Arthur and Vassilvitskii (2007); Lloyd (1982), doi:10.1109/TIT.1982.1056489.
    """
    squares = jnp.square(rows).sum(-1)

    def squared_distances(rows: Array, squares: Array, centres: Array) -> Array:
        return squares[:, None] - 2 * rows @ centres.T + jnp.square(centres).sum(-1)[None, :]  # (N, K)

    def run(key: Array) -> tuple[Array, Array]:
        def choose(index: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            centres, nearest = carry
            # Before the first centre every row is equally likely; so too when all rows are centres already.
            log_weights = jnp.where((weight * nearest).max() > 0, jnp.log(nearest), 0.0) + jnp.log(weight)
            row = row_of(rows, jax.random.categorical(jax.random.fold_in(key, index), log_weights))
            distance = jnp.square(rows - row[None, :]).sum(-1)
            return centres.at[index].set(row), jnp.where(index == 0, distance, jnp.minimum(nearest, distance))

        def refine(_: Array, centres: Array) -> Array:
            def of_rows(rows: Array, squares: Array, weight: Array) -> tuple[tuple[()], tuple[Array, Array]]:
                nearest = squared_distances(rows, squares, centres).argmin(-1)
                members = weight[None, :] * jax.nn.one_hot(nearest, num_clusters, axis=0)  # (K, N)
                return (), (members.sum(-1)[:, None], members @ rows)

            counts, sums = in_turn(of_rows, (rows, squares, weight))[1]
            return jnp.where(counts > 0, sums / jnp.maximum(counts, 1), centres)

        centres = jnp.zeros((num_clusters, rows.shape[1]))
        centres, _ = jax.lax.fori_loop(0, num_clusters, choose, (centres, jnp.zeros_like(squares)))
        centres = jax.lax.fori_loop(0, iterations, refine, centres)

        def nearest(rows: Array, squares: Array) -> tuple[tuple[Array, Array], tuple[()]]:
            distances = squared_distances(rows, squares, centres)
            return (distances.min(-1), distances.argmin(-1).astype(jnp.int32)), ()

        (distances, clusters), _ = in_turn(nearest, (rows, squares))
        return (weight * distances).sum(), clusters

    spreads, clusters = jax.lax.map(run, jax.random.split(key, starts))
    tightest: Array = clusters[spreads.argmin()]
    return tightest


def mutual_information(tables: Array) -> Array:
    """Mutual information of rows and columns, (...,) nats, of weights (..., J, K)."""
    shares = tables / jnp.maximum(tables.sum((-1, -2), keepdims=True), TINY)
    independent = shares.sum(-1, keepdims=True) * shares.sum(-2, keepdims=True)
    information: Array = (shares * (jnp.log(shares + TINY) - jnp.log(independent + TINY))).sum((-1, -2))
    return information
