"""Options, ports and messages that follow from a spec, for tests of a module type.

N items, of which one is missing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.sparse import csr_array

from mmcli.modules.api import Inputs
from mmcli.modules.counts import on_device
from mmcli.modules.messages import Categorical, Counts, Message, Points, neutral, normalized
from mmcli.modules.spec import Kind, ModuleSpec, Options, Port

N = 9  # no width of an example, so that axis 0 distinguishes items from parameters
MISSING = N - 1  # the item of which every parent's row is missing
BLANK = N - 2  # the item whose rows are there but hold zeros, or a uniform distribution
CHILD_MISSING = 1  # the item of which the child's row is missing
SECOND_START = 4  # first row of the second sequence, where items are sequences

_VALUES = {"integer": 3, "number": 1.0, "boolean": True}  # of required options, by JSON type


class Example(NamedTuple):
    """Inputs that a type accepts: `ports` in the order of a config, counts sparse or dense."""

    ports: tuple[Port, ...]
    is_sparse: bool

    def __str__(self) -> str:
        form = ", sparse" if self.is_sparse else ""
        return " and ".join(f"{port.width} {port.kind}" for port in self.ports) + form


def example_options(spec: ModuleSpec) -> Options:
    """Options of a type with every required one filled in.

    Raises:
        ValueError: what to fill in does not follow from the options' schema.
    """
    schema = spec.options.model_json_schema()
    values = {name: _example_value(name, schema["properties"][name]) for name in schema.get("required", [])}
    return spec.options(**values)


def _example_value(name: str, entry: dict[str, Any]) -> Any:
    entry = entry.get("anyOf", [entry])[0]  # of several kinds the first
    if "enum" in entry:
        return entry["enum"][0]
    if entry.get("type") not in _VALUES:
        raise ValueError(f"no example of the option {name} follows from its type; pass options")
    value = _VALUES[entry["type"]]
    return min(max(value, entry.get("minimum", value)), entry.get("maximum", value))


def examples(spec: ModuleSpec) -> Iterator[Example]:
    """Ports that between them show the type every kind it accepts; those with counts a second time as sparse ones."""
    kinds = spec.inputs.kinds
    size = max(2, len(kinds), spec.inputs.minimum)
    size = size if spec.inputs.maximum is None else min(size, spec.inputs.maximum)
    for first in range(0, len(kinds), size):
        ports = tuple(Port(kinds[(first + place) % len(kinds)], 4 + place) for place in range(size))
        yield Example(ports, is_sparse=False)
        if any(port.kind is Kind.COUNTS for port in ports):
            yield Example(ports, is_sparse=True)


def example_inputs(
    spec: ModuleSpec, options: Options, example: Example, output: Port, seed: int = 0, num_items: int = N
) -> Inputs:
    """Random inputs; of N items the rows MISSING, of the child's CHILD_MISSING, are missing."""
    known, received = np.arange(num_items) != MISSING, np.arange(num_items) != CHILD_MISSING
    bounds = spec.inputs.bounds(options) or (0.0, 1.0)
    parents = [_example_message(port, seed + place, known, bounds) for place, port in enumerate(example.ports)]
    targets = [Port(kind, 4 + place) for place, kind in enumerate(spec.targets)]
    starts = jnp.arange(num_items) == 0
    if spec.items == "sequence":
        starts |= jnp.arange(num_items) == SECOND_START
    inputs = Inputs(
        tuple(parents),
        _example_message(output, seed + 99, received, (0.0, 1.0)),
        starts,
        tuple(_example_message(port, seed + 50 + place, known, (0.0, 1.0)) for place, port in enumerate(targets)),
    )
    return in_form(inputs, example)


def neutral_inputs(inputs: Inputs, example: Example, output: Port) -> Inputs:
    """Inputs of the same shapes, all of whose rows are missing."""
    num_items = len(inputs.starts)
    parents = tuple(neutral(port, num_items) for port in example.ports)
    targets = tuple(jax.tree.map(jnp.zeros_like, target) for target in inputs.targets)
    return in_form(Inputs(parents, neutral(output, num_items), inputs.starts, targets), example)


def in_form(inputs: Inputs, example: Example) -> Inputs:
    """Dense inputs with their counts in the form of an example."""
    return inputs._replace(parents=tuple(_in_form(message, example.is_sparse) for message in inputs.parents))


def _in_form(message: Message, is_sparse: bool) -> Message:
    if not is_sparse or not isinstance(message, Counts):
        return message
    rows = np.asarray(message.values)
    # With room for every value, so that other items compile nothing anew.
    return message._replace(values=on_device(csr_array(rows), capacity=rows.size))


def _example_message(
    port: Port, seed: int, known: np.ndarray, bounds: tuple[float, float]
) -> Points | Categorical | Counts:
    shape, weight = (len(known), port.columns), jnp.asarray(known, float)
    drawn = np.random.default_rng(seed).uniform(*bounds, shape) * (known & (np.arange(len(known)) != BLANK))[:, None]
    values: Array = jnp.asarray(drawn, float)
    match port.kind:
        case Kind.POINTS:
            return Points(values, weight)
        case Kind.CATEGORICAL:
            return normalized(4 * values, weight)
        case Kind.COUNTS:
            return Counts(10 * values, weight)
