"""Specification of the mixture over inputs of any kind: options, ports and reports."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from mmcli.modules.class_count import AUTO, AtMost
from mmcli.modules.covariance import suitable_form
from mmcli.modules.spec import (
    EACH_INPUT,
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

Form = Literal["full", "diagonal"]

OPEN_CONCENTRATION = 1.0  # `auto`, of all classes together, where their number is to be found


class MixtureOptions(Options):
    """Options of a mixture."""

    num_classes: PositiveInt | AtMost = Field(
        description="classes; {max: 30}: as many of these as the data need, by a sparse Dirichlet prior"
    )
    concentration: PositiveFloat | Literal["auto"] = Field(
        AUTO,
        description="Dirichlet prior of the class shares, of all classes together;"
        " auto: 1 a class, or 1 in all where their number is to be found",
    )
    covariance: Form | Literal["auto"] = Field(
        AUTO,
        description="of points in a class: one covariance (full) or variances alone (diagonal);"
        " auto: full, or diagonal where a class has fewer items than there are columns",
    )
    prior_scale: PositiveFloat = Field(
        0.1, description="diagonal of the prior scatter matrix of points, as a share of each column's variance"
    )
    beta: PositiveFloat | Literal["auto"] = Field(
        AUTO,
        description="Dirichlet prior of the words of a class; auto: 0.1, or less where words are rarer than classes",
    )
    input_weights: tuple[PositiveFloat, ...] | None = Field(
        None, description="power of the likelihood of each input; null: 1 each, plain Bayes"
    )
    message_weight: PositiveFloat = Field(1.0, description="power of the child's message; 1 is plain Bayes")
    sweeps: PositiveInt = Field(100, description="variational sweeps in one update")
    restarts: PositiveInt = Field(8, description="starts of an update, the last solution among them")

    @property
    def is_open(self) -> bool:
        """Whether the number of classes is to be found."""
        return not isinstance(self.num_classes, int)

    @property
    def width(self) -> int:
        """Number of classes; the most that there may be where it is to be found."""
        return self.num_classes if isinstance(self.num_classes, int) else self.num_classes["max"]

    @property
    def share_prior(self) -> float:
        """Dirichlet prior of the share of a class."""
        if self.concentration != AUTO:
            return self.concentration / self.width
        return OPEN_CONCENTRATION / self.width if self.is_open else 1.0


def output(options: MixtureOptions, _ports: Sequence[Port]) -> Port:
    """Port to the child: a distribution over the classes."""
    return Port(Kind.CATEGORICAL, options.width)


def check(options: MixtureOptions, ports: Sequence[Port]) -> Iterator[Problem]:
    """Check that there is one weight for each input."""
    if options.input_weights is not None and len(options.input_weights) != len(ports):
        yield "input_weights", f"one per input: {len(ports)}, not {len(options.input_weights)}"


def covariance_form(options: MixtureOptions, num_items: int, num_columns: int) -> Form:
    """Form of the covariances of all inputs of points, of which the widest has so many columns."""
    form = suitable_form(options.covariance, options.width, num_items, num_columns)
    return "full" if form == "full" else "diagonal"


def memory(options: MixtureOptions, load: Load) -> int:
    """Bytes that a module needs at its peak, about, with covariances as if all inputs were points."""
    widest, num_items, num_classes = max(load.widths), load.num_items, options.width
    is_full = covariance_form(options, num_items, widest) == "full"
    parameters = num_classes * sum(load.widths) * (widest if is_full else 1)
    # Measured. Sparse counts are kept in both orders, with the indices of each.
    rows = sum(
        stored * (1.3 if stored == num_items * width else 8)
        for stored, width in zip(load.stored, load.widths, strict=True)
    )
    memberships = (2 * options.restarts + 6 + 4 * len(load.widths)) * num_items * num_classes
    return int(4 * (rows + memberships + 12 * parameters + 2 * options.sweeps * options.restarts))


SPEC = ModuleSpec(
    name="mixture",
    summary="mixture of one class an item over points, counts and classes, by variational Bayes",
    options=MixtureOptions,
    inputs=InputSpec((Kind.POINTS, Kind.COUNTS, Kind.CATEGORICAL), asks_kind=True),
    sends=(Kind.CATEGORICAL,),
    output=output,
    build="mmcli.modules.mixture.model:build",
    check=check,
    reports={
        "class": Role.CLASS,
        "Pdz": Role.PROBABILITIES,
        "pi": Role.OTHER,
        "mu": Role.CENTRES,
        f"mean{EACH_INPUT}": Role.OTHER,
    },
    memory=memory,
    trace=Trace("loglik", "nats", "up", title="evidence lower bound"),
    objective=Objective("evidence lower bound", "nats"),
    restartable=True,
    prunes=lambda options: options.is_open,
    remedy="try a smaller message_weight or input_weights, or priors nearer to their defaults",
    memory_remedy="give it fewer restarts, classes, items or columns",
)
