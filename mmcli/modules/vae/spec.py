"""Specification of the variational autoencoder: options, ports and reports."""

from collections.abc import Sequence
from typing import Literal

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
    Role,
    Trace,
)


class VaeOptions(Options):
    """Options of a variational autoencoder."""

    latent_dim: PositiveInt = Field(description="dimensions of the latent space")
    hidden_dim: PositiveInt = Field(128, description="units of the hidden layer of encoder and decoder")
    epochs: PositiveInt = Field(200, description="passes over the data in one update")
    batch_size: PositiveInt = Field(500, description="items in a gradient step")
    learning_rate: PositiveFloat = Field(1e-3, description="step size of Adam")
    kl_weight: PositiveFloat = Field(1.0, description="factor of the Kullback-Leibler term of the loss")
    likelihood: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli",
        description="p(x | z): bernoulli for data in [0, 1], gaussian for others, of a tenth of each column's variance",
    )
    sends: Literal["mean", "sample"] = Field("mean", description="forward message: the mean of q(z | x) or a draw")


def output(options: VaeOptions, _ports: Sequence[Port]) -> Port:
    """Port to the child: points of the latent space."""
    return Port(Kind.POINTS, options.latent_dim)


def bounds(options: VaeOptions) -> tuple[float, float] | None:
    """Range that the data have to lie in; None where any is allowed."""
    return (0.0, 1.0) if options.likelihood == "bernoulli" else None


def memory(options: VaeOptions, load: Load) -> int:
    """Bytes that a module needs at its peak, about."""
    (width,), (stored,), hidden = load.widths, load.stored, options.hidden_dim
    weights = (width + 1 + options.latent_dim * 3) * hidden + (hidden + 1) * width
    batch = min(options.batch_size, load.num_items) * (width + 2 * hidden)
    held = 0 if any(load.packed) else stored
    training = held + 10 * weights + batch  # old and new weights, their two moments, gradients
    # Many items are encoded and decoded in blocks, and many reconstructions of them as they are written.
    block, reconstructions = min(load.num_items, ROWS) * (2 * width + 2 * hidden), 0 if stored > LATE_VALUES else stored
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
    reports={"z": Role.LATENT, "x_hat": Role.RECONSTRUCTION},
    memory=memory,
    trace=Trace("loss", "nats an item", "down"),
    objective=Objective("evidence lower bound", "nats", loss="loss"),
    remedy="try a smaller learning_rate or kl_weight",
    memory_remedy="give it fewer items or columns, or a smaller hidden_dim, latent_dim or batch_size",
)
