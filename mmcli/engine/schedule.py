"""Rounds of updates: each module in turn learns from the messages of its neighbours, and sends them its own.

Modules are compiled while those before them train, and never again; messages stay on the device.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax import Array

from mmcli.config.graph import Graph
from mmcli.data.rows.given import Given
from mmcli.engine.devices import memory_errors, own_settings
from mmcli.engine.program import Compiled, Ended, compile_module, module_key, watched_seconds
from mmcli.engine.pytrees import KEY_IMPL, leaf_names, named_leaves, restore
from mmcli.engine.routing import (
    Edge,
    Program,
    RoundState,
    build_program,
    initial_state,
    own_classes,
    receive,
    send_backward,
    send_forward,
)
from mmcli.errors import DivergedError, StalledError
from mmcli.modules.messages import Message
from mmcli.modules.spec import Rule
from mmcli.util import workers
from mmcli.util.workers import Worker

CHUNK_SECONDS = 0.5  # aim for a call of `advance`; it takes longer where one iteration does

T = TypeVar("T")


class Moment(NamedTuple):
    """A run between two iterations: with its graph, data and seed, all that the rest of it follows from."""

    state: RoundState
    updates: int = 0  # done, over all rounds and modules
    iterations: int = 0  # done of the next update
    work: Any = None  # of that update, where an iteration of it is done


class Saved(NamedTuple):
    """A moment on the host, without the messages that follow from the data."""

    updates: int
    iterations: int
    arrays: Mapping[str, np.ndarray]


class Progress(NamedTuple):
    """Progress of an update: inner iterations done. Rounds count from 1."""

    round: int
    module: str
    done: int
    iterations: int
    moment: Moment


class Update(NamedTuple):
    """Finished update of a module. Rounds count from 1."""

    round: int
    module: str
    objective: float | None  # in the unit of the spec; None where it has none
    trace: np.ndarray  # (I,)
    report: dict[str, np.ndarray]
    params: dict[str, np.ndarray]  # the leaves of its state by name
    seconds: float  # of learning
    compile_seconds: float  # of waiting until the module was compiled
    moment: Moment
    own_classes: np.ndarray | None = None  # (N,) of `routing.own_classes`


def run(
    program: Program, moment: Moment, root: Array, rounds: int, still_seconds: float | None = None
) -> Iterator[Progress | Update]:
    """Update every module in turn, round after round, from a moment on; arguments and errors as in `train_rounds`."""
    state, names = moment.state, program.order
    strides: dict[str, int] = {}  # iterations that a call of `advance` makes
    compiler, worker = Worker(), Worker()
    try:
        # Those whose turn comes first compile first.
        turns = range(moment.updates, min(moment.updates + len(names), rounds * len(names)))
        compiling = {
            name: compiler.submit(own_settings()(compile_module), program, name, root, receive(program, state, name))
            for name, _ in (_turn(program, turn) for turn in turns)
        }
        for number in range(moment.updates, rounds * len(names)):
            name, round_number = _turn(program, number)
            at = moment if number == moment.updates else Moment(state, number)
            where, spec = f"module {name}, round {round_number}", program.graph.nodes[name].spec
            begun = time.perf_counter()
            with memory_errors(where, spec.memory_remedy):
                compiled = yield from awaited(compiling[name], sign_of_life(program, at), still_seconds)
                ready = time.perf_counter()
                ended = yield from update(program, compiled, at, root, worker, strides, still_seconds)
            if not ended.finite:
                raise DivergedError(f"{where}: a number became NaN or infinite; {spec.remedy}")
            own = own_classes(program, name, ended.forward)
            state = send_forward(program, state, name, ended.forward)
            state = send_backward(state, name, ended.backward)
            state = state._replace(states={**state.states, name: ended.state})
            yield Update(
                round=round_number,
                module=name,
                objective=None if ended.info.objective is None else float(ended.info.objective),
                trace=np.asarray(ended.info.trace),
                report={stem: np.asarray(array) for stem, array in ended.report.items()},
                params=named_leaves(ended.state),
                seconds=time.perf_counter() - ready,
                compile_seconds=ready - begun,
                moment=Moment(state, number + 1),
                own_classes=None if own is None else np.asarray(own),
            )
    finally:
        # A run that stops early does not wait for threads that still compile or compute.
        for thread in (compiler, worker):
            thread.leave()


def update(
    program: Program,
    compiled: Compiled,
    at: Moment,
    root: Array,
    worker: Worker,
    strides: dict[str, int],
    still_seconds: float | None = None,
) -> Generator[Progress, None, Ended]:
    """Compute the next update, or the rest of it; `strides` is read and updated."""
    name, number = _turn(program, at.updates)
    inputs, iterations = receive(program, at.state, name), program.modules[name].iterations

    def compute(function: Callable[..., Any], *arguments: Any) -> Generator[Progress, None, Any]:
        call = worker.submit(own_settings()(lambda: jax.block_until_ready(function(*arguments))))
        return (yield from awaited(call, sign_of_life(program, at), still_seconds))

    yield sign_of_life(program, at)
    work = at.work
    if work is None:
        state = at.state.states.get(name)
        if state is None:
            state = yield from compute(compiled.init, module_key(root, name, 0), inputs)
        work = yield from compute(compiled.begin, module_key(root, name, number), state, inputs)
    while at.iterations < iterations:
        stride = min(strides.get(name, 1), iterations - at.iterations)
        until, called = at.iterations + stride, time.perf_counter()
        work = yield from compute(compiled.advance, work, inputs, np.int32(until))
        strides[name] = next_stride(stride, time.perf_counter() - called)
        at = at._replace(iterations=until, work=work)
        yield sign_of_life(program, at)
    ended: Ended = yield from compute(compiled.end, work, inputs)
    return ended


def awaited(call: Future[T], sign: Progress, still_seconds: float | None) -> Generator[Progress, None, T]:
    """Wait for the result of a thread, and yield a sign of life again and again until it is there.

    Raises:
        StalledError: no processor time was used for so many seconds.
    """
    try:
        for _ in workers.waits(call, still_seconds):
            yield sign
    except StalledError as error:
        raise StalledError(f"module {sign.module}, round {sign.round}: {error}") from None
    return call.result()


def next_stride(iterations: int, seconds: float) -> int:
    """Number of iterations of the next call, given the time of the last."""
    return max(1, int(CHUNK_SECONDS * iterations / max(seconds, 1e-9)))


def sign_of_life(program: Program, at: Moment) -> Progress:
    """Progress of the update that is under way at a moment."""
    name, number = _turn(program, at.updates)
    return Progress(number, name, at.iterations, program.modules[name].iterations, at)


def _turn(program: Program, updates: int) -> tuple[str, int]:
    """Module and round of the update that follows so many."""
    round_index, place = divmod(updates, len(program.order))
    return program.order[place], round_index + 1


def save(moment: Moment) -> Saved:
    """Copy a moment to the host, without the messages of observations, which follow from the data."""
    return Saved(moment.updates, moment.iterations, named_leaves(_learned(moment)))


def load(program: Program, root: Array, beginning: RoundState, saved: Saved) -> Moment:
    """Restore a saved moment; the inverse of `save`.

    Args:
        program: the same graph over the same data.
        root: the key of all randomness.
        beginning: `initial_state` of the data.
        saved: from `save`.

    Raises:
        ValueError: the moment is not of a run of this program.
    """
    names = program.order
    turn, _ = _turn(program, saved.updates)
    iterations = program.modules[turn].iterations
    if not 0 <= saved.iterations <= iterations:
        raise ValueError(f"{saved.iterations} iterations of {turn} are done where there are {iterations}")
    states, work = {}, None
    for name in names:
        module, inputs = program.modules[name], receive(program, beginning, name)
        state = jax.eval_shape(module.init, root, inputs)
        if names.index(name) < saved.updates:
            states[name] = state
        if name == turn and saved.iterations:
            work = jax.eval_shape(module.begin, root, state, inputs)
    arrays, saved_work = _with_weights(saved.arrays), {name for name in saved.arrays if name.startswith("work.")}
    if work is not None and saved_work != leaf_names({"work": work}):
        # Of another version: the update begins again, from the same state with the same key.
        work, saved = None, saved._replace(iterations=0)
        arrays = {name: array for name, array in arrays.items() if name not in saved_work}
    shapes = Moment(beginning._replace(states=states), saved.updates, saved.iterations, work)
    learned = restore(_learned(shapes), arrays)
    sent = {way: _by_edge(learned[way]) for way in ("forward", "backward")}
    forward = {**beginning.forward, **sent["forward"]}
    state = beginning._replace(states=learned["states"], forward=forward, backward=sent["backward"])
    return shapes._replace(state=state, work=learned["work"])


def _learned(moment: Moment) -> dict[str, Any]:
    """The part of a moment that is not in the data, as nested dictionaries."""
    tree: dict[str, Any] = {"states": moment.state.states, "work": moment.work, "forward": {}, "backward": {}}
    for parent, child in moment.state.backward:  # not of observations, which receive nothing
        for way in ("forward", "backward"):
            tree[way].setdefault(parent, {})[child] = getattr(moment.state, way)[parent, child]
    return tree


def _with_weights(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Saved arrays with the weights that messages did not have in 0.1: rows that were not uniform were there."""
    weights = {}
    for name, array in arrays.items():
        way, field = name.partition(".")[0], name.rpartition(".")[2]
        if way in ("forward", "backward") and field == "log_probs":
            weights[name.removesuffix(field) + "weight"] = (np.ptp(array, axis=-1) > 0).astype(array.dtype)
    return {**weights, **arrays}


def _by_edge(messages: Mapping[str, Mapping[str, Message]]) -> dict[Edge, Message]:
    return {(parent, child): sent for parent, to in messages.items() for child, sent in to.items()}


def train_rounds(
    graph: Graph,
    given: Given,
    *,
    seed: int,
    rounds: int,
    rule: Rule,
    saved: Saved | None = None,
    still_seconds: float | None = workers.STILL_SECONDS,
) -> Iterator[Progress | Update]:
    """Train a graph; every module updates once a round, in the order written.

    Args:
        graph: the modules and their edges.
        given: rows in memory; those that are not known send the neutral message.
        seed: of all randomness.
        rounds: how many.
        rule: of the backward messages.
        saved: the moment to resume from; None is the beginning.
        still_seconds: without any processor time, after which a computation is given up; None waits for ever.

    Raises:
        DivergedError: a number became NaN or infinite.
        StalledError: no processor time was used for so long.
        MemoryShortError: memory ran out.
        ValueError: `saved` is not of such a run.
    """
    widths = {name: values.shape[1] for name, values in given.observations.items()}
    program = build_program(graph, widths, rule)
    root = jax.random.key(seed, impl=KEY_IMPL)
    with memory_errors("the observations", "give it fewer items or columns"):
        beginning = initial_state(program, given)
        moment = Moment(beginning) if saved is None else load(program, root, beginning, saved)
    return run(program, moment, root, rounds, watched_seconds(still_seconds))
