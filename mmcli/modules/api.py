"""The contract of a module: pure functions over pytrees, compiled once by `program`.

An update is begun, advanced a few inner iterations at a time and ended, so that a long one can show
progress and be stopped between two of them; the result does not depend on where it was cut.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from mmcli.modules.messages import Message


class Inputs(NamedTuple):
    """All a module hears. It never learns who its neighbours are."""

    parents: tuple[Message, ...]  # one per input, in the order of the config
    child: Message  # the product of what the children sent; neutral where there is none


class Outputs(NamedTuple):
    """What a module says. `backward[m]` predicts what parent m sent, in the same kind and width."""

    forward: Message  # from the parents' messages alone
    backward: tuple[Message, ...]
    items: dict[str, Array]  # what people look at, a row an item: "class" (N,), "Pdz" (N, K), ...


class Info(NamedTuple):
    """What a person looks at."""

    bound: Array  # () the objective after the update, nats; higher is better
    trace: Array  # (I,) its value at each inner iteration, in the sense the module documents


class Module(NamedTuple):
    """One module type with its options bound. State and Work are pytrees of its own.

    Attributes:
        init: (key, inputs) -> State. A data-dependent start.
        begin: (key, state, inputs) -> Work. Opens an update.
        advance: (work, inputs, until) -> Work. Inner iterations until so many of the update, () int32, are done;
            where they are done already, or all are, it changes nothing.
        end: (work, inputs) -> (State, Outputs, Info). Closes the update.
        infer: (state, inputs) -> Outputs. Parameters frozen; each item on its own.
        sample: (key, state, inputs) -> messages to the parents as in `Outputs.backward`, drawn instead of expected.
        report: (state, outputs) -> name -> array. What the run directory shows: items and parameters.
        iterations: inner iterations of an update.
    """

    init: Callable[[Array, Inputs], Any]
    begin: Callable[[Array, Any, Inputs], Any]
    advance: Callable[[Any, Inputs, Array], Any]
    end: Callable[[Any, Inputs], tuple[Any, Outputs, Info]]
    infer: Callable[[Any, Inputs], Outputs]
    sample: Callable[[Array, Any, Inputs], tuple[Message, ...]]
    report: Callable[[Any, Outputs], dict[str, Array]]
    iterations: int


def step(module: Module, key: Array, state: Any, inputs: Inputs) -> tuple[Any, Outputs, Info]:
    """One whole update: begin, every iteration, end."""
    work = module.begin(key, state, inputs)
    work = module.advance(work, inputs, jnp.int32(module.iterations))
    return module.end(work, inputs)
