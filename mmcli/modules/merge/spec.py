"""Specification of a class that several modules share: options, ports and reports."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from pydantic import Field

from mmcli.modules.spec import (
    EACH_INPUT,
    InputSpec,
    Kind,
    Load,
    ModuleSpec,
    Objective,
    Options,
    ParentPrior,
    Port,
    PositiveInt,
    Problem,
    Role,
    Trace,
)

Accept: TypeAlias = Literal["metropolis", "all", "none"]

AGENTS = 2  # of a naming game
PASSES = 5  # over more than two inputs, each aligned with the others


class MergeOptions(Options):
    """Options of a class that several modules share."""

    how: Literal["naming_game", "product"] = Field(
        description="product: messages of aligned classes multiply; naming_game: two agents agree on signs, by"
        " Metropolis and Hastings"
    )
    accept: Accept = Field(
        "metropolis",
        description="of a naming_game, signs that a listener accepts: metropolis, by its own evidence; all or none, for"
        " comparison",
    )
    exchanges: PositiveInt = Field(100, description="of a naming_game, exchanges of signs each way in one update")
    parent_prior: ParentPrior = Field(
        "shares",
        description="class probabilities that the inputs' messages contain, which are to count once:"
        " the shares of the classes (of a gmm), or equal ones (of an mlda)",
    )


def output(_options: MergeOptions, ports: Sequence[Port]) -> Port:
    """Port to the child: a distribution over as many classes as the input of the most has."""
    widths = [port.width for port in ports if port.width is not None]
    return Port(Kind.CATEGORICAL, max(widths) if len(widths) == len(ports) else None)


def check(options: MergeOptions, ports: Sequence[Port]) -> Iterator[Problem]:
    """Check that the inputs suit the way of merging, and that options belong to it."""
    if options.how == "naming_game":
        if len(ports) != AGENTS:
            yield "how", f"naming_game is between {AGENTS} agents (got {len(ports)} inputs); take product"
        return
    for name in ("accept", "exchanges"):
        if getattr(options, name) != MergeOptions.model_fields[name].default:
            yield name, "belongs to how: naming_game; remove it"
    widths = [port.width for port in ports if port.width is not None]
    if len(set(widths)) > 1:
        text = f"product takes inputs of equally many classes (got {', '.join(map(str, widths))})"
        yield "how", f"{text}; give them the same number, or take naming_game"


def memory(_options: MergeOptions, load: Load) -> int:
    """Bytes that a module needs at its peak, about."""
    width = max(load.widths)
    return 4 * load.num_items * ((3 * len(load.widths) + 4) * width + 5)


SPEC = ModuleSpec(
    name="merge",
    summary="one class an item that several modules share, by a product of messages or a naming game",
    options=MergeOptions,
    inputs=InputSpec((Kind.CATEGORICAL,), minimum=2),
    sends=(Kind.CATEGORICAL,),
    output=output,
    build="mmcli.modules.merge.model:build",
    check=check,
    reports={
        "class": Role.CLASS,
        "Pdz": Role.PROBABILITIES,
        f"sign{EACH_INPUT}": Role.OTHER,
        f"table{EACH_INPUT}": Role.OTHER,
        "accepted": Role.PAIRS,
        "kappa": Role.PAIRS,
    },
    memory=memory,
    trace=Trace("agreement", "kappa", "up", title="agreement of the inputs"),
    objective=Objective("shared evidence", "nats"),
    restartable=True,
    remedy="try other options of its inputs",
    memory_remedy="give it fewer items or classes",
)
