"""Layers of encoder and decoder against XLA's convolution, matrices written out, and each other, in float64."""

import jax
import numpy as np
import pytest

from mmcli.modules.vae import model, networks
from mmcli.modules.vae.networks import Dense, Kernel
from mmcli.modules.vae.shapes import Conv, Mlp, num_weights
from mmcli.modules.vae.spec import VaeOptions

GRIDS = [(6, 4), (7, 3), (1, 5), (2, 1)]
C, F, N = 3, 2, 4


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def halved(side):
    return -(-side // 2)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_convolution_is_that_of_xla(grid):
    images, kernel, bias = drawn(C, *grid, N), drawn(16 * C, F), drawn(F)
    frames = [(1, 2 * halved(side) + 1 - side) for side in grid]
    # Columns are cell by cell, in each the 2 x 2 pixels, in each the channels.
    squares = kernel.reshape(2, 2, 2, 2, C, F).transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, C, F)

    found = networks.convolved(images, Kernel(kernel, bias))

    layout = ("CHWN", "HWIO", "CHWN")
    expected = jax.lax.conv_general_dilated(images, squares, (2, 2), frames, dimension_numbers=layout)
    assert found.shape == (F, *map(halved, grid), N)
    np.testing.assert_allclose(found, expected + bias[:, None, None, None], rtol=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_transposed_one_is_its_adjoint(grid):
    images, kernel = drawn(C, *grid, N), drawn(16 * C, F)
    others = drawn(F, *map(halved, grid), N)

    there = networks.convolved(images, Kernel(kernel, np.zeros(F)))
    back = networks.transposed(others, Kernel(kernel, np.zeros(C)), grid)

    assert back.shape == images.shape
    np.testing.assert_allclose((there * others).sum(), (images * back).sum(), rtol=1e-12)
    biased = networks.transposed(others, Kernel(kernel, np.arange(C)), grid)
    np.testing.assert_allclose(biased - back, np.arange(C)[:, None, None, None] * np.ones(back.shape), atol=1e-12)


def test_rows_become_images_pixel_by_pixel_with_their_colors_and_back():
    pixels = np.arange(2 * 3 * 4 * 3.0).reshape(2, 3, 4, 3)  # (N, H, W, colors), as `mmcli data images` has them
    images = networks.as_images(pixels.reshape(2, -1), 3, 4)

    assert images.shape == (3, 3, 4, 2)
    assert images[1, 2, 3, 0] == pixels[0, 2, 3, 1]
    np.testing.assert_array_equal(networks.as_rows(images), pixels.reshape(2, -1))


def test_dense_layers_follow_each_other():
    options = VaeOptions(latent_dim=2, encoder=Mlp(type="mlp", hidden=(4, 3)))
    params, x, z = fresh(options, 5), drawn(N, 5), drawn(N, 2)

    mean, log_var = model.encode(options, params, x)
    output = model.decode(options, params, z)

    for layer in params.encoder:
        x = np.maximum(x @ layer.weights + layer.bias, 0)
    np.testing.assert_allclose(np.c_[mean, log_var], x @ params.code.weights + params.code.bias, rtol=1e-12)
    for layer in params.decoder:
        z = np.maximum(z @ layer.weights + layer.bias, 0)
    np.testing.assert_allclose(output, z @ params.output.weights + params.output.bias, rtol=1e-12)


def test_convolutions_are_those_of_the_layers_with_rectified_units_between():
    options = VaeOptions(latent_dim=2, encoder=Conv(type="conv", channels=(3, 2), shape=(5, 4)))
    params, x, z = fresh(options, 20), drawn(N, 20), drawn(N, 2)

    mean, log_var = model.encode(options, params, x)
    output = model.decode(options, params, z)

    images = x.reshape(N, 5, 4, 1).transpose(3, 1, 2, 0)
    for layer in params.encoder:
        images = np.maximum(networks.convolved(images, layer), 0)
    features = images.transpose(3, 1, 2, 0).reshape(N, -1)
    np.testing.assert_allclose(np.c_[mean, log_var], features @ params.code.weights + params.code.bias, rtol=1e-12)
    first, middle = params.decoder
    images = np.maximum(z @ first.weights + first.bias, 0).reshape(N, 2, 1, 2).transpose(3, 1, 2, 0)
    images = np.maximum(networks.transposed(images, middle, (3, 2)), 0)
    images = networks.transposed(images, params.output, (5, 4))
    np.testing.assert_allclose(output, images.transpose(3, 1, 2, 0).reshape(N, -1), rtol=1e-12)


def fresh(options, width):
    """Weights that training begins with, in numpy."""
    keys = jax.random.split(jax.random.key(0), 4)
    encoder, num_features = networks.init_encoder(keys[0], options.encoding, width)
    code = networks.init_dense(keys[1], num_features, 2 * options.latent_dim)
    decoder, output = networks.init_decoder(keys[2], keys[3], options.decoding, options.latent_dim, width)
    return jax.tree.map(np.asarray, model.VaeParams(encoder, code, decoder, output))


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_dim": 7},
        {"encoder": Mlp(type="mlp", hidden=(7, 3, 5))},
        {"encoder": Mlp(type="mlp", hidden=(7,)), "decoder": Mlp(type="mlp", hidden=(3, 4))},
        {"encoder": Conv(type="conv", channels=(4,), shape=(4, 6))},
        {"encoder": Conv(type="conv", channels=(4, 3), shape=(4, 2, 3))},
        {"decoder": Conv(type="conv", channels=(4, 3), shape=(8, 3))},
    ],
    ids=str,
)
def test_weights_are_as_many_as_reckoned_and_layers_start_within_their_bounds(options):
    options = VaeOptions(latent_dim=2, **options)
    params = fresh(options, 24)

    numbers = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert numbers == num_weights(options.encoding, options.decoding, 24, 2)
    for leaf in jax.tree.leaves(params):
        assert 0 < np.abs(leaf).max() <= 1
    assert model.decode(options, params, drawn(N, 2)).shape == (N, 24)


def test_one_hidden_layer_is_what_hidden_dim_is_short_for():
    short, written = (
        VaeOptions(latent_dim=2, hidden_dim=7),
        VaeOptions(latent_dim=2, encoder=Mlp(type="mlp", hidden=(7,))),
    )
    one, same = fresh(short, 5), fresh(written, 5)

    assert isinstance(one.encoder, Dense)  # its name in params.npz is that of a layer alone
    assert jax.tree.structure(one) == jax.tree.structure(same)
    assert all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(same)))


def test_the_decoder_has_the_layers_of_the_encoder_in_reverse_order():
    options = VaeOptions(latent_dim=2, encoder=Conv(type="conv", channels=(4, 3), shape=(9, 6)))
    params = fresh(options, 54)

    assert options.decoding == Conv(type="conv", channels=(3, 4), shape=(9, 6))
    assert options.encoding.grids == options.decoding.grids == [(9, 6), (5, 3), (3, 2)]
    shapes = [layer[0].shape for layer in (*params.encoder, params.code, *params.decoder, params.output)]
    assert shapes == [(16, 4), (64, 3), (18, 4), (2, 18), (64, 3), (16, 4)]
