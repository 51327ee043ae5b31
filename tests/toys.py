"""Module types as somebody else would write them: soft k-means, two whose rows are steps of sequences, a regression.

None of its names are those of mmcli's own types: what finds classes, latent variables or a trace by name fails on it.
No jax: the mathematics is in `toy_models`.
"""

from collections.abc import Iterator, Sequence

from pydantic import Field

from mmcli.modules.spec import (
    InputSpec,
    Kind,
    ModuleSpec,
    Objective,
    Options,
    Port,
    PositiveInt,
    Problem,
    Role,
    Trace,
)


class GroupsOptions(Options):
    num_groups: PositiveInt = Field(description="groups")
    steps: PositiveInt = Field(4, description="steps in one update")


def output(options: GroupsOptions, _ports: Sequence[Port]) -> Port:
    return Port(Kind.CATEGORICAL, options.num_groups)


def check(options: GroupsOptions, ports: Sequence[Port]) -> Iterator[Problem]:
    width = ports[0].width
    if width is not None and options.num_groups > width:
        yield "num_groups", f"at most one for each column of the input: {width}"


GROUPS = ModuleSpec(
    name="groups",
    summary="soft k-means",
    options=GroupsOptions,
    inputs=InputSpec((Kind.POINTS,), maximum=1),
    sends=(Kind.CATEGORICAL,),
    output=output,
    check=check,
    build="toy_models:build",
    reports={
        "group": Role.CLASS,
        "share": Role.PROBABILITIES,
        "place": Role.LATENT,
        "centres": Role.CENTRES,
    },
    trace=Trace("distortion", "squared pixels", "down", title="distance to the centres"),
)


def running_output(_options: Options, ports: Sequence[Port]) -> Port:
    return Port(Kind.POINTS, ports[0].width)


RUNNING = ModuleSpec(
    name="running",
    summary="sums along sequences",
    options=Options,
    inputs=InputSpec((Kind.POINTS,), maximum=1),
    sends=(Kind.POINTS,),
    output=running_output,
    build="toy_models:build_running",
    reports={"so_far": Role.LATENT},
    trace=Trace("change", "squared units", "down"),
    objective=Objective("change", "squared units"),
    items="sequence",
)


class ChainOptions(Options):
    stay: float = Field(0.9, gt=0, lt=1, description="probability that the next row has the same class")
    num_states: PositiveInt = Field(2, description="classes")


def chain_output(options: ChainOptions, _ports: Sequence[Port]) -> Port:
    return Port(Kind.CATEGORICAL, options.num_states)


CHAIN = ModuleSpec(
    name="chain",
    summary="forward filtering along sequences",
    options=ChainOptions,
    inputs=InputSpec((Kind.POINTS,), maximum=1),
    sends=(Kind.CATEGORICAL,),
    output=chain_output,
    build="toy_models:build_chain",
    reports={"state": Role.CLASS, "filtered": Role.PROBABILITIES},
    trace=Trace("spread", "squared units", "up"),
    objective=Objective("spread", "squared units"),
    items="sequence",
)


def linear_output(_options: Options, ports: Sequence[Port]) -> Port:
    return Port(Kind.POINTS, ports[0].width)


LINEAR = ModuleSpec(
    name="linear",
    summary="ridge regression of a target on the input",
    options=Options,
    inputs=InputSpec((Kind.POINTS,), maximum=1),
    sends=(Kind.POINTS,),
    output=linear_output,
    build="toy_models:build_linear",
    reports={"predicted": Role.LATENT},
    trace=Trace("fit", "squared units", "up"),
    objective=Objective("fit", "squared units"),
    targets=(Kind.POINTS,),
)
