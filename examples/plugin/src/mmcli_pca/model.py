"""Probabilistic principal component analysis in closed form.

x = W z + m + e with z ~ N(c, I) and e ~ N(0, v I). Without a child's message c is 0, and the maximum of the likelihood
is known (Tipping and Bishop 1999, eqs. 7 and 8): with l_1 >= l_2 >= ... the eigenvalues of the covariance of the points
and U the eigenvectors of the first Q,

    v = mean of l_{Q+1}, ..., l_D,        W = U (diag(l_1, ..., l_Q) - v I)^(1/2).

A child sends the mean c of the prior of each item. The posterior of z multiplies N(x; W z + m, v I) by N(z; c, I): its
precision is W'W / v + I = M / v with M = W'W + v I, so

    E[z | x, c] = M^-1 (W'(x - m) + v c),        cov[z | x, c] = v M^-1,

which is their eq. 6 where c is 0. The parameters do not depend on c: with a mean that differs from item to item the
maximum has no closed form.

N items, D features, Q latent dimensions.

Source: Tipping and Bishop (1999), Probabilistic principal component analysis, Journal of the Royal Statistical Society
B 61, 611-622; the same in Bishop (2006), Pattern Recognition and Machine Learning, eqs. 12.42 to 12.46.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve

from mmcli.modules.api import Inputs, Module, Outputs, iterated
from mmcli.modules.messages import Points, of_kind
from mmcli.modules.spec import Port, Rule
from mmcli_pca.spec import PcaOptions

# Lowest variance of the noise, as a share of the mean variance of a column: float32 keeps no more of the covariance.
LEAST_NOISE = 1e-6


class PcaState(NamedTuple):
    """The parameters; in the units of the input."""

    mean: Array  # (D,) m
    loadings: Array  # (D, Q) W, each column with its largest entry positive
    noise: Array  # () v


def init(options: PcaOptions, _key: Array, inputs: Inputs) -> PcaState:
    """The parameters before the first update: noise alone."""
    num_columns = of_kind(inputs.parents[0], Points).values.shape[1]
    return PcaState(jnp.zeros(num_columns), jnp.zeros((num_columns, options.latent_dim)), jnp.ones(()))


def covariance(points: Points) -> tuple[Array, Array]:
    """Mean (D,) and covariance (D, D) of the rows that are there."""
    total = jnp.maximum(points.weight.sum(), 1)
    mean = (points.weight @ points.values) / total
    centred = points.weight[:, None] * (points.values - mean[None])
    return mean, centred.T @ centred / total


def fit(options: PcaOptions, _key: Array, _state: PcaState, inputs: Inputs) -> tuple[PcaState, Array]:
    """Parameters of the greatest likelihood, and its logarithm in nats; eqs. 7, 8 and 4."""
    points = of_kind(inputs.parents[0], Points)
    mean, scatter = covariance(points)
    num_columns, latent_dim = len(mean), options.latent_dim
    eigenvalues, vectors = jnp.linalg.eigh(scatter)  # in ascending order
    eigenvalues, vectors = jnp.maximum(eigenvalues[::-1], 0), vectors[:, ::-1]
    average = eigenvalues.mean()
    noise = jnp.maximum(eigenvalues[latent_dim:].mean(), LEAST_NOISE * average)
    noise = jnp.where(average > 0, noise, 1.0)  # all rows alike, or none
    # An eigenvector is one up to its sign.
    largest = jnp.take_along_axis(vectors, jnp.abs(vectors).argmax(0, keepdims=True), axis=0)  # (1, D)
    axes = (vectors * jnp.sign(largest))[:, :latent_dim]
    loadings = axes * jnp.sqrt(jnp.maximum(eigenvalues[:latent_dim] - noise, 0))[None]
    # C = W W' + v I has the eigenvalues l_1, ..., l_Q and v, and the eigenvectors of the covariance.
    variances = jnp.where(jnp.arange(num_columns) < latent_dim, jnp.maximum(eigenvalues, noise), noise)
    terms = jnp.log(2 * jnp.pi) + jnp.log(variances) + eigenvalues / variances  # (D,)
    return PcaState(mean, loadings, noise), -0.5 * points.weight.sum() * terms.sum()


def latent_mean(state: PcaState, points: Points, prior: Array) -> Array:
    """E[z | x, c], (N, Q), of points and prior means c (N, Q); c itself where the point is missing."""
    product = state.loadings.T @ state.loadings + state.noise * jnp.eye(state.loadings.shape[1])  # M
    evidence = (points.values - state.mean[None]) @ state.loadings + state.noise * prior  # (N, Q)
    posterior = solve(product, evidence.T, assume_a="pos").T
    return jnp.where(points.weight[:, None] > 0, posterior, prior)


def predict(state: PcaState, z: Array) -> Array:
    """E[x | z], (N, D), of z (N, Q)."""
    return z @ state.loadings.T + state.mean[None]


def infer(rule: Rule, state: PcaState, inputs: Inputs) -> Outputs:
    """Messages, latent means and reconstructions of items.

    Forward goes E[z | x], without what the child sent. Backward goes what the child's message predicts of x, without
    what the parent sent; in Serket's form, the reconstruction.
    """
    points, child = of_kind(inputs.parents[0], Points), of_kind(inputs.child, Points)
    z = latent_mean(state, points, child.values)  # a missing row of the child's is 0, the mean of p(z)
    sent = latent_mean(state, points, jnp.zeros_like(child.values))
    reconstruction = predict(state, z)
    prediction = predict(state, child.values) if rule == "cavity" else reconstruction
    return Outputs(
        forward=Points(sent, points.weight),
        backward=(Points(prediction, jnp.ones_like(points.weight)),),
        items={"z": z, "x_hat": reconstruction},
    )


def sample(key: Array, state: PcaState, inputs: Inputs) -> tuple[Points]:
    """Points (N, D) drawn from p(x | z), z as the child sent it, or from N(0, I) where it sent nothing."""
    child = of_kind(inputs.child, Points)
    latent_key, noise_key = jax.random.split(key)
    drawn = jax.random.normal(latent_key, child.values.shape)
    z = jnp.where(child.weight[:, None] > 0, child.values, drawn)
    mean = predict(state, z)
    values = mean + jnp.sqrt(state.noise) * jax.random.normal(noise_key, mean.shape)
    return (Points(values, jnp.ones_like(child.weight)),)


def params(state: PcaState) -> dict[str, Array]:
    return {"mean": state.mean, "loadings": state.loadings, "noise": state.noise}


def build(options: PcaOptions, _ports: tuple[Port, ...], rule: Rule) -> Module[PcaState]:
    """The module for one input; `Info.trace` and `Info.objective` are the log likelihood of the points, nats."""
    return iterated(
        partial(init, options),
        partial(fit, options),
        partial(infer, rule),
        iterations=1,
        sample=sample,
        params=params,
    )
