"""Functions of a module, compiled ahead of time for the shapes of a run."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmcli.engine.late import late_stem
from mmcli.engine.routing import Program, addressed, own_classes
from mmcli.modules.api import Info, Inputs, Outputs, report
from mmcli.modules.messages import Message


class Ended(NamedTuple):
    """Results of an update."""

    state: Any
    forward: Message
    backward: dict[str, Message]  # by the parent that receives it
    info: Info
    report: dict[str, Array]  # without what is computed late
    finite: Array  # () bool


class Compiled(NamedTuple):
    """A module's functions, compiled for the shapes and places of this run."""

    init: Callable[..., Any]  # (key, inputs) -> state
    begin: Callable[..., Any]  # (key, state, inputs) -> work
    advance: Callable[..., Any]  # (work, inputs, until) -> work
    end: Callable[..., Ended]  # (work, inputs)


def module_key(root: Array, name: str, round_number: int) -> Array:
    """Random key of one update; adding a module to a graph changes no other's."""
    # crc32, not hash(): Python's hash of a string changes from process to process.
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(name.encode())), round_number)


def start_key(root: Array, start: int) -> Array:
    """Random key of a start of the search, in place of the root's."""
    return jax.random.fold_in(jax.random.fold_in(root, zlib.crc32(b"search")), start)


def compile_report(program: Program, name: str) -> Callable[[Any, Inputs], tuple[dict[str, Array], Array | None]]:
    """Function of a module's state and inputs that gives what it reports and its `own_classes`, nothing learned."""
    module = program.modules[name]

    def infer(state: Any, inputs: Inputs) -> tuple[dict[str, Array], Array | None]:
        outputs = module.infer(state, inputs)
        return _reported(program, name, state, inputs, outputs), own_classes(program, name, outputs.forward)

    return program.layout.calling(program.layout.jit(infer))


def _reported(program: Program, name: str, state: Any, inputs: Inputs, outputs: Outputs) -> dict[str, Array]:
    """Arrays that the run directory shows, without the one that is computed late, if there is one."""
    late = late_stem(program, name, state, inputs, outputs.items)
    return {stem: array for stem, array in report(program.modules[name], state, outputs).items() if stem != late}


def compile_module(program: Program, name: str, key: Array, inputs: Inputs) -> Compiled:
    """Compile a module's functions ahead of time. Messages keep their shapes, so any inputs will do."""
    module, layout = program.modules[name], program.layout
    key, inputs = layout.placed((key, inputs))

    def end(work: Any, inputs: Inputs) -> Ended:
        state, outputs, info = module.end(work, inputs)
        # Messages to observations are left out, so that XLA does not compute them.
        backward = addressed(program, name, outputs.backward).to_modules
        reported = _reported(program, name, state, inputs, outputs)
        numbers = jax.tree.leaves((state, outputs.forward, backward, info, reported))
        finite = [jnp.isfinite(leaf).all() for leaf in numbers if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return Ended(state, outputs.forward, backward, info, reported, jnp.stack(finite).all())

    with layout.tracing():
        # Traced once, for the shapes and for the program: a trace takes about as long as loading a kept program.
        init = layout.jit(module.init).trace(key, inputs)
        begin = layout.jit(module.begin).trace(key, layout.described(init.out_info), inputs)
        work = layout.described(begin.out_info)
        programs = (
            init.lower().compile(),
            begin.lower().compile(),
            # Nothing is donated: a signal saves the work before a call instead of waiting for the call.
            layout.jit(module.advance).lower(work, inputs, layout.placed(jnp.int32(0))).compile(),
            layout.jit(end).lower(work, inputs).compile(),
        )
    return Compiled(*map(layout.calling, programs))


def watched_seconds(seconds: float | None) -> float | None:
    """Seconds that a computation may use no processor time; None, no limit, where another device computes."""
    return seconds if jax.default_backend() == "cpu" else None
