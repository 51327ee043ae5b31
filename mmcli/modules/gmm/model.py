"""Gaussian mixture under a normal-inverse-Wishart prior, by blocked Gibbs sampling.

pi ~ Dirichlet(1, ..., 1), (mu_k, Sigma_k) ~ NIW(m0, kappa0, nu0, S0), x_t ~ N(mu_z, Sigma_z), and
p(z_t = k) proportional to pi_k b_tk^g with b the child's message and g its weight. m0 is the mean of the
data, kappa0 = 1, nu0 = D + 2, S0 = prior_scale diag(variances of the data), so that neither scale nor offset
decides; mean and variances are winsorized, so that an outlier does not decide either. Where features depend
on each other so closely that S0 is lost in the rounding of the scatter, what the rounding may be is added to it.

An update runs several chains and keeps the one under which points and message explain each other best.
Some chains continue from the last labels. The others test whether the child separates items that one
class here joins: they start from the clusters of the message's rows, and number their classes by them.

N items, D features, K classes, C chains, I sweeps.

Source: Murphy (2012), Machine Learning: A Probabilistic Perspective, sections 4.6.3 and 24.2.3.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.gmm.components import (
    Data,
    GmmParams,
    Prior,
    data_prior,
    draw_params,
    log_joint,
    mean_params,
    niw_posterior,
    prepare,
)
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.messages import Categorical, Points, normalized, of_kind
from mmcli.modules.numerics import kmeans
from mmcli.modules.spec import Port, Rule

# Message rows differ by their logarithms, below this all the same.
LOWEST_LOG_PROB = -8.0
# Probability that a row of the message was put into the right cluster.
CLUSTER_TRUST = 0.9


class GmmState(NamedTuple):
    """Labels and parameters, kept from round to round."""

    labels: Array  # (N,) int32; where the next update starts
    params: GmmParams
    trained: Array  # () bool, False before the first update


class GmmWork(NamedTuple):
    """An update under way. Of the points it keeps the prior alone; `Data`, D times as large, is computed again."""

    key: Array
    sweep: Array  # () int32, sweeps done
    prior: Prior
    labels: Array  # (C, N) int32
    messages: Array  # (C, N, K) the child's message as each chain numbers its classes
    trace: Array  # (I, C)


def gibbs_sweep(key: Array, labels: Array, points: Points, data: Data, log_prior: Array) -> tuple[Array, Array]:
    """Draw parameters given labels, then all labels given parameters.

    Args:
        key: randomness of this sweep.
        labels: (N,) int32.
        points: the data.
        data: of `prepare`.
        log_prior: (N, K) nats, further evidence on each label; g log b here.

    Returns:
        (N,) int32 labels; () nats, log-likelihood of the points under the parameters drawn.
    """
    params_key, labels_key = jax.random.split(key)
    params = draw_params(params_key, niw_posterior(data, labels, log_prior.shape[1]))
    scores = log_joint(params, points)
    labels = jax.random.categorical(labels_key, scores + log_prior)
    return labels.astype(jnp.int32), logsumexp(scores, axis=-1).sum()


def shared_evidence(scores: Array, message: Categorical, known: Array, message_weight: float) -> Array:
    """log p(points) + g log [p(points | message) / p(points)], () nats.

    The second term is the information that points and message share, item by item, with the classes as
    the channel; it is 0 when the message is the same for every item. Where only some items have
    both, they stand for all points. The likelihood alone would prefer one broad class for classes that
    the other senses distinguish.

    Args:
        scores: (N, K) log pi_k N(x_t; k).
        message: about the N items and K classes.
        known: (N,) 1 where the point is known, else 0.
        message_weight: g.
    """
    weight, log_probs = message.weight, message.log_probs
    class_shares = logsumexp(log_probs, axis=0, b=weight[:, None]) - jnp.log(jnp.maximum(weight.sum(), 1))
    # Without any row the shares are -inf.
    class_shares = jnp.where(weight.sum() > 0, class_shares, 0)
    shared = logsumexp(jax.nn.log_softmax(scores, axis=-1) + log_probs - class_shares[None, :], axis=-1)
    both = weight * known
    information = (both * shared).sum() * (known.sum() / jnp.maximum(both.sum(), 1))
    return logsumexp(scores, axis=-1).sum() + message_weight * information


def init(options: GmmOptions, _key: Array, inputs: Inputs) -> GmmState:
    """Create the state before the first update: equal weights, every mean at the mean of the points."""
    points = of_kind(inputs.parents[0], Points)
    (num_items, num_features), num_classes = points.values.shape, options.num_classes
    known = jnp.maximum(points.weight.sum(), 1)
    whiteners = jnp.broadcast_to(jnp.eye(num_features), (num_classes, num_features, num_features))
    means = jnp.broadcast_to((points.weight @ points.values) / known, (num_classes, num_features))
    zeros = jnp.zeros(num_classes)
    params = GmmParams(zeros - jnp.log(num_classes), means, whiteners, zeros)
    return GmmState(jnp.zeros(num_items, jnp.int32), params, jnp.array(False))


def propose(key: Array, message: Categorical) -> tuple[Array, Array]:
    """Labels (N,) from the clusters of the message's rows, and the message (N, K) in their numbers."""
    weight, num_classes = message.weight, message.log_probs.shape[1]
    clusters = kmeans(key, jnp.maximum(message.log_probs, LOWEST_LOG_PROB), weight, num_classes)
    trust = CLUSTER_TRUST * weight[:, None] * jax.nn.one_hot(clusters, num_classes)
    trust += (1 - CLUSTER_TRUST * weight[:, None]) / num_classes
    # A missing row has no cluster; the first sweep finds it a class.
    anywhere = jax.random.randint(jax.random.fold_in(key, 0), clusters.shape, 0, num_classes)
    return jnp.where(weight > 0, clusters, anywhere), jnp.log(trust)


def begin(options: GmmOptions, key: Array, state: GmmState, inputs: Inputs) -> GmmWork:
    """Start C chains, labels (C, N): from the last labels, from the child's message, or from k-means."""
    points, message = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Categorical)
    informed = message.weight.max() > 0

    def start(arguments: tuple[Array, Array]) -> tuple[Array, Array]:
        chain, key = arguments
        continues = state.trained & ((chain == 0) | (informed & (chain % 2 == 0)))
        # One start each for k-means: chains that begin alike end alike.
        clusters = partial(kmeans, key, points.values, points.weight, options.num_classes, starts=1)
        started: tuple[Array, Array] = jax.lax.switch(
            jnp.where(continues, 0, jnp.where(informed, 1, 2)),
            [
                lambda: (state.labels, message.log_probs),
                lambda: propose(key, message),
                lambda: (clusters(), message.log_probs),
            ],
        )
        return started

    starts_key, sweeps_key = jax.random.split(key)
    chains = jnp.arange(options.chains)
    labels, messages = jax.lax.map(start, (chains, jax.random.split(starts_key, options.chains)))
    trace = jnp.zeros((options.sweeps, options.chains))
    return GmmWork(sweeps_key, jnp.int32(0), data_prior(points, options.prior_scale), labels, messages, trace)


def advance(options: GmmOptions, work: GmmWork, inputs: Inputs, until: Array) -> GmmWork:
    """Run the Gibbs sweeps of every chain up to `until`, () int32 sweeps of the update."""
    points = of_kind(inputs.parents[0], Points)
    data = prepare(points, work.prior)

    def sweep_chain(chain: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        key, labels, message = chain
        return gibbs_sweep(key, labels, points, data, options.message_weight * message)

    def sweep(index: Array, work: GmmWork) -> GmmWork:
        keys = jax.random.split(jax.random.fold_in(work.key, index), options.chains)
        # One chain after the other: side by side they compile twice as long and run no faster.
        labels, evidence = jax.lax.map(sweep_chain, (keys, work.labels, work.messages))
        return work._replace(sweep=index + 1, labels=labels, trace=work.trace.at[index].set(evidence))

    advanced: GmmWork = jax.lax.fori_loop(work.sweep, jnp.minimum(until, options.sweeps), sweep, work)
    return advanced


def end(options: GmmOptions, work: GmmWork, inputs: Inputs) -> tuple[GmmState, Outputs, Info]:
    """Keep the chain of the best evidence."""
    points, weight = of_kind(inputs.parents[0], Points), options.message_weight
    data = prepare(points, work.prior)

    def judge(chain: tuple[Array, Array]) -> tuple[Array, GmmParams, Array]:
        labels, message = chain
        params = mean_params(niw_posterior(data, labels, options.num_classes))
        scores = log_joint(params, points)
        evidence = shared_evidence(scores, Categorical(message, inputs.child.weight), points.weight, weight)
        return evidence, params, (scores + weight * message).argmax(-1)

    evidence, params, classes = jax.lax.map(judge, (work.labels, work.messages))
    best = evidence.argmax()
    kept = jax.tree.map(lambda leaf: leaf[best], params)
    renumbered = inputs._replace(child=Categorical(work.messages[best], inputs.child.weight))
    state = GmmState(classes[best].astype(jnp.int32), kept, jnp.array(True))
    return state, infer(options, state, renumbered), Info(evidence[best], work.trace[:, best])


def infer(options: GmmOptions, state: GmmState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given parameters; `class` is (N,), `Pdz` (N, K)."""
    points, message = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Categorical)
    scores = log_joint(state.params, points)
    classes = (scores + options.message_weight * message.log_probs).argmax(-1)
    # Nothing is sent of a missing point, not even the class shares.
    forward = normalized(scores, points.weight)
    class_means = Points(state.params.means[classes], jnp.ones_like(points.weight))
    return Outputs(forward, (class_means,), {"class": classes, "Pdz": jnp.exp(forward.log_probs)})


def sample(options: GmmOptions, key: Array, state: GmmState, inputs: Inputs) -> tuple[Points]:
    """Draw a class for each item, then a point (N, D) from its component."""
    points, params = of_kind(inputs.parents[0], Points), state.params
    class_key, point_key = jax.random.split(key)
    scores = log_joint(params, points) + options.message_weight * of_kind(inputs.child, Categorical).log_probs
    classes = jax.random.categorical(class_key, scores)  # (N,)
    noise = jax.random.normal(point_key, points.values.shape)
    shifts = solve_triangular(params.whiteners[classes], noise[:, :, None], lower=True)[:, :, 0]
    return (Points(params.means[classes] + shifts, jnp.ones_like(points.weight)),)


def params(state: GmmState) -> dict[str, Array]:
    """Parameters for the run directory: means `mu`, (K, D), in the units of the input."""
    return {"mu": state.params.means}


def build(options: GmmOptions, _ports: tuple[Port, ...], _rule: Rule) -> Module[GmmState]:
    """Build the module for one input.

    `Info.trace` is the log-likelihood of the points at each sweep of the chain that was kept, nats;
    `Info.objective` its `shared_evidence`. Both rules send the same: the message to the child leaves out the
    child's, and the message to the parent is the mean of each item's class, the parent's points included.
    """
    return Module(
        partial(init, options),
        partial(begin, options),
        partial(advance, options),
        partial(end, options),
        partial(infer, options),
        options.sweeps,
        partial(sample, options),
        params,
    )
