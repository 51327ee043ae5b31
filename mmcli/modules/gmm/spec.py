"""Specification of the Gaussian mixture: options, ports and reports."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from mmcli.modules.block_sizes import ROWS
from mmcli.modules.class_count import AUTO, ClassOptions, NumClasses, num_small_clusters
from mmcli.modules.covariance import Covariance, suitable_form
from mmcli.modules.spec import (
    InputSpec,
    Kind,
    Load,
    ModuleSpec,
    Objective,
    Port,
    PositiveFloat,
    PositiveInt,
    Role,
    Trace,
)

FINER = 3  # components for each class at the beginning of a start


class GmmOptions(ClassOptions):
    """Options of a Gaussian mixture."""

    num_classes: NumClasses = Field(
        description="components of the mixture; auto, or {max: 30}: as many as it shares with its child"
    )
    covariance: Covariance | Literal["auto"] = Field(
        AUTO,
        description="one covariance a class (full), variances alone (diagonal), one covariance for all (tied);"
        " auto: full, or diagonal where a class has fewer items than there are columns",
    )
    sweeps: PositiveInt = Field(100, description="blocked Gibbs sweeps in one update")
    chains: PositiveInt = Field(4, description="chains run side by side; the one of the best evidence is kept")
    message_weight: PositiveFloat = Field(30.0, description="power of the child's message; 1 is plain Bayes")
    prior_scale: PositiveFloat = Field(
        0.1, description="diagonal of the prior scatter matrix S0, as a share of each column's variance"
    )


def output(options: GmmOptions, _ports: Sequence[Port]) -> Port:
    """Port to the child: a distribution over the classes."""
    return Port(Kind.CATEGORICAL, options.width)


def covariance_form(options: GmmOptions, num_items: int, num_columns: int) -> Covariance:
    """Form of the covariances of a mixture."""
    return suitable_form(options.covariance, options.width, num_items, num_columns)


def memory(options: GmmOptions, load: Load) -> int:
    """Bytes that a module needs at its peak, about."""
    width, num_items, num_classes, chains = sum(load.widths), load.num_items, options.width, options.chains
    memberships = num_items * num_classes
    form = covariance_form(options, num_items, width)
    covariance_size = width if form == "diagonal" else width**2
    # Measured: about 28 copies besides those of the chains, most of them while parameters are reported and saved.
    covariances = (2 * chains + 28) * (1 if form == "tied" else num_classes) * covariance_size
    whitened = num_items * num_classes * min(width, 64)
    sweeps = (2 * chains + 4) * memberships + max(covariances, whitened)
    points, latent_classes = 3 * num_items * width, 0
    if len(load.widths) > 1:  # half of the chains begin with latent classes; missing columns are drawn
        points, latent_classes = points + (2 * chains + 4) * num_items * width, 17 * chains * memberships
    joined = 1.5 * min(num_items, ROWS) * num_small_clusters(num_classes, num_items)  # clusters of a chain's start
    return int(4 * (points + max(sweeps, latent_classes, joined) + 2 * options.sweeps * chains))


def finer(options: GmmOptions) -> GmmOptions:
    """Options with so many classes that few of them join two that a child can tell apart."""
    return options.model_copy(update={"num_classes": FINER * options.width})


SPEC = ModuleSpec(
    name="gmm",
    summary="Gaussian mixture under a normal-inverse-Wishart prior, by blocked Gibbs sampling",
    options=GmmOptions,
    inputs=InputSpec((Kind.POINTS,)),
    sends=(Kind.CATEGORICAL,),
    output=output,
    build="mmcli.modules.gmm.model:build",
    reports={"class": Role.CLASS, "Pdz": Role.PROBABILITIES, "mu": Role.CENTRES},
    memory=memory,
    trace=Trace("loglik", "nats", "up", title="log likelihood"),
    objective=Objective("shared evidence", "nats"),
    keeps_cavity=False,  # a point's class is inferred with the point itself
    restartable=True,
    finer=finer,
    remedy="try a smaller message_weight; where its points come from a vae, a smaller learning_rate of that",
    memory_remedy="give it fewer columns, by a vae between the data and it, or fewer items, classes or chains",
)
