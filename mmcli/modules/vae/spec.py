"""Specification of the variational autoencoder: options, ports and reports."""

import math
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from pydantic import Field

from mmcli.modules.block_sizes import LATE_VALUES, ROWS
from mmcli.modules.spec import (
    InputSpec,
    Kind,
    Load,
    ModuleSpec,
    Objective,
    Options,
    Port,
    PositiveFloat,
    PositiveInt,
    Problem,
    Role,
    Trace,
)
from mmcli.modules.vae.shapes import Conv, Mlp, Network, num_units, num_values, num_weights

# Of a Gaussian output, where columns come in units of their own variance: more, and structure of single columns is
# lost as noise; less, and noise takes up the latent variable.
VARIANCE = 0.1
LEARNED: Final = "learned"
VARIANCE_RATE = 0.1  # share of the way to the variance that fits best, in an epoch; it begins at VARIANCE
LEAST_VARIANCE = 1e-3  # that is learned: a column that the latent space holds exactly has a likelihood without bound


class VaeOptions(Options):
    """Options of a variational autoencoder."""

    latent_dim: PositiveInt = Field(description="dimensions of the latent space")
    hidden_dim: PositiveInt = Field(
        128,
        description="units of one hidden layer of encoder and decoder; in full encoder: {type: mlp, hidden: [128]}",
    )
    encoder: Network | None = Field(
        None, description="network from the data to the latent space; null: one hidden layer of hidden_dim units"
    )
    decoder: Network | None = Field(
        None, description="network from the latent space to the data; null: the layers of the encoder in reverse order"
    )
    epochs: PositiveInt = Field(200, description="passes over the data in one update")
    batch_size: PositiveInt = Field(500, description="items in a gradient step")
    learning_rate: PositiveFloat = Field(1e-3, description="step size of Adam")
    kl_weight: PositiveFloat = Field(1.0, description="factor of the Kullback-Leibler term of the loss")
    likelihood: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli", description="p(x | z): bernoulli for data in [0, 1], gaussian for others"
    )
    variance: PositiveFloat | Literal["learned"] = Field(
        VARIANCE,
        description="of a gaussian likelihood, in every column that share of the column's own variance;"
        " learned: one for each column, from the data",
    )
    sends: Literal["mean", "sample"] = Field("mean", description="forward message: the mean of q(z | x) or a draw")

    @property
    def encoding(self) -> Mlp | Conv:
        """Network of the encoder."""
        return Mlp(type="mlp", hidden=(self.hidden_dim,)) if self.encoder is None else self.encoder

    @property
    def decoding(self) -> Mlp | Conv:
        """Network of the decoder."""
        return self.encoding.mirrored() if self.decoder is None else self.decoder


def output(options: VaeOptions, _ports: Sequence[Port]) -> Port:
    """Port to the child: points of the latent space."""
    return Port(Kind.POINTS, options.latent_dim)


def bounds(options: VaeOptions) -> tuple[float, float] | None:
    """Range that the data have to lie in; None where any is allowed."""
    return (0.0, 1.0) if options.likelihood == "bernoulli" else None


def check(options: VaeOptions, ports: Sequence[Port]) -> Iterator[Problem]:
    """Check that images have the columns of the input, and that options belong together."""
    width = ports[0].width
    if options.encoder is not None and options.hidden_dim != VaeOptions.model_fields["hidden_dim"].default:
        yield "hidden_dim", "belongs to a vae without encoder, which lists its layers; remove one"
    if options.likelihood != "gaussian" and options.variance != VARIANCE:
        yield "variance", "belongs to likelihood: gaussian; remove it"
    for name, network in {"encoder": options.encoder, "decoder": options.decoder}.items():
        if not isinstance(network, Conv):
            continue
        size, shape = math.prod(network.shape), " x ".join(map(str, network.shape))
        if width is not None and size != width:
            yield (name, "shape"), f"{shape} is {size} values, and the input has {width} columns"
        needed = next((place for place, grid in enumerate(network.grids) if grid == (1, 1)), len(network.channels))
        if needed < len(network.channels):
            text = f"{needed} of these {len(network.channels)} layers halve {shape} to one pixel; give fewer"
            one = "there is one pixel, and nothing to halve; take type: mlp"
            yield (name, "channels"), text if needed else one


def picture(options: VaeOptions) -> tuple[int, ...] | None:
    """Height, width and any colors of the pictures that the rows of its input are; None where it has no convolution."""
    network = options.encoding if isinstance(options.encoding, Conv) else options.decoding
    return network.shape if isinstance(network, Conv) else None


def memory(options: VaeOptions, load: Load) -> int:
    """Bytes that a module needs at its peak, about."""
    (width,), (stored,) = load.widths, load.stored
    weights = num_weights(options.encoding, options.decoding, width, options.latent_dim)
    # The layers of a decoder are counted in the order of an encoder's.
    encoder, decoder = options.encoding, options.decoding.mirrored()
    largest = max(num_values(encoder), num_values(decoder))
    units = num_units(encoder) + num_units(decoder)
    batch = min(options.batch_size, load.num_items) * (width + 2 * units + largest)
    held = 0 if any(load.packed) else stored
    training = held + 10 * weights + batch  # old and new weights, their two moments, gradients
    # Many items are encoded and decoded in blocks, and many reconstructions of them as they are written.
    block = min(load.num_items, ROWS) * (2 * width + largest)
    reconstructions = 0 if stored > LATE_VALUES else stored
    inference = held + reconstructions + block + 6 * weights
    return 4 * (max(training, inference) + 4 * load.num_items * options.latent_dim + 2 * options.epochs)


SPEC = ModuleSpec(
    name="vae",
    summary="variational autoencoder whose prior means come from the graph",
    options=VaeOptions,
    inputs=InputSpec((Kind.POINTS,), maximum=1, bounds=bounds, packed=True),
    sends=(Kind.POINTS,),
    output=output,
    build="mmcli.modules.vae.model:build",
    check=check,
    reports={"z": Role.LATENT, "x_hat": Role.RECONSTRUCTION},
    memory=memory,
    picture=picture,
    trace=Trace("loss", "nats an item", "down"),
    objective=Objective("evidence lower bound", "nats", loss="loss"),
    remedy="try a smaller learning_rate or kl_weight",
    memory_remedy="give it fewer items or columns, or a smaller hidden_dim, encoder, latent_dim or batch_size",
)
