"""Networks of encoder and decoder: dense layers, and convolutions by products of matrices.

A convolution covers 4 x 4 pixels in steps of 2, which is 2 x 2 cells of 2 x 2 pixels each. What it covers is gathered
by slices and multiplied at once: of XLA's own convolutions two side by side, as those of gradients are, may wait for
each other on a CPU for ever. Items are the last axis of images, so that slices are runs of memory.

N items, H rows and W columns of pixels, C channels before a layer and F after it.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias, TypeVar, cast

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.vae.shapes import SIDE, STRIDE, Conv, Mlp

_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # of the 2 x 2 cells that a convolution covers


class Dense(NamedTuple):
    """An affine layer: x @ weights + bias."""

    weights: Array  # (in, out)
    bias: Array  # (out,)


class Kernel(NamedTuple):
    """A convolution, or its transpose."""

    kernel: Array  # (16 I, O); I channels of the finer image, O of the coarser: cell, row and column in it, channel
    bias: Array  # (F,)


Layer: TypeAlias = Dense | Kernel
SomeLayer = TypeVar("SomeLayer", Dense, Kernel)
Layers: TypeAlias = Layer | tuple[Layer, ...]  # a layer alone stands for itself


def dense(layer: Dense, x: Array) -> Array:
    """Apply an affine layer to x (..., in): (..., out)."""
    return x @ layer.weights + layer.bias[None, :]


def init_dense(key: Array, fan_in: int, fan_out: int) -> Dense:
    """Draw weights (fan_in, fan_out) and bias (fan_out,) uniform in +-1/sqrt(fan_in).

    PyTorch's nn.Linear, and so the reference's layers, start like this.
    """
    return Dense(*_drawn(key, fan_in, (fan_in, fan_out), fan_out))


def _drawn(key: Array, fan_in: int, shape: tuple[int, int], num_biases: int) -> tuple[Array, Array]:
    weights_key, bias_key = jax.random.split(key)
    limit = fan_in**-0.5
    return (
        jax.random.uniform(weights_key, shape, minval=-limit, maxval=limit),
        jax.random.uniform(bias_key, (num_biases,), minval=-limit, maxval=limit),
    )


def init_encoder(key: Array, network: Mlp | Conv, width: int) -> tuple[Layers, int]:
    """Draw the hidden layers of an encoder of rows of so many columns; the number of their outputs."""
    if isinstance(network, Mlp):
        return _init_mlp(key, (width, *network.hidden)), network.hidden[-1]
    sizes = pairwise((network.num_colors, *network.channels))
    layers = [
        Kernel(*_drawn(_layer_key(key, place), SIDE**2 * inputs, (SIDE**2 * inputs, outputs), outputs))
        for place, (inputs, outputs) in enumerate(sizes)
    ]
    return _packed(layers), network.num_cells * network.channels[-1]


def init_decoder(
    key: Array, output_key: Array, network: Mlp | Conv, latent_dim: int, width: int
) -> tuple[Layers, Layer]:
    """Draw the hidden layers of a decoder to rows of so many columns, and its last layer."""
    if isinstance(network, Mlp):
        return _init_mlp(key, (latent_dim, *network.hidden)), init_dense(output_key, network.hidden[-1], width)
    layers: list[Layer] = [init_dense(key, latent_dim, network.num_cells * network.channels[0])]
    sizes = [*pairwise((*network.channels, network.num_colors))]
    layers += [_init_transposed(_layer_key(key, place), *size) for place, size in enumerate(sizes[:-1], start=1)]
    return _packed(layers), _init_transposed(output_key, *sizes[-1])


def _init_mlp(key: Array, sizes: tuple[int, ...]) -> Layers:
    return _packed([init_dense(_layer_key(key, place), *size) for place, size in enumerate(pairwise(sizes))])


def _init_transposed(key: Array, inputs: int, outputs: int) -> Kernel:
    # An output pixel lies in a quarter of the squares that cover it in steps of 1.
    return Kernel(*_drawn(key, (SIDE // STRIDE) ** 2 * inputs, (SIDE**2 * outputs, inputs), outputs))


def _layer_key(key: Array, place: int) -> Array:
    return jax.random.fold_in(key, place) if place else key


def _packed(layers: Sequence[Layer]) -> Layers:
    return layers[0] if len(layers) == 1 else tuple(layers)


def _of_type(layers: Layers, kind: type[SomeLayer]) -> list[SomeLayer]:
    every = (layers,) if isinstance(layers, Dense | Kernel) else layers
    return [layer for layer in every if isinstance(layer, kind)]


def encoded(network: Mlp | Conv, layers: Layers, x: Array) -> Array:
    """Outputs (N, out) of the hidden layers of an encoder, of x (N, X)."""
    if isinstance(network, Mlp):
        return _through(layers, x)
    images = as_images(x, *network.shape[:2])
    for layer in _of_type(layers, Kernel):
        images = jax.nn.relu(convolved(images, layer))
    return as_rows(images)


def decoded(network: Mlp | Conv, layers: Layers, output: Layer, z: Array) -> Array:
    """Outputs (N, X) of a decoder, of z (N, D)."""
    hidden = _through(layers, z)
    if isinstance(network, Mlp) or isinstance(output, Dense):  # both, or neither
        return dense(cast("Dense", output), hidden)
    grids = network.grids[::-1]
    images = as_images(hidden, *grids[0])
    for layer, grid in zip(_of_type(layers, Kernel), grids[1:-1], strict=True):
        images = jax.nn.relu(transposed(images, layer, grid))
    return as_rows(transposed(images, output, grids[-1]))


def _through(layers: Layers, x: Array) -> Array:
    """Outputs (N, out) of the dense layers among these."""
    for layer in _of_type(layers, Dense):
        x = jax.nn.relu(dense(layer, x))
    return x


def as_images(rows: Array, height: int, width: int) -> Array:
    """Images (C, H, W, N) of rows (N, H W C)."""
    return rows.reshape(len(rows), height, width, -1).transpose(3, 1, 2, 0)


def as_rows(images: Array) -> Array:
    """Rows (N, H W C) of images (C, H, W, N)."""
    return images.transpose(3, 1, 2, 0).reshape(images.shape[3], -1)


def convolved(images: Array, layer: Kernel) -> Array:
    """Apply a convolution to images (C, H, W, N): (F, H / 2, W / 2, N), rounded up, a frame of zeros around them."""
    num_channels, height, width, num_items = images.shape
    rows, columns = -(-height // STRIDE), -(-width // STRIDE)
    framed = jnp.pad(images, ((0, 0), (1, 2 * rows + 1 - height), (1, 2 * columns + 1 - width), (0, 0)))
    cells = framed.reshape(num_channels, rows + 1, 2, columns + 1, 2, num_items).transpose(2, 4, 0, 1, 3, 5)
    cells = cells.reshape(4 * num_channels, rows + 1, columns + 1, num_items)
    covered = jnp.concatenate([cells[:, row : row + rows, column : column + columns] for row, column in _CORNERS])
    return _contracted(layer.kernel.T, covered) + layer.bias[:, None, None, None]


def transposed(images: Array, layer: Kernel, grid: tuple[int, int]) -> Array:
    """Apply the transpose of a convolution to images (C, H, W, N): (F, *grid, N); plus a bias."""
    height, width = grid
    _, rows, columns, num_items = images.shape
    parts = jnp.split(_contracted(layer.kernel, images), len(_CORNERS))
    framed = [
        jnp.pad(part, ((0, 0), (row, 1 - row), (column, 1 - column), (0, 0)))
        for part, (row, column) in zip(parts, _CORNERS, strict=True)
    ]
    cells = (framed[0] + framed[1]) + (framed[2] + framed[3])  # (4 F, H + 1, W + 1, N)
    pixels = cells.reshape(2, 2, -1, rows + 1, columns + 1, num_items).transpose(2, 3, 0, 4, 1, 5)
    pixels = pixels.reshape(-1, 2 * rows + 2, 2 * columns + 2, num_items)
    return pixels[:, 1 : height + 1, 1 : width + 1] + layer.bias[:, None, None, None]


def _contracted(matrix: Array, images: Array) -> Array:
    """Products (F, H, W, N) of a matrix (F, C) and the channels of images (C, H, W, N)."""
    # The axes stay apart, as devices divide the last one among them.
    return jax.lax.dot_general(matrix, images, (((1,), (0,)), ((), ())))
