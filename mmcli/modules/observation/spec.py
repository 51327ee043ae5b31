"""Specification of an observation: data that enter the graph. It has no mathematics."""

from collections.abc import Sequence

from mmcli.modules.spec import InputSpec, Kind, ModuleSpec, Options, Port


class ObservationOptions(Options):
    """Options of an observation: none."""


def output(_options: ObservationOptions, ports: Sequence[Port]) -> Port:
    """The port of its data, in the kind that a child takes."""
    return ports[0]


SPEC = ModuleSpec(
    name="observation",
    summary="data as they were observed: vectors or word counts, whichever its children take",
    options=ObservationOptions,
    inputs=InputSpec(minimum=0, maximum=0),
    sends=(Kind.POINTS, Kind.COUNTS),
    output=output,
)
