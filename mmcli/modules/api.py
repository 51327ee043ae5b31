"""The contract of a module: pure functions over pytrees, compiled once by the engine.

An author writes `init`, `step` and `infer`, and `sample` and `params` where there is something to them; `iterated`
makes a `Module` of them. An update is begun, advanced a few inner iterations at a time and ended, so that a long
one can show progress and be stopped between two iterations; the result does not depend on where it was cut.

N items, I inner iterations.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.modules.messages import Message

State = TypeVar("State")


class Inputs(NamedTuple):
    """Messages that a module receives. They do not identify its neighbours."""

    parents: tuple[Message, ...]  # one per input, in the order of the config
    child: Message  # the product of the children's messages; neutral where there is none
    starts: Array  # (N,) bool, True at the first row of each sequence; independent types ignore it
    targets: tuple[Message, ...] = ()  # of a supervised type, in the order of its spec

    @classmethod
    def of(
        cls,
        parents: tuple[Message, ...],
        child: Message,
        starts: Array | None = None,
        targets: tuple[Message, ...] = (),
    ) -> "Inputs":
        """Inputs whose rows are one sequence, or the sequences that `starts` gives."""
        return cls(parents, child, jnp.arange(len(child.weight)) == 0 if starts is None else starts, targets)


class Outputs(NamedTuple):
    """Messages that a module sends. `backward[m]` predicts the message of parent m, in the same kind and width."""

    forward: Message  # from the parents' messages alone
    backward: tuple[Message, ...]
    items: dict[str, Array]  # the reported arrays that have a row an item, by the names of the spec


class Info(NamedTuple):
    """Diagnostics of an update, for people."""

    objective: Array | None  # () after the update, higher is better; None where the spec has none
    trace: Array  # (I,) or, where values come rarer, shorter; in the unit of the spec


class Module(NamedTuple, Generic[State]):
    """A module type with its options bound.

    Attributes:
        init: (key, inputs) -> State. A data-dependent start.
        begin: (key, state, inputs) -> work. Opens an update; work is a pytree of the module's own.
        advance: (work, inputs, until) -> work. Inner iterations until so many of the update, () int32, are done;
            where they are done already, or all are, it changes nothing.
        end: (work, inputs) -> (State, Outputs, Info). Closes the update.
        infer: (state, inputs) -> Outputs. Parameters frozen.
        iterations: inner iterations of an update, at least 1.
        sample: (key, state, inputs) -> messages to the parents as in `Outputs.backward`, drawn instead of expected;
            None where the expected ones are sent instead.
        params: (state) -> the reported arrays that are not of items, by the names of the spec; None for none.
    """

    init: Callable[[Array, Inputs], State]
    begin: Callable[[Array, State, Inputs], Any]
    advance: Callable[[Any, Inputs, Array], Any]
    end: Callable[[Any, Inputs], tuple[State, Outputs, Info]]
    infer: Callable[[State, Inputs], Outputs]
    iterations: int
    sample: Callable[[Array, State, Inputs], tuple[Message, ...]] | None = None
    params: Callable[[State], Mapping[str, Array]] | None = None


class Work(NamedTuple, Generic[State]):
    """An update of an `iterated` module under way."""

    key: Array
    state: State
    done: Array  # () int32, iterations done
    trace: Array  # (I, ...) the value of each iteration; 0 for those to come


def iterated(
    init: Callable[[Array, Inputs], State],
    step: Callable[[Array, State, Inputs], tuple[State, Array]],
    infer: Callable[[State, Inputs], Outputs],
    *,
    iterations: int,
    finish: Callable[[Array, State, Inputs, Array], tuple[State, Outputs, Info]] | None = None,
    sample: Callable[[Array, State, Inputs], tuple[Message, ...]] | None = None,
    params: Callable[[State], Mapping[str, Array]] | None = None,
) -> Module[State]:
    """Build the module whose update repeats one function.

    The key of iteration i is fold_in(key, i), that of `finish` fold_in(key, iterations), where key is the update's.

    Args:
        init: (key, inputs) -> state.
        step: (key, state, inputs) -> state and the value that the trace records, of any fixed shape.
        infer: (state, inputs) -> outputs, parameters frozen.
        iterations: how many steps an update makes, at least 1.
        finish: (key, state, inputs, trace) -> state, outputs and info, the trace with the iterations on axis 0; where
            it is left out the state stays, the outputs are inferred and the objective is the last value.
        sample: as in `Module`.
        params: as in `Module`.
    """

    def begin(key: Array, state: State, inputs: Inputs) -> Work[State]:
        _, value = jax.eval_shape(step, key, state, inputs)
        return Work(key, state, jnp.int32(0), jnp.zeros((iterations, *value.shape), value.dtype))

    def advance(work: Work[State], inputs: Inputs, until: Array) -> Work[State]:
        def iterate(index: Array, work: Work[State]) -> Work[State]:
            state, value = step(jax.random.fold_in(work.key, index), work.state, inputs)
            return Work(work.key, state, index + 1, work.trace.at[index].set(value))

        last = jnp.minimum(until, iterations)
        return cast("Work[State]", jax.lax.fori_loop(work.done, last, iterate, work))

    def end(work: Work[State], inputs: Inputs) -> tuple[State, Outputs, Info]:
        if finish is not None:
            return finish(jax.random.fold_in(work.key, iterations), work.state, inputs, work.trace)
        return work.state, infer(work.state, inputs), Info(work.trace[-1], work.trace)

    return Module(init, begin, advance, end, infer, iterations, sample, params)


def step(module: Module[State], key: Array, state: State, inputs: Inputs) -> tuple[State, Outputs, Info]:
    """Run one whole update: begin, every iteration, end."""
    work = module.begin(key, state, inputs)
    work = module.advance(work, inputs, jnp.int32(module.iterations))
    return module.end(work, inputs)


def draw(module: Module[State], key: Array, state: State, inputs: Inputs) -> tuple[Message, ...]:
    """Messages to the parents, drawn where the module can draw them, else expected."""
    if module.sample is None:
        return module.infer(state, inputs).backward
    return module.sample(key, state, inputs)


def report(module: Module[State], state: State, outputs: Outputs) -> dict[str, Array]:
    """Arrays that the run directory shows, by name."""
    return {**outputs.items, **(module.params(state) if module.params is not None else {})}
