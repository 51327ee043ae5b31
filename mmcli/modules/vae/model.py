"""Variational autoencoder whose prior means come from the graph.

q(z | x) = N(m(x), diag s(x)^2) and p(z_t) = N(mu_t, I), where mu_t is the child's message: the mean of
the class that the rest of the graph gives item t, or 0 before there is one.

N items, B items in a batch, X input columns, H hidden units, D latent dimensions.

Source: Kingma and Welling (2014), arXiv:1312.6114, eq. 10 and appendix C.1; prior means in the manner
of Taniguchi et al. (2020), doi:10.1007/s00354-019-00084-w.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

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
from mmcli.modules.vae.spec import VaeOptions

# Variance of a Gaussian output, where columns come in units of their own variance: more, and structure of single
# columns is lost as noise; less, and noise takes up the latent variable.
NOISE = 0.1


class Dense(NamedTuple):
    """An affine layer: x @ weights + bias."""

    weights: Array  # (in, out)
    bias: Array  # (out,)


class VaeParams(NamedTuple):
    """Weights of encoder and decoder."""

    encoder: Dense  # (X, H)
    code: Dense  # (H, 2 D): mean, then log variance
    decoder: Dense  # (D, H)
    output: Dense  # (H, X)


class VaeState(NamedTuple):
    """Weights and optimiser state, kept from round to round."""

    params: VaeParams
    optimizer: optax.OptState


def dense(layer: Dense, x: Array) -> Array:
    """Apply an affine layer to x (..., in): (..., out)."""
    return x @ layer.weights + layer.bias[None, :]


def init_dense(key: Array, fan_in: int, fan_out: int) -> Dense:
    """Draw weights (fan_in, fan_out) and bias (fan_out,) uniform in +-1/sqrt(fan_in).

    PyTorch's nn.Linear, and so the reference's layers, start like this.
    """
    weights_key, bias_key = jax.random.split(key)
    limit = fan_in**-0.5
    return Dense(
        jax.random.uniform(weights_key, (fan_in, fan_out), minval=-limit, maxval=limit),
        jax.random.uniform(bias_key, (fan_out,), minval=-limit, maxval=limit),
    )


def encode(params: VaeParams, x: Array) -> tuple[Array, Array]:
    """Mean and log variance of q(z | x), each (N, D), of x (N, X)."""
    code = dense(params.code, jax.nn.relu(dense(params.encoder, x)))  # (N, 2 D)
    mean, log_var = jnp.split(code, 2, axis=-1)
    return mean, log_var


def decode(params: VaeParams, z: Array) -> Array:
    """Logits (Bernoulli) or means (Gaussian) of p(x | z), (N, X), of z (N, D)."""
    return dense(params.output, jax.nn.relu(dense(params.decoder, z)))


def gaussian_nll(prediction: Array, x: Array) -> Array:
    """-log N(x; prediction, NOISE I), (N,) nats, of two (N, X)."""
    return 0.5 * (jnp.square(x - prediction) / NOISE + jnp.log(2 * jnp.pi * NOISE)).sum(-1)


def kl_to_prior(mean: Array, log_var: Array, prior_mean: Array) -> Array:
    """KL(N(mean, exp(log_var)) || N(prior_mean, I)), (N,) nats, of three (N, D).

    Source: Kingma and Welling (2014), appendix B, with the prior's mean moved.
    """
    return 0.5 * (jnp.exp(log_var) + jnp.square(mean - prior_mean) - 1 - log_var).sum(-1)


def losses(
    params: VaeParams,
    x: Array,
    prior_mean: Array,
    noise: Array,
    *,
    nll: Callable[[Array, Array], Array],
    kl_weight: float,
) -> Array:
    """-ELBO of each item, (N,) nats, from one draw of z.

    Args:
        params: the weights.
        x: (N, X).
        prior_mean: (N, D).
        noise: (N, D), standard normal.
        nll: -log p(x | z) from the decoder's output and x.
        kl_weight: factor of the Kullback-Leibler term.
    """
    mean, log_var = encode(params, x)
    z = mean + jnp.exp(0.5 * log_var) * noise
    return nll(decode(params, z), x) + kl_weight * kl_to_prior(mean, log_var, prior_mean)


def adam(options: VaeOptions) -> optax.GradientTransformation:
    """Optimiser of the weights."""
    return optax.adam(options.learning_rate)


def init(options: VaeOptions, key: Array, inputs: Inputs) -> VaeState:
    """Draw the weights and create the optimiser's state."""
    keys = jax.random.split(key, 4)
    num_columns = of_kind(inputs.parents[0], Points).values.shape[1]
    params = VaeParams(
        encoder=init_dense(keys[0], num_columns, options.hidden_dim),
        code=init_dense(keys[1], options.hidden_dim, 2 * options.latent_dim),
        decoder=init_dense(keys[2], options.latent_dim, options.hidden_dim),
        output=init_dense(keys[3], options.hidden_dim, num_columns),
    )
    return VaeState(params, adam(options).init(params))


def epoch(options: VaeOptions, key: Array, state: VaeState, inputs: Inputs) -> tuple[VaeState, Array]:
    """Run one pass over the items in random batches; the loss during the pass, () nats an item."""
    items, prior = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Points)
    # A batch has as many items of each block, so that no item leaves its block.
    blocks = num_blocks()
    num_items = len(items.weight) // blocks
    share = min(-(-options.batch_size // blocks), num_items)
    batch_size, num_batches = blocks * share, -(-num_items // share)
    num_padded = num_batches * share - num_items
    optimizer = adam(options)
    nll = bernoulli_nll if options.likelihood == "bernoulli" else gaussian_nll

    def batch_loss(params: VaeParams, rows: Array, weight: Array, key: Array) -> tuple[Array, Array]:
        noise = jax.random.normal(key, (batch_size, options.latent_dim))
        item_losses = losses(
            params,
            values_at(items.values, rows),
            taken(prior.values, rows),
            noise,
            nll=nll,
            kl_weight=options.kl_weight,
        )
        total = (weight * item_losses).sum()
        return total / jnp.maximum(weight.sum(), 1), total

    def gradient_step(state: VaeState, batch: tuple[Array, Array, Array]) -> tuple[VaeState, Array]:
        gradients, total = jax.grad(batch_loss, has_aux=True)(state.params, *batch)
        updates, optimizer_state = optimizer.update(gradients, state.optimizer)
        return VaeState(optax.apply_updates(state.params, updates), optimizer_state), total

    order_key, noise_key = jax.random.split(key)

    def batches(rows: Array) -> Array:
        """Values of the items of each batch, (batches, B), of those of each block; the last filled up with zeros."""
        padded = jnp.pad(rows, ((0, 0), (0, num_padded))).reshape(blocks, num_batches, share)
        return padded.swapaxes(0, 1).reshape(num_batches, batch_size)

    orders = block_orders(order_key, len(items.weight))
    rows, weight = batches(orders), batches(taken(items.weight, orders.reshape(-1)).reshape(orders.shape))
    state, totals = jax.lax.scan(gradient_step, state, (rows, weight, jax.random.split(noise_key, num_batches)))
    return state, totals.sum() / jnp.maximum(items.weight.sum(), 1)


def predict(options: VaeOptions, params: VaeParams, z: Array) -> Array:
    """E[x | z], (N, X), of z (N, D)."""
    return jax.nn.sigmoid(decode(params, z)) if options.likelihood == "bernoulli" else decode(params, z)


def latent_mean(state: VaeState, inputs: Inputs) -> Array:
    """Mean of q(z | x), (N, D); of missing items that of p(z)."""
    items = of_kind(inputs.parents[0], Points)
    mean, _ = by_rows(partial(encode, state.params), items.values)
    return jnp.where(items.weight[:, None] > 0, mean, of_kind(inputs.child, Points).values)


def send(options: VaeOptions, rule: Rule, state: VaeState, inputs: Inputs, sent: Array) -> Outputs:
    """Outputs with `sent` (N, D) as the forward message."""
    weight = inputs.parents[0].weight
    z = latent_mean(state, inputs)
    # The parent receives the expectation of the rest of the graph; in Serket's form, its reconstruction.
    source = of_kind(inputs.child, Points).values if rule == "cavity" else z
    decoded = partial(by_rows, partial(predict, options, state.params))
    prediction = Points(decoded(source), jnp.ones_like(weight))
    return Outputs(Points(sent * weight[:, None], weight), (prediction,), {"z": z, "x_hat": decoded(z)})


def infer(options: VaeOptions, rule: Rule, state: VaeState, inputs: Inputs) -> Outputs:
    """Compute the outputs for given weights; the mean of q(z | x) is sent forward."""
    return send(options, rule, state, inputs, latent_mean(state, inputs))


def finish(
    options: VaeOptions, rule: Rule, key: Array, state: VaeState, inputs: Inputs, trace: Array
) -> tuple[VaeState, Outputs, Info]:
    """Compute the outputs after the last epoch; z (N, D) is sent forward as its mean or a draw, by the options."""
    items = of_kind(inputs.parents[0], Points)
    sent = latent_mean(state, inputs)
    if options.sends == "sample":
        _, log_var = by_rows(partial(encode, state.params), items.values)
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
