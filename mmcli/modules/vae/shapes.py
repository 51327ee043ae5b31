"""Networks of encoder and decoder as options: their layers and sizes. No jax."""

import math
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, WithJsonSchema

from mmcli.modules.spec import Options, PositiveInt

SIDE, STRIDE = 4, 2  # of the square that a convolution covers, and its step: a layer halves height and width


class Mlp(Options):
    """Dense layers, each followed by rectified linear units."""

    type: Literal["mlp"]
    hidden: tuple[PositiveInt, ...] = Field(min_length=1, description="units of each hidden layer, in order")

    def mirrored(self) -> "Mlp":
        """Network of the same layers in reverse order."""
        return self.model_copy(update={"hidden": self.hidden[::-1]})


class Conv(Options):
    """Convolutions, in a decoder transposed ones, each followed by rectified linear units."""

    type: Literal["conv"]
    channels: tuple[PositiveInt, ...] = Field(
        min_length=1, description="channels of each hidden layer, in order; an encoder's halves height and width"
    )
    shape: tuple[PositiveInt, ...] = Field(
        min_length=2, max_length=3, description="height and width of an image, and its colors if it has several"
    )

    def mirrored(self) -> "Conv":
        """Network of the same layers in reverse order."""
        return self.model_copy(update={"channels": self.channels[::-1]})

    @property
    def num_colors(self) -> int:
        """Values of a pixel."""
        return (*self.shape, 1)[2]

    @property
    def grids(self) -> list[tuple[int, int]]:
        """Height and width of the image, and after each layer of an encoder: half of it, rounded up."""
        height, width = self.shape[:2]
        scales = [STRIDE**layer for layer in range(len(self.channels) + 1)]
        return [(-(-height // scale), -(-width // scale)) for scale in scales]

    @property
    def num_cells(self) -> int:
        """Pixels of the smallest grid."""
        return math.prod(self.grids[-1])


# Written out, as the models refer to nothing else: a reader of the schema then needs no definitions.
_CHOICES = {"anyOf": [Mlp.model_json_schema(), Conv.model_json_schema()]}
Network: TypeAlias = Annotated[Mlp | Conv, Field(discriminator="type"), WithJsonSchema(_CHOICES)]


def num_weights(encoder: Mlp | Conv, decoder: Mlp | Conv, width: int, latent_dim: int) -> int:
    """Numbers that both networks learn, for rows of so many columns."""
    if isinstance(encoder, Mlp):
        layers = [*pairwise((width, *encoder.hidden)), (encoder.hidden[-1], 2 * latent_dim)]
    else:
        layers = [(SIDE**2 * inputs, outputs) for inputs, outputs in pairwise((encoder.num_colors, *encoder.channels))]
        layers.append((encoder.num_cells * encoder.channels[-1], 2 * latent_dim))
    if isinstance(decoder, Mlp):
        layers += pairwise((latent_dim, *decoder.hidden, width))
    else:
        layers.append((latent_dim, decoder.num_cells * decoder.channels[0]))
        layers += [(SIDE**2 * inputs, outputs) for inputs, outputs in pairwise((*decoder.channels, decoder.num_colors))]
    return sum((inputs + 1) * outputs for inputs, outputs in layers)


def num_units(network: Mlp | Conv) -> int:
    """Units of the hidden layers of an encoder, or of the decoder that mirrors it."""
    return sum(network.hidden) if isinstance(network, Mlp) else sum(_units(network)[1:])


def num_values(network: Mlp | Conv) -> int:
    """Numbers an item that its largest layer computes with, about."""
    if isinstance(network, Mlp):
        return 2 * max(network.hidden)
    # A convolution gathers four times the numbers of the finer of its two grids.
    return max(5 * finer + coarser for finer, coarser in pairwise(_units(network)))


def _units(network: Conv) -> list[int]:
    """Units of each grid, from the image to the smallest one, of an encoder or the decoder that mirrors it."""
    channels = (network.num_colors, *network.channels)
    return [math.prod(grid) * number for grid, number in zip(network.grids, channels, strict=True)]
