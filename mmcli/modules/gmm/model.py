"""Gaussian mixture under a normal-inverse-Wishart prior, by blocked Gibbs sampling.

pi ~ Dirichlet(1, ..., 1), (mu_k, Sigma_k) ~ NIW(m0, kappa0, nu0, S0), x_t ~ N(mu_z, Sigma_z), and
p(z_t = k) proportional to pi_k b_tk^g with b the child's message and g its weight. m0 is the mean of the
data, kappa0 = 1, nu0 = D + 2, S0 = prior_scale diag(variances of the data), so that neither scale nor offset
decides; mean and variances are winsorized, so that an outlier does not decide either. Where features depend
on each other so closely that S0 is lost in the rounding of the scatter, what the rounding may be is added to it.

An update runs several chains and keeps the one under which points and message explain each other best.
Some chains go on from the last labels. The others ask whether the child tells apart what one class here
holds together: they start from the clusters of the message's rows, and number their classes by them.

N items, D features, K classes, C chains, I sweeps.

Source: Murphy (2012), Machine Learning: A Probabilistic Perspective, sections 4.6.3 and 24.2.3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.messages import Categorical, Points, normalized
from mmcli.modules.numerics import draw_gamma, kmeans, winsorized_moments
from mmcli.modules.registry import GmmOptions, Port, Rule

PRIOR_KAPPA = 1.0
PRIOR_CLASS_COUNT = 1.0
# Message rows are told apart by their logarithms, below this all the same.
LOWEST_LOG_PROB = -8.0
# Probability that a row of the message was put into the right cluster.
CLUSTER_TRUST = 0.9


class GmmParams(NamedTuple):
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
    """What the prior takes from the data."""

    centre: Array  # (D,) m0
    scatter: Array  # (D,) diagonal of S0


class Data(NamedTuple):
    """Points prepared once for all sweeps."""

    prior: Prior
    centred: Array  # (N, D)
    products: Array  # (N, D D) of each pair of features
    weight: Array  # (N,)


class GmmState(NamedTuple):
    labels: Array  # (N,) int32; the next update goes on from them
    params: GmmParams
    trained: Array  # () bool, False before the first update


class GmmWork(NamedTuple):
    key: Array
    sweep: Array  # () int32, sweeps done
    prior: Prior
    labels: Array  # (C, N) int32
    messages: Array  # (C, N, K) the child's message as each chain numbers its classes
    trace: Array  # (I, C)


def data_prior(points: Points, prior_scale: float) -> Prior:
    """m0 and S0 for the data; a feature that does not vary gets the largest variance of the others, or 1."""
    centre, variances = winsorized_moments(points.values, points.weight)
    largest = variances.max()
    floor = jnp.where(largest > 0, largest, 1.0)
    return Prior(centre, prior_scale * jnp.where(variances > 0, variances, floor))


def prepare(points: Points, prior: Prior) -> Data:
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
    return jnp.diagonal(matrices, axis1=-2, axis2=-1)


def floored_cholesky(scatters: Array, floors: Array) -> Array:
    """Cholesky factors of (K, D, D); where features depend on each other to below `floors` (K, D), that is added.

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
    """A draw from Dirichlet and NIW, by Bartlett's decomposition of the Wishart precision.

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


def gibbs_sweep(key: Array, labels: Array, points: Points, data: Data, log_prior: Array) -> tuple[Array, Array]:
    """Parameters given labels, then all labels given parameters.

    Args:
        key: randomness of this sweep.
        labels: (N,) int32.
        points: the data.
        data: of `prepare`.
        log_prior: (N, K) nats, what else is known of each label; g log b here.

    Returns:
        (N,) int32 labels; () nats, log-likelihood of the points under the parameters drawn.
    """
    params_key, labels_key = jax.random.split(key)
    params = draw_params(params_key, niw_posterior(data, labels, log_prior.shape[1]))
    scores = log_joint(params, points)
    labels = jax.random.categorical(labels_key, scores + log_prior)
    return labels.astype(jnp.int32), logsumexp(scores, axis=-1).sum()


def tells(message: Array) -> Array:
    """Which rows of (N, K) log probabilities say anything, (N,) of 0 and 1; a neutral row says nothing."""
    return (jnp.ptp(message, axis=-1) > 0).astype(float)


def shared_evidence(scores: Array, message: Array, known: Array, message_weight: float) -> Array:
    """log p(points) + g log [p(points | message) / p(points)], () nats.

    The second term is the information that points and message share, item by item, with the classes as
    the channel; it is 0 when the message says the same of every item it tells of. Where only some items have
    both, they stand for all points. The likelihood alone would
    prefer one broad class for what the other senses tell apart.

    Args:
        scores: (N, K) log pi_k N(x_t; k).
        message: (N, K) log probabilities.
        known: (N,) 1 where the point is known, else 0.
        message_weight: g.
    """
    told = tells(message)
    class_shares = logsumexp(message, axis=0, b=told[:, None]) - jnp.log(jnp.maximum(told.sum(), 1))
    # Of nobody told anything, the shares are -inf.
    class_shares = jnp.where(told.sum() > 0, class_shares, 0)
    shared = logsumexp(jax.nn.log_softmax(scores, axis=-1) + message - class_shares[None, :], axis=-1)
    both = told * known
    information = (both * shared).sum() * (known.sum() / jnp.maximum(both.sum(), 1))
    return logsumexp(scores, axis=-1).sum() + message_weight * information


def build(options: GmmOptions, ports: tuple[Port, ...], rule: Rule) -> Module:
    """The module for points of `ports[0].width` features.

    `Info.trace` is the log-likelihood of the points at each sweep of the chain that was kept, nats;
    `Info.bound` its `shared_evidence`. Both rules send the same: the message to the child leaves out the
    child's, and the message to the parent is the mean of each item's class, the parent's points included.
    """
    num_classes, weight = options.num_classes, options.message_weight

    def init(key: Array, inputs: Inputs) -> GmmState:
        (points,), (num_items, num_features) = inputs.parents, inputs.parents[0].values.shape
        known = jnp.maximum(points.weight.sum(), 1)
        whiteners = jnp.broadcast_to(jnp.eye(num_features), (num_classes, num_features, num_features))
        means = jnp.broadcast_to((points.weight @ points.values) / known, (num_classes, num_features))
        zeros = jnp.zeros(num_classes)
        params = GmmParams(zeros - jnp.log(num_classes), means, whiteners, zeros)
        return GmmState(jnp.zeros(num_items, jnp.int32), params, jnp.array(False))

    def begin(key: Array, state: GmmState, inputs: Inputs) -> GmmWork:
        (points,), message = inputs.parents, inputs.child.log_probs
        informed = jnp.ptp(message, axis=0).max() > 0

        def propose(key: Array) -> tuple[Array, Array]:
            told = tells(message)
            clusters = kmeans(key, jnp.maximum(message, LOWEST_LOG_PROB), told, num_classes)
            trust = CLUSTER_TRUST * told[:, None] * jax.nn.one_hot(clusters, num_classes)
            trust += (1 - CLUSTER_TRUST * told[:, None]) / num_classes
            # The untold have no cluster; the first sweep finds them a class.
            anywhere = jax.random.randint(jax.random.fold_in(key, 0), clusters.shape, 0, num_classes)
            return jnp.where(told > 0, clusters, anywhere), jnp.log(trust)

        def start(arguments: tuple[Array, Array]) -> tuple[Array, Array]:
            chain, key = arguments
            goes_on = state.trained & ((chain == 0) | (informed & (chain % 2 == 0)))
            return jax.lax.switch(
                jnp.where(goes_on, 0, jnp.where(informed, 1, 2)),
                [
                    lambda: (state.labels, message),
                    lambda: propose(key),
                    # One start each: chains that begin alike end alike.
                    lambda: (kmeans(key, points.values, points.weight, num_classes, starts=1), message),
                ],
            )

        starts_key, sweeps_key = jax.random.split(key)
        chains = jnp.arange(options.chains)
        labels, messages = jax.lax.map(start, (chains, jax.random.split(starts_key, options.chains)))
        trace = jnp.zeros((options.sweeps, options.chains))
        return GmmWork(sweeps_key, jnp.int32(0), data_prior(points, options.prior_scale), labels, messages, trace)

    def advance(work: GmmWork, inputs: Inputs, until: Array) -> GmmWork:
        (points,) = inputs.parents
        data = prepare(points, work.prior)

        def sweep(index: Array, work: GmmWork) -> GmmWork:
            def sweep_chain(chain: tuple[Array, Array, Array]) -> tuple[Array, Array]:
                key, labels, message = chain
                return gibbs_sweep(key, labels, points, data, weight * message)

            keys = jax.random.split(jax.random.fold_in(work.key, index), options.chains)
            # One chain after the other: side by side they compile twice as long and run no faster.
            labels, evidence = jax.lax.map(sweep_chain, (keys, work.labels, work.messages))
            return work._replace(sweep=index + 1, labels=labels, trace=work.trace.at[index].set(evidence))

        return jax.lax.fori_loop(work.sweep, jnp.minimum(until, options.sweeps), sweep, work)

    def end(work: GmmWork, inputs: Inputs) -> tuple[GmmState, Outputs, Info]:
        (points,) = inputs.parents
        data = prepare(points, work.prior)

        def judge(chain: tuple[Array, Array]) -> tuple[Array, GmmParams, Array]:
            labels, message = chain
            params = mean_params(niw_posterior(data, labels, num_classes))
            scores = log_joint(params, points)
            return (
                shared_evidence(scores, message, points.weight, weight),
                params,
                (scores + weight * message).argmax(-1),
            )

        evidence, params, classes = jax.lax.map(judge, (work.labels, work.messages))
        best = evidence.argmax()
        kept = jax.tree.map(lambda leaf: leaf[best], params)
        heard = inputs._replace(child=Categorical(work.messages[best]))
        state = GmmState(classes[best].astype(jnp.int32), kept, jnp.array(True))
        return state, infer(state, heard), Info(evidence[best], work.trace[:, best])

    def infer(state: GmmState, inputs: Inputs) -> Outputs:
        (points,) = inputs.parents
        scores = log_joint(state.params, points)
        classes = (scores + weight * inputs.child.log_probs).argmax(-1)
        # An unknown point says nothing of its class, not even how common classes are.
        forward = normalized(scores * points.weight[:, None])
        class_means = Points(state.params.means[classes], jnp.ones_like(points.weight))
        return Outputs(forward, (class_means,), {"class": classes, "Pdz": jnp.exp(forward.log_probs)})

    def sample(key: Array, state: GmmState, inputs: Inputs) -> tuple[Points]:
        (points,), params = inputs.parents, state.params
        class_key, point_key = jax.random.split(key)
        scores = log_joint(params, points) + weight * inputs.child.log_probs
        classes = jax.random.categorical(class_key, scores)  # (N,)
        noise = jax.random.normal(point_key, points.values.shape)
        shifts = solve_triangular(params.whiteners[classes], noise[:, :, None], lower=True)[:, :, 0]
        return (Points(params.means[classes] + shifts, jnp.ones_like(points.weight)),)

    def report(state: GmmState, outputs: Outputs) -> dict[str, Array]:
        return {**outputs.items, "mu": state.params.means}

    return Module(init, begin, advance, end, infer, sample, report, options.sweeps)
