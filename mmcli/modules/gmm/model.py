"""Gaussian mixture under a normal-inverse-Wishart prior, by blocked Gibbs sampling.

pi ~ Dirichlet(1, ..., 1), (mu_k, Sigma_k) ~ NIW(m0, kappa0, nu0, S0), x_t ~ N(mu_z, Sigma_z), and
p(z_t = k) proportional to pi_k b_tk^g with b the child's message and g its weight. m0 is the mean of the
data, kappa0 = 1, nu0 = D + 2, S0 = prior_scale diag(variances of the data), so that neither scale nor offset
decides; mean and variances are winsorized, so that an outlier does not decide either. Where features depend
on each other so closely that S0 is lost in the rounding of the scatter, what the rounding may be is added to it.

Several inputs are one point, side by side. Of an item that lacks some, the known columns alone decide: labels are
drawn by their marginal likelihood, and a sweep draws the missing columns from the component of the label.

The forward message is P(z_t | x_t, the other items and their labels): what an item added to its class would confirm
that class, whatever it is. Chains are judged by the same densities.

An update runs several chains and keeps the one under which points and message explain each other best, and
several inputs each other. Some chains continue from the last labels. The others test whether the child separates
items that one class here joins: they start from the clusters of the message's rows, and number their classes by
them. Without a message they start from k-means, the first from small clusters that are joined (`agglomeration`), and
half of them from classes that the inputs have in common.

N items, D features of all inputs, K classes, C chains, I sweeps.

Source: Murphy (2012), Machine Learning: A Probabilistic Perspective, sections 4.6.3, 24.2.3 and 24.2.4.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import logsumexp

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.covariance import Covariance
from mmcli.modules.gaussians import (
    Data,
    GmmParams,
    Own,
    Prior,
    data_prior,
    draw_params,
    draw_points,
    expected_posterior,
    mean_params,
    niw_posterior,
)
from mmcli.modules.gmm.marginals import filled, filled_by_means, joint_and_shared, log_joint
from mmcli.modules.gmm.spec import GmmOptions, covariance_form
from mmcli.modules.gmm.starts import common_classes, joined_clusters, propose
from mmcli.modules.gmm.table import Table, apart, balanced, prepare, side_by_side
from mmcli.modules.messages import Categorical, Points, normalized, of_kind
from mmcli.modules.numerics import draw_categorical, kmeans
from mmcli.modules.spec import Port, Rule
from mmcli.modules.word_mixtures import SHARED_WEIGHT

# Steps of expectation maximisation after the sweeps, where no child has sent anything.
SETTLING = 60


class GmmState(NamedTuple):
    """Labels and parameters, kept from round to round."""

    labels: Array  # (N,) int32; where the next update starts
    params: GmmParams
    trained: Array  # () bool, False before the first update


class Chain(NamedTuple):
    """What a sweep of one chain starts from."""

    labels: Array  # (N,) int32
    filled: Array | None  # (N, D) points less m0, missing columns drawn; None for one input, which lacks whole rows


class GmmWork(NamedTuple):
    """An update under way; every leaf of `chains` has an axis of C in front."""

    key: Array
    sweep: Array  # () int32, sweeps done
    prior: Prior
    chains: Chain
    messages: Array  # (C, N, K) the child's message as each chain numbers its classes
    trace: Array  # (I, C)


def gibbs_sweep(
    key: Array, chain: Chain, table: Table, data: Data, log_prior: Array, covariance: Covariance
) -> tuple[Chain, Array]:
    """Draw parameters given labels and points, then all labels given parameters, then what the points lack.

    Args:
        key: randomness of this sweep.
        chain: labels, and the points where some are known in part.
        table: the inputs.
        data: of `prepare`.
        log_prior: (N, K) nats, further evidence on each label; g log b here.
        covariance: form of the covariances.

    Returns:
        the chain after the sweep; () nats, log-likelihood of the points under the parameters drawn.
    """
    params_key, labels_key, points_key = jax.random.split(key, 3)
    posterior = niw_posterior(completed(data, chain), chain.labels, log_prior.shape[1], covariance)
    params = draw_params(params_key, posterior)
    scores = log_joint(params, table)
    labels = draw_categorical(labels_key, scores + log_prior)
    points = None if chain.filled is None else filled(points_key, params, table, labels, data.prior)
    return Chain(labels, points), logsumexp(scores, axis=-1).sum()


def completed(data: Data, chain: Chain) -> Data:
    """Data with the missing columns as the chain has them."""
    return data if chain.filled is None else data._replace(centred=chain.filled)


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
    table, num_classes = side_by_side(inputs.parents), options.width
    num_items, num_features = table.values.shape
    known = table.column_known
    means = (known * table.values).sum(0) / jnp.maximum(known.sum(0), 1)
    form = covariance_form(options, num_items, num_features)
    num_covariances = 1 if form == "tied" else num_classes
    whitener = jnp.ones(num_features) if form == "diagonal" else jnp.eye(num_features)
    params = GmmParams(
        jnp.zeros(num_classes) - jnp.log(num_classes),
        jnp.broadcast_to(means, (num_classes, num_features)),
        jnp.broadcast_to(whitener, (num_covariances, *whitener.shape)),
        jnp.zeros(num_covariances),
    )
    return GmmState(jnp.zeros(num_items, jnp.int32), params, jnp.array(False))


def begin(options: GmmOptions, key: Array, state: GmmState, inputs: Inputs) -> GmmWork:
    """Start C chains: from the last labels, from the child's message, from k-means or from what inputs share."""
    table, message = side_by_side(inputs.parents), of_kind(inputs.child, Categorical)
    prior = data_prior(inputs.parents, options.prior_scale)
    informed = message.weight.max() > 0
    points = balanced(table)
    # Items known in part move no centre, unless all are.
    whole = table.known.min(axis=1)
    weight = jnp.where(whole.max() > 0, whole, table.weight)
    starts_key, sweeps_key = jax.random.split(key)
    common = None  # (C / 2, N) labels
    if options.chains > 1 and not table.is_single:
        starts_key, common_key = jax.random.split(starts_key)
        common = jax.lax.cond(
            informed,
            lambda: jnp.zeros((options.chains // 2, len(points)), int),
            lambda: common_classes(common_key, table, options.width, options.chains // 2),
        )

    def start(arguments: tuple[Array, Array]) -> tuple[Chain, Array]:
        chain, key = arguments
        continues = state.trained & ((chain == 0) | (informed & (chain % 2 == 0)))
        # One start each for k-means: chains that begin alike end alike.
        clusters = partial(kmeans, key, points, weight, options.width, starts=1)
        kinds = [
            lambda: (state.labels, message.log_probs),
            lambda: propose(key, message),
            lambda: (clusters(), message.log_probs),
            lambda: (joined_clusters(key, points, weight, options.width), message.log_probs),
        ]
        kind = jnp.where(continues, 0, jnp.where(informed, 1, jnp.where(chain == 0, 3, 2)))
        if common is not None:
            kinds.append(lambda: (common[chain // 2], message.log_probs))
            kind = jnp.where((kind == 2) & (chain % 2 == 1), 4, kind)
        labels, sent = jax.lax.switch(kind, kinds)
        filling = None if table.is_single else filled_by_means(table, labels, options.width, prior)
        return Chain(labels, filling), sent

    numbers = jnp.arange(options.chains)
    chains, messages = jax.lax.map(start, (numbers, jax.random.split(starts_key, options.chains)))
    trace = jnp.zeros((options.sweeps, options.chains))
    return GmmWork(sweeps_key, jnp.int32(0), prior, chains, messages, trace)


def advance(options: GmmOptions, work: GmmWork, inputs: Inputs, until: Array) -> GmmWork:
    """Run the Gibbs sweeps of every chain up to `until`, () int32 sweeps of the update."""
    table = side_by_side(inputs.parents)
    data, form = prepare(table, work.prior), covariance_form(options, *table.values.shape)

    def sweep_chain(arguments: tuple[Array, Chain, Array]) -> tuple[Chain, Array]:
        key, chain, message = arguments
        return gibbs_sweep(key, chain, table, data, options.message_weight * message, form)

    def sweep(index: Array, work: GmmWork) -> GmmWork:
        keys = jax.random.split(jax.random.fold_in(work.key, index), options.chains)
        # One chain after the other: side by side they compile twice as long and run no faster.
        chains, evidence = jax.lax.map(sweep_chain, (keys, work.chains, work.messages))
        return work._replace(sweep=index + 1, chains=chains, trace=work.trace.at[index].set(evidence))

    advanced: GmmWork = jax.lax.fori_loop(work.sweep, jnp.minimum(until, options.sweeps), sweep, work)
    return advanced


def end(options: GmmOptions, work: GmmWork, inputs: Inputs) -> tuple[GmmState, Outputs, Info]:
    """Keep the chain of the best evidence and, of several inputs, of the most information that they share.

    As in the search of an MLDA, it counts SHARED_WEIGHT times: what one input alone prefers must not outweigh it.
    """
    table, weight = side_by_side(inputs.parents), options.message_weight
    data, form = prepare(table, work.prior), covariance_form(options, *table.values.shape)

    def judge(arguments: tuple[Chain, Array]) -> Array:
        chain, message = arguments
        own = Own(niw_posterior(completed(data, chain), chain.labels, options.width, form), of_labels(chain.labels))
        scores, shared = joint_and_shared(mean_params(own.posterior), table, own)
        evidence = shared_evidence(scores, Categorical(message, inputs.child.weight), table.weight, weight)
        return evidence + SHARED_WEIGHT * table.weight.sum() * shared

    def of_labels(labels: Array) -> Array:
        return jax.nn.one_hot(labels, options.width) * table.weight[:, None]

    best = jax.lax.map(judge, (work.chains, work.messages)).argmax()
    chain = jax.tree.map(lambda leaf: leaf[best], work.chains)
    message = Categorical(work.messages[best], inputs.child.weight)
    points = completed(data, chain)
    # What the child knows is in the labels; without it the last draw of labels is one of many.
    settled = partial(settle, form, points, table)
    shares = jax.lax.cond(message.weight.max() > 0, lambda shares: shares, settled, of_labels(chain.labels))
    own = Own(expected_posterior(points, shares.T, form), shares)
    params = mean_params(own.posterior)
    # One after the other: LAPACK calls of a program that do not depend on each other may wait for each other's threads.
    predicted, scores = jax.lax.map(
        lambda is_left_out: jax.lax.cond(
            is_left_out, lambda: log_joint(params, table, own), lambda: log_joint(params, table)
        ),
        jnp.array([True, False]),
    )
    evidence = shared_evidence(predicted, message, table.weight, weight)
    outputs = outputs_of(options, params, scores, inputs._replace(child=message))
    state = GmmState(outputs.items["class"].astype(jnp.int32), params, jnp.array(True))
    return state, outputs._replace(forward=normalized(predicted, table.weight)), Info(evidence, work.trace[:, best])


def settle(covariance: Covariance, data: Data, table: Table, shares: Array) -> Array:
    """Repeat: the posterior means of parameters given the shares of all items (N, K), then the shares given those.

    Expectation maximisation with means in place of modes. Missing columns stay as they were drawn.

    Source: Dempster, Laird and Rubin (1977).
    """

    def iterate(_: Array, shares: Array) -> Array:
        params = mean_params(expected_posterior(data, shares.T, covariance))
        return jax.nn.softmax(log_joint(params, table), axis=-1) * table.weight[:, None]

    settled: Array = jax.lax.fori_loop(0, SETTLING, iterate, shares)
    return settled


def infer(options: GmmOptions, state: GmmState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given parameters; `class` is (N,), `Pdz` (N, K)."""
    return outputs_of(options, state.params, log_joint(state.params, side_by_side(inputs.parents)), inputs)


def outputs_of(options: GmmOptions, params: GmmParams, scores: Array, inputs: Inputs) -> Outputs:
    """Outputs by log pi_k N(x_t; mu_k, Sigma_k), (N, K) nats."""
    classes = (scores + options.message_weight * of_kind(inputs.child, Categorical).log_probs).argmax(-1)
    # Nothing is sent of a missing point, not even the class shares.
    forward = normalized(scores, side_by_side(inputs.parents).weight)
    backward = apart(params.means[classes], inputs.parents)
    return Outputs(forward, backward, {"class": classes, "Pdz": jnp.exp(forward.log_probs)})


def sample(options: GmmOptions, key: Array, state: GmmState, inputs: Inputs) -> tuple[Points, ...]:
    """Draw a class for each item, then a point of all inputs from its component."""
    table, params = side_by_side(inputs.parents), state.params
    class_key, point_key = jax.random.split(key)
    scores = log_joint(params, table) + options.message_weight * of_kind(inputs.child, Categorical).log_probs
    classes = jax.random.categorical(class_key, scores)  # (N,)
    return apart(draw_points(point_key, params, classes), inputs.parents)


def params(widths: tuple[int, ...], state: GmmState) -> dict[str, Array]:
    """Parameters for the run directory: means `mu` in the first input, (K, its columns), in its units."""
    return {"mu": state.params.means[:, : widths[0]]}


def build(options: GmmOptions, ports: tuple[Port, ...], _rule: Rule) -> Module[GmmState]:
    """Build the module for its inputs.

    `Info.trace` is the log-likelihood of the points at each sweep of the chain that was kept, nats;
    `Info.objective` its `shared_evidence`. Both rules send the same: the message to the child leaves out the
    child's, and the message to a parent is the mean of each item's class, the parent's points included.
    """
    return Module(
        partial(init, options),
        partial(begin, options),
        partial(advance, options),
        partial(end, options),
        partial(infer, options),
        options.sweeps,
        partial(sample, options),
        partial(params, tuple(port.columns for port in ports)),
    )
