"""The table of modules: what each type is called, takes, sends, and can be told.

It imports no jax, so that a config is checked against it before anything is compiled. The mathematics
of a type is in the file of that name beside this one and is imported when a run starts.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_COUNT = 2**31 - 1  # modules count in 32 bits
FLOAT32 = (1.1754944e-38, 3.4028234e38)  # smallest and largest positive numbers of full precision


def _in_32_bits(number: int) -> int:
    if number > MAX_COUNT:
        raise ValueError(f"must be below 2^31, it is counted in 32 bits (got {number})")
    return number


def _in_float32(number: float) -> float:
    if not FLOAT32[0] <= number <= FLOAT32[1]:
        raise ValueError(f"must be a number that float32 holds, 1.2e-38 to 3.4e+38 (got {number})")
    return number


PositiveInt = Annotated[int, Field(ge=1), AfterValidator(_in_32_bits)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_in_float32)]


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


class Load(NamedTuple):
    """What a module computes on.

    Attributes:
        num_items: N.
        widths: columns of each input.
        stored: numbers kept of each input: all N times its width, or fewer where it is sparse.
    """

    num_items: int
    widths: tuple[int, ...]
    stored: tuple[int, ...]


def _vae_memory(options: VaeOptions, load: Load) -> int:
    (width,), (stored,), hidden = load.widths, load.stored, options.hidden_dim
    weights = (width + 1 + options.latent_dim * 3) * hidden + (hidden + 1) * width
    batch = min(options.batch_size, load.num_items) * (width + 2 * hidden)
    training = stored + 10 * weights + batch  # old and new weights, their two moments, gradients
    answering = 4 * stored + 2 * load.num_items * hidden + 6 * weights
    return 4 * (max(training, answering) + 4 * load.num_items * options.latent_dim + 2 * options.epochs)


def _gmm_memory(options: GmmOptions, load: Load) -> int:
    (width,), num_items, num_classes, chains = load.widths, load.num_items, options.num_classes, options.chains
    products = num_items * width**2  # of each pair of features, for each item
    messages = (2 * chains + 4) * num_items * num_classes
    covariances = (chains + 8) * num_classes * width**2
    return 4 * (products + messages + covariances + 3 * num_items * width + 2 * options.sweeps * chains)


def _mlda_memory(options: MldaOptions, load: Load) -> int:
    num_items, num_topics, starts = load.num_items, options.num_classes, options.restarts
    copies = 1.2 if options.weights is None else 3.3  # as they come, or scaled
    dense = [stored == num_items * width for stored, width in zip(load.stored, load.widths, strict=True)]
    counts = sum(
        stored * (copies if is_dense else 18) for stored, is_dense in zip(load.stored, dense, strict=True)
    )  # sparse ones are kept in both orders, with the indices of each
    topics = (2 * starts + 4) * num_topics * sum(load.widths)
    return int(4 * (counts + 5 * num_items * starts * num_topics + topics + 4 * num_items * num_topics))


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
        memory: bytes at the peak of an update, about, from its options and the load; 0 for an observation.
        remedy: what to try when its numbers diverge.
        memory_remedy: what to try when its memory is too much.
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
    input_range: Callable[[Any], tuple[float, float] | None] = lambda _: None
    memory: Callable[[Any, Load], int] = lambda *_: 0
    remedy: str = ""
    memory_remedy: str = ""
    trace: str = "loglik"
    in_units_of_input: tuple[str, ...] = ()
    scales_counts: Callable[[Any], bool] = lambda _: False


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
        memory=_vae_memory,
        remedy="try a smaller learning_rate or kl_weight",
        memory_remedy="give it fewer items or columns, or a smaller hidden_dim, latent_dim or batch_size",
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
        memory=_gmm_memory,
        remedy="try a smaller message_weight; where its points come from a vae, a smaller learning_rate of that",
        memory_remedy="give it fewer columns, by a vae between the data and it, or fewer items, classes or chains",
        in_units_of_input=("mu",),
    ),
    "mlda": ModuleType(
        summary="multimodal latent Dirichlet allocation, by annealed variational inference",
        options=MldaOptions,
        accepts=(Kind.COUNTS, Kind.CATEGORICAL),
        sends=(Kind.CATEGORICAL,),
        max_inputs=None,
        width=lambda options: options.num_classes,
        memory=_mlda_memory,
        remedy="try smaller weights, or alpha and beta nearer to 0.1",
        memory_remedy="give it fewer restarts, classes, items or columns",
        scales_counts=lambda options: options.weights is not None,
    ),
}


def build(type_name: str, options: Options, ports: Sequence[Port], rule: Rule) -> Any:
    """The `mmcli.modules.api.Module` of a type; this is where jax comes in.

    Args:
        type_name: a key of MODULES other than `observation`.
        options: an instance of the type's options.
        ports: kind and width of each input, in the order of the config.
        rule: what a backward message leaves out.
    """
    return importlib.import_module(f"mmcli.modules.{type_name}").build(options, tuple(ports), rule)
