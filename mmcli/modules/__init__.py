"""The table of modules: what each type is called, takes, sends, and can be told.

It imports no jax, so that a config is checked against it before anything is compiled. The mathematics
of a type is in the file of that name beside this one and is imported when a run starts.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


Rule: TypeAlias = Literal["cavity", "serket"]  # what a backward message leaves out


class Kind(StrEnum):
    """What the rows of a message are."""

    POINTS = "points"
    CATEGORICAL = "categorical"
    COUNTS = "counts"


class Port(NamedTuple):
    """One end of an arrow: rows of `width` columns of a kind. Both directions share it."""

    kind: Kind
    width: int


class Options(BaseModel):
    """Base of a module type's options: unknown keys are errors, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ObservationOptions(Options):
    pass


class VaeOptions(Options):
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
    sends: Literal["mean", "sample"] = Field("mean", description="what goes forward: the mean of q(z | x) or a draw")


class GmmOptions(Options):
    num_classes: PositiveInt = Field(description="components of the mixture")
    sweeps: PositiveInt = Field(100, description="blocked Gibbs sweeps in one update")
    chains: PositiveInt = Field(4, description="chains run side by side; the one of the best evidence is kept")
    message_weight: PositiveFloat = Field(30.0, description="power of the child's message; 1 is plain Bayes")
    prior_scale: PositiveFloat = Field(
        0.1, description="diagonal of the prior scatter matrix S0, as a share of each column's variance"
    )


class MldaOptions(Options):
    num_classes: PositiveInt = Field(description="topics")
    weights: tuple[PositiveFloat, ...] | None = Field(
        None, description="what the rows of each input are scaled to sum to; as they come when left out"
    )
    sweeps: PositiveInt = Field(30, description="variational sweeps in one update")
    anneal_sweeps: PositiveInt = Field(40, description="sweeps that cool the starts from a high temperature")
    restarts: PositiveInt = Field(12, description="starts in one update, the last solution among them")
    alpha: PositiveFloat = Field(0.1, description="Dirichlet prior of the topics of an item")
    beta: PositiveFloat = Field(0.1, description="Dirichlet prior of the words of a topic")


@dataclass(frozen=True)
class ModuleType:
    """What the rest of mmcli may know of a module type before it is built.

    Attributes:
        summary: one line for `mmcli modules`.
        options: the options it takes from the config.
        accepts: the kinds it takes from a parent, the preferred one first; empty for a source.
        sends: the kinds it can send forward; a child takes the first it accepts.
        max_inputs: the most parents it can have; None is any number.
        width: columns of its forward message, from its options; None for an observation (the data's).
        input_range: bounds of the values of observed inputs, from its options; None is no bound.
        remedy: what to try when its numbers diverge.
        trace: what the value recorded at each inner iteration is called in the run directory.
        scales_counts: whether rows of counts are scaled to a weight of their own, from its options.
        in_units_of_input: which of the arrays it reports have the columns of its only input, in the same units.
    """

    summary: str
    options: type[Options]
    accepts: tuple[Kind, ...]
    sends: tuple[Kind, ...]
    max_inputs: int | None
    width: Callable[[Any], int] | None
    input_range: Callable[[Any], tuple[float, float] | None] = lambda options: None
    remedy: str = ""
    trace: str = "loglik"
    in_units_of_input: tuple[str, ...] = ()
    scales_counts: Callable[[Any], bool] = lambda options: False


MODULES: Mapping[str, ModuleType] = {
    "observation": ModuleType(
        summary="data as they were observed: vectors or word counts, whichever its children take",
        options=ObservationOptions,
        accepts=(),
        sends=(Kind.POINTS, Kind.COUNTS),
        max_inputs=0,
        width=None,
    ),
    "vae": ModuleType(
        summary="variational autoencoder whose prior means come from the graph",
        options=VaeOptions,
        accepts=(Kind.POINTS,),
        sends=(Kind.POINTS,),
        max_inputs=1,
        width=lambda options: options.latent_dim,
        input_range=lambda options: (0.0, 1.0) if options.likelihood == "bernoulli" else None,
        remedy="try a smaller learning_rate or kl_weight",
        trace="loss",
        in_units_of_input=("x_hat",),
    ),
    "gmm": ModuleType(
        summary="Gaussian mixture under a normal-inverse-Wishart prior, by blocked Gibbs sampling",
        options=GmmOptions,
        accepts=(Kind.POINTS,),
        sends=(Kind.CATEGORICAL,),
        max_inputs=1,
        width=lambda options: options.num_classes,
        remedy="try a smaller message_weight; where its points come from a vae, a smaller learning_rate of that",
        in_units_of_input=("mu",),
    ),
    "mlda": ModuleType(
        summary="multimodal latent Dirichlet allocation, by annealed variational inference",
        options=MldaOptions,
        accepts=(Kind.COUNTS, Kind.CATEGORICAL),
        sends=(Kind.CATEGORICAL,),
        max_inputs=None,
        width=lambda options: options.num_classes,
        remedy="try smaller weights, or alpha and beta nearer to 0.1",
        scales_counts=lambda options: options.weights is not None,
    ),
}


def build(type_name: str, options: Options, ports: Sequence[Port], rule: Rule) -> Any:
    """The `mmcli.module.Module` of a type; this is where jax comes in.

    Args:
        type_name: a key of MODULES other than `observation`.
        options: an instance of the type's options.
        ports: kind and width of each input, in the order of the config.
        rule: what a backward message leaves out.
    """
    return importlib.import_module(f"mmcli.modules.{type_name}").build(options, tuple(ports), rule)
