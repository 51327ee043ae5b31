"""Specification of an observation: data that enter the graph. It has no mathematics."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from mmcli.modules.spec import InputSpec, Kind, ModuleSpec, Options, Port


class ObservationOptions(Options):
    """Options of an observation."""

    kind: Literal["points", "counts"] | None = Field(
        None, description="vectors (points) or word counts (counts); null: whichever its children take"
    )


def output(_options: ObservationOptions, ports: Sequence[Port]) -> Port:
    """The port of its data, in the kind that a child takes."""
    return ports[0]


def offers(options: ObservationOptions) -> tuple[Kind, ...]:
    """Kinds that its messages may have."""
    return (Kind.POINTS, Kind.COUNTS) if options.kind is None else (Kind(options.kind),)


SPEC = ModuleSpec(
    name="observation",
    summary="data as they were observed: vectors or word counts, whichever its children take",
    options=ObservationOptions,
    inputs=InputSpec(minimum=0, maximum=0),
    sends=(Kind.POINTS, Kind.COUNTS),
    output=output,
    offers=offers,
)
