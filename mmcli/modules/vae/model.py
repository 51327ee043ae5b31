"""Variational autoencoder whose prior means come from the graph.

q(z | x) = N(m(x), diag s(x)^2) and p(z_t) = N(mu_t, I), where mu_t is the child's message: the mean of
the class that the rest of the graph gives item t, or 0 before there is one.

N items, B items in a batch, X input columns, H units of the encoder's last hidden layer, D latent dimensions.

Source: Kingma and Welling (2014), arXiv:1312.6114, eq. 10 and appendix C.1; prior means in the manner
of Taniguchi et al. (2020), doi:10.1007/s00354-019-00084-w.
"""

from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mmcli.modules.api import Info, Inputs, Module, Outputs, iterated
from mmcli.modules.blocks import block_orders, num_blocks, taken
from mmcli.modules.messages import Points, of_kind
from mmcli.modules.numerics import bernoulli_nll
from mmcli.modules.packed import by_rows, values_at
from mmcli.modules.spec import Port, Rule
from mmcli.modules.vae.networks import (
    Dense,
    Layer,
    Layers,
    decoded,
    dense,
    encoded,
    init_decoder,
    init_dense,
    init_encoder,
)
from mmcli.modules.vae.spec import LEARNED, LEAST_VARIANCE, VARIANCE, VARIANCE_RATE, VaeOptions


class VaeParams(NamedTuple):
    """Weights of encoder and decoder, and the variance of the output."""

    encoder: Layers  # from X columns to H
    code: Dense  # (H, 2 D): mean, then log variance
    decoder: Layers  # from D dimensions to the last hidden layer
    output: Layer  # to X columns
    variance: Array | None = None  # (X,) of a Gaussian output, where it is learned; apart from the optimiser


class VaeState(NamedTuple):
    """Parameters and optimiser state, kept from round to round."""

    params: VaeParams
    optimizer: optax.OptState


def encode(options: VaeOptions, params: VaeParams, x: Array) -> tuple[Array, Array]:
    """Mean and log variance of q(z | x), each (N, D), of x (N, X)."""
    code = dense(params.code, encoded(options.encoding, params.encoder, x))  # (N, 2 D)
    mean, log_var = jnp.split(code, 2, axis=-1)
    return mean, log_var


def decode(options: VaeOptions, params: VaeParams, z: Array) -> Array:
    """Logits (Bernoulli) or means (Gaussian) of p(x | z), (N, X), of z (N, D)."""
    return decoded(options.decoding, params.decoder, params.output, z)


def gaussian_nll(prediction: Array, x: Array, variance: Array | float) -> Array:
    """-log N(x; prediction, diag variance), (N,) nats, of two (N, X) and a variance of each column or of all."""
    return 0.5 * (jnp.square(x - prediction) / variance + jnp.log(2 * jnp.pi * variance)).sum(-1)


def kl_to_prior(mean: Array, log_var: Array, prior_mean: Array) -> Array:
    """KL(N(mean, exp(log_var)) || N(prior_mean, I)), (N,) nats, of three (N, D).

    Source: Kingma and Welling (2014), appendix B, with the prior's mean moved.
    """
    return 0.5 * (jnp.exp(log_var) + jnp.square(mean - prior_mean) - 1 - log_var).sum(-1)


def losses(
    options: VaeOptions, params: VaeParams, variance: Array | float, x: Array, prior_mean: Array, noise: Array
) -> tuple[Array, Array]:
    """-ELBO of each item, (N,) nats, from one draw of z, and the decoder's output (N, X) of that.

    Args:
        options: the likelihood, and the factor of the Kullback-Leibler term.
        params: those of the networks.
        variance: of a Gaussian output, of all columns or (1, X) of each.
        x: (N, X).
        prior_mean: (N, D).
        noise: (N, D), standard normal.
    """
    mean, log_var = encode(options, params, x)
    z = mean + jnp.exp(0.5 * log_var) * noise
    output = decode(options, params, z)
    nll = bernoulli_nll(output, x) if options.likelihood == "bernoulli" else gaussian_nll(output, x, variance)
    return nll + options.kl_weight * kl_to_prior(mean, log_var, prior_mean), output


def adam(options: VaeOptions) -> optax.GradientTransformation:
    """Optimiser of the weights."""
    return optax.adam(options.learning_rate)


def init(options: VaeOptions, key: Array, inputs: Inputs) -> VaeState:
    """Draw the weights and create the optimiser's state."""
    keys = jax.random.split(key, 4)
    num_columns = of_kind(inputs.parents[0], Points).values.shape[1]
    encoder, num_features = init_encoder(keys[0], options.encoding, num_columns)
    decoder, output = init_decoder(keys[2], keys[3], options.decoding, options.latent_dim, num_columns)
    params = VaeParams(encoder, init_dense(keys[1], num_features, 2 * options.latent_dim), decoder, output)
    variance = jnp.full(num_columns, VARIANCE, float) if options.variance == LEARNED else None
    return VaeState(params._replace(variance=variance), adam(options).init(params))


def output_variance(options: VaeOptions, params: VaeParams) -> Array | float:
    """Variance of a Gaussian output: of all columns, or (1, X) where it is learned."""
    return cast("float", options.variance) if params.variance is None else params.variance[None, :]


def epoch(options: VaeOptions, key: Array, state: VaeState, inputs: Inputs) -> tuple[VaeState, Array]:
    """Run one pass over the items in random batches; the loss during the pass, () nats an item.

    A variance that is learned goes, after the pass, part of the way to the mean square of each column's error, under
    which the expected log density is highest. The whole way it would be that of a decoder that has learned nothing yet,
    and the latent space would be given up for noise.

    Source: Rybkin, Daniilidis and Levine (2021), arXiv:2006.13202, section 3.3, there one for all columns.
    """
    items, prior = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Points)
    # A batch has as many items of each block, so that no item leaves its block.
    blocks = num_blocks()
    num_items = len(items.weight) // blocks
    share = min(-(-options.batch_size // blocks), num_items)
    batch_size, num_batches = blocks * share, -(-num_items // share)
    num_padded = num_batches * share - num_items
    optimizer = adam(options)
    variance, learned = output_variance(options, state.params), state.params.variance

    def batch_loss(params: VaeParams, rows: Array, weight: Array, key: Array) -> tuple[Array, tuple[Array, Array]]:
        # A missing row has weight 0, but 0 times what overflows is no number.
        x = jnp.where(weight[:, None] > 0, values_at(items.values, rows), 0)
        noise = jax.random.normal(key, (batch_size, options.latent_dim))
        item_losses, output = losses(options, params, variance, x, taken(prior.values, rows), noise)
        total = (weight * item_losses).sum()
        squares = weight @ jnp.square(x - output) if learned is not None else jnp.zeros(0)
        return total / jnp.maximum(weight.sum(), 1), (total, squares)

    def gradient_step(
        learner: tuple[VaeParams, optax.OptState], batch: tuple[Array, Array, Array]
    ) -> tuple[tuple[VaeParams, optax.OptState], tuple[Array, Array]]:
        params, optimizer_state = learner
        gradients, sums = jax.grad(batch_loss, has_aux=True)(params, *batch)
        updates, optimizer_state = optimizer.update(gradients, optimizer_state)
        return (optax.apply_updates(params, updates), optimizer_state), sums

    order_key, noise_key = jax.random.split(key)

    def batches(rows: Array) -> Array:
        """Values of the items of each batch, (batches, B), of those of each block; the last filled up with zeros."""
        padded = jnp.pad(rows, ((0, 0), (0, num_padded))).reshape(blocks, num_batches, share)
        return padded.swapaxes(0, 1).reshape(num_batches, batch_size)

    orders = block_orders(order_key, len(items.weight))
    rows, weight = batches(orders), batches(taken(items.weight, orders.reshape(-1)).reshape(orders.shape))
    batch_keys = jax.random.split(noise_key, num_batches)
    learner = (state.params._replace(variance=None), state.optimizer)
    (params, optimizer_state), (totals, squares) = jax.lax.scan(gradient_step, learner, (rows, weight, batch_keys))
    num_known = items.weight.sum()
    if learned is not None:
        found = jnp.maximum(squares.sum(0) / jnp.maximum(num_known, 1), LEAST_VARIANCE)
        learned = jnp.where(num_known > 0, learned + VARIANCE_RATE * (found - learned), learned)
    return VaeState(params._replace(variance=learned), optimizer_state), totals.sum() / jnp.maximum(num_known, 1)


def predict(options: VaeOptions, params: VaeParams, z: Array) -> Array:
    """E[x | z], (N, X), of z (N, D)."""
    output = decode(options, params, z)
    return jax.nn.sigmoid(output) if options.likelihood == "bernoulli" else output


def latent_mean(options: VaeOptions, state: VaeState, inputs: Inputs) -> Array:
    """Mean of q(z | x), (N, D); of missing items that of p(z)."""
    items = of_kind(inputs.parents[0], Points)
    mean, _ = by_rows(partial(encode, options, state.params), items.values)
    return jnp.where(items.weight[:, None] > 0, mean, of_kind(inputs.child, Points).values)


def send(options: VaeOptions, rule: Rule, state: VaeState, inputs: Inputs, sent: Array) -> Outputs:
    """Outputs with `sent` (N, D) as the forward message."""
    weight = inputs.parents[0].weight
    z = latent_mean(options, state, inputs)
    # The parent receives the expectation of the rest of the graph; in Serket's form, its reconstruction.
    source = of_kind(inputs.child, Points).values if rule == "cavity" else z
    decoded = partial(by_rows, partial(predict, options, state.params))
    prediction = Points(decoded(source), jnp.ones_like(weight))
    return Outputs(Points(sent * weight[:, None], weight), (prediction,), {"z": z, "x_hat": decoded(z)})


def infer(options: VaeOptions, rule: Rule, state: VaeState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given weights; the mean of q(z | x) is sent forward."""
    return send(options, rule, state, inputs, latent_mean(options, state, inputs))


def finish(
    options: VaeOptions, rule: Rule, key: Array, state: VaeState, inputs: Inputs, trace: Array
) -> tuple[VaeState, Outputs, Info]:
    """Compute the outputs after the last epoch; z (N, D) is sent forward as its mean or a draw, by the options."""
    items = of_kind(inputs.parents[0], Points)
    sent = latent_mean(options, state, inputs)
    if options.sends == "sample":
        _, log_var = by_rows(partial(encode, options, state.params), items.values)
        noise = jax.random.normal(key, sent.shape)
        sent = sent + items.weight[:, None] * jnp.exp(0.5 * log_var) * noise
    return state, send(options, rule, state, inputs, sent), Info(-trace[-1] * items.weight.sum(), trace)


def sample(options: VaeOptions, key: Array, state: VaeState, inputs: Inputs) -> tuple[Points]:
    """Draw z (N, D), from the child's message or from N(0, I), and decode it to E[x | z], (N, X)."""
    prior = of_kind(inputs.child, Points)
    # A child's point is the latent variable itself; where there is none, it is drawn from N(0, I).
    noise = (1 - prior.weight[:, None]) * jax.random.normal(key, prior.values.shape)
    return (Points(predict(options, state.params, prior.values + noise), jnp.ones_like(prior.weight)),)


def build(options: VaeOptions, _ports: tuple[Port, ...], rule: Rule) -> Module[VaeState]:
    """Build the module for one input.

    `Info.trace` is the loss of each epoch, nats an item; `Info.objective` the evidence lower bound of all items in
    the last epoch. Missing items do not enter the loss; their latent variable is at the prior mean.
    """
    return iterated(
        partial(init, options),
        partial(epoch, options),
        partial(infer, options, rule),
        iterations=options.epochs,
        finish=partial(finish, options, rule),
        sample=partial(sample, options),
    )
