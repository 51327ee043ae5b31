"""Specification of the Markov chain: options, ports and reports."""

import math
from collections.abc import Sequence

from pydantic import Field

from mmcli.modules.spec import (
    InputSpec,
    Kind,
    Load,
    ModuleSpec,
    Objective,
    Options,
    ParentPrior,
    Port,
    PositiveFloat,
    PositiveInt,
    Role,
    Trace,
)


class MarkovOptions(Options):
    """Options of a Markov chain."""

    sweeps: PositiveInt = Field(50, description="forward and backward passes in one update")
    initial_prior: PositiveFloat = Field(1.0, description="Dirichlet prior of the state that a sequence begins with")
    transition_prior: PositiveFloat = Field(1.0, description="Dirichlet prior of the states that follow a state")
    parent_prior: ParentPrior = Field(
        "shares",
        description="class probabilities that the input's messages contain, which the chain replaces:"
        " the shares of the classes (of a gmm), or equal ones (of an mlda)",
    )


def output(_options: MarkovOptions, ports: Sequence[Port]) -> Port:
    """Port to the child: a distribution over the states, which are the classes of the input."""
    return Port(Kind.CATEGORICAL, ports[0].width)


def memory(_options: MarkovOptions, load: Load) -> int:
    """Bytes that a module needs at its peak, about."""
    (num_states,), num_items = load.widths, load.num_items
    products = math.isqrt(num_items) * num_states**2  # of the blocks of the passes
    return 4 * (15 * num_items * num_states + 12 * num_items + 3 * products + 12 * num_states**2)


SPEC = ModuleSpec(
    name="markov",
    summary="Markov chain over the classes of its input, by variational Bayes; on a gmm, a hidden Markov model",
    options=MarkovOptions,
    inputs=InputSpec((Kind.CATEGORICAL,), maximum=1),
    sends=(Kind.CATEGORICAL,),
    output=output,
    build="mmcli.modules.markov.model:build",
    reports={"class": Role.CLASS, "Pdz": Role.PROBABILITIES, "pi": Role.OTHER, "A": Role.OTHER},
    memory=memory,
    trace=Trace("loglik", "nats", "up", title="evidence lower bound"),
    objective=Objective("evidence lower bound", "nats"),
    items="sequence",
    remedy="try priors nearer to 1",
    memory_remedy="give it fewer items or classes",
)
