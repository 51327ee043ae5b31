"""Updates of a run in the order of its plan: each module learns from its neighbours' messages, and sends its own.

Modules are compiled while those before them train, and never again; messages stay on the device.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax
import numpy as np
from jax import Array

from mmcli.config.graph import Graph
from mmcli.config.model import Search
from mmcli.data.rows.given import Given
from mmcli.engine.devices import memory_errors, own_settings
from mmcli.engine.plan import Plan, Turn, make_plan
from mmcli.engine.program import Compiled, Ended, compile_module, compile_report, module_key, start_key, watched_seconds
from mmcli.engine.pytrees import KEY_IMPL, leaf_names, named_leaves, restore
from mmcli.engine.routing import (
    Edge,
    Program,
    RoundState,
    build_program,
    initial_state,
    receive,
    send_backward,
    send_forward,
)
from mmcli.engine.search import Best, shared_information, without
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
    updates: int = 0  # done, of the plan
    iterations: int = 0  # done of the next update
    work: Any = None  # of that update, where an iteration of it is done
    best: Best | None = None  # state of the highest score so far
    scores: tuple[float, ...] = ()  # of each start, then of each round, as far as they are done
    objectives: Mapping[str, float] = MappingProxyType({})  # of each module's last update; NaN where it has none


class Saved(NamedTuple):
    """A moment on the host, without the messages that follow from the data."""

    updates: int
    iterations: int
    arrays: Mapping[str, np.ndarray]


class Progress(NamedTuple):
    """Progress of an update: inner iterations done. Rounds and starts count from 1; start 0 is none of the search."""

    round: int
    module: str
    done: int
    iterations: int
    moment: Moment
    start: int = 0


class Started(NamedTuple):
    """Finished start of the search."""

    start: int
    score: float
    moment: Moment


class Update(NamedTuple):
    """Finished update of a module. Rounds count from 1."""

    round: int
    module: str
    objective: float | None  # in the unit of the spec; None where it has none
    trace: np.ndarray | None  # (I,); None where the update is an earlier one
    report: dict[str, np.ndarray]
    params: dict[str, np.ndarray]  # the leaves of its state by name
    seconds: float  # of learning
    compile_seconds: float  # of waiting until the module was compiled
    moment: Moment
    is_whole: bool = True  # False where more results of the same moment follow


def run(
    program: Program, moment: Moment, root: Array, plan: Plan, still_seconds: float | None = None
) -> Iterator[Progress | Started | Update]:
    """Run the updates of a plan from a moment on; arguments and errors as in `train_rounds`."""
    strides: dict[str, int] = {}  # iterations that a call of `advance` makes
    compiler, worker = Worker(), Worker()

    def compute(sign: Progress, function: Callable[..., Any], *arguments: Any) -> Generator[Progress, None, Any]:
        call = worker.submit(own_settings()(lambda: jax.block_until_ready(function(*arguments))))
        return (yield from awaited(call, sign, still_seconds))

    try:
        # Those whose turn comes first compile first.
        compiling = {
            name: compiler.submit(
                own_settings()(compile_module), program, name, root, receive(program, moment.state, name)
            )
            for name in dict.fromkeys(turn.module for turn in plan.turns[moment.updates :])
        }
        for number in range(moment.updates, len(plan.turns)):
            turn = plan.turns[number]
            if plan.begins_start(number):
                moment = moment._replace(state=without(program, moment.state, plan.searched))
            where, spec = f"module {turn.module}, {_place(turn)}", program.graph.nodes[turn.module].spec
            begun = time.perf_counter()
            with memory_errors(where, spec.memory_remedy):
                sign = sign_of_life(program, plan, moment)
                compiled = yield from awaited(compiling[turn.module], sign, still_seconds)
                ready = time.perf_counter()
                ended = yield from update(program, plan, compiled, moment, root, compute, strides)
            if not ended.finite:
                raise DivergedError(f"{where}: a number became NaN or infinite; {spec.remedy}")
            seconds = time.perf_counter() - ready
            objective = np.nan if ended.info.objective is None else float(ended.info.objective)
            state = _with(program, moment.state, turn.module, ended)
            objectives = {**moment.objectives, turn.module: objective}
            moment = Moment(state, number + 1, best=moment.best, scores=moment.scores, objectives=objectives)
            if plan.is_scored(number):
                score = float((yield from compute(sign, shared_information, state, plan.edges)))
                moment = _judged(plan, number, moment, score)
            if not turn.start:
                followed = number + 1 == len(plan.turns) and not _is_final(plan, moment)
                result = _update(turn, ended, seconds, ready - begun, moment)
                yield result._replace(is_whole=not followed)
            elif plan.is_scored(number):
                yield Started(turn.start, moment.scores[-1], moment)
        if not _is_final(plan, moment):
            yield from _restored(program, plan, moment, compute)
    finally:
        # A run that stops early does not wait for threads that still compile or compute.
        for thread in (compiler, worker):
            thread.leave()


def _judged(plan: Plan, number: int, moment: Moment, score: float) -> Moment:
    """The moment after a start or a round of this score; the best start goes on where the search ends."""
    turn, best = plan.turns[number], moment.best
    if best is None or score > best.score:
        best = Best(moment.state, score, 0 if turn.start else turn.round, moment.objectives)
    state = best.state if plan.ends_search(number) else moment.state
    return moment._replace(state=state, best=best, scores=(*moment.scores, score))


def _is_final(plan: Plan, moment: Moment) -> bool:
    """Whether the results of the last updates are those of the best state."""
    return moment.best is None or moment.best.round == plan.rounds


Compute: TypeAlias = Callable[..., Generator[Progress, None, Any]]


def update(
    program: Program,
    plan: Plan,
    compiled: Compiled,
    at: Moment,
    root: Array,
    compute: Compute,
    strides: dict[str, int],
) -> Generator[Progress, None, Ended]:
    """Compute the next update, or the rest of it; `strides` is read and updated."""
    turn = plan.turns[at.updates]
    name, inputs = turn.module, receive(program, at.state, turn.module)
    iterations = program.modules[name].iterations
    key, number = (start_key(root, turn.start), turn.step) if turn.start else (root, turn.round)
    sign = sign_of_life(program, plan, at)
    yield sign
    work = at.work
    if work is None:
        state = at.state.states.get(name)
        if state is None:
            state = yield from compute(sign, compiled.init, module_key(key, name, 0), inputs)
        work = yield from compute(sign, compiled.begin, module_key(key, name, number), state, inputs)
    while at.iterations < iterations:
        stride = min(strides.get(name, 1), iterations - at.iterations)
        until, called = at.iterations + stride, time.perf_counter()
        work = yield from compute(sign, compiled.advance, work, inputs, np.int32(until))
        strides[name] = next_stride(stride, time.perf_counter() - called)
        at = at._replace(iterations=until, work=work)
        sign = sign_of_life(program, plan, at)
        yield sign
    ended: Ended = yield from compute(sign, compiled.end, work, inputs)
    return ended


def _with(program: Program, state: RoundState, name: str, ended: Ended) -> RoundState:
    """The state after a module's update."""
    state = send_backward(send_forward(program, state, name, ended.forward), name, ended.backward)
    return state._replace(states={**state.states, name: ended.state})


def _update(turn: Turn, ended: Ended, seconds: float, compile_seconds: float, moment: Moment) -> Update:
    return Update(
        round=turn.round,
        module=turn.module,
        objective=None if ended.info.objective is None else float(ended.info.objective),
        trace=np.asarray(ended.info.trace),
        report={stem: np.asarray(array) for stem, array in ended.report.items()},
        params=named_leaves(ended.state),
        seconds=seconds,
        compile_seconds=compile_seconds,
        moment=moment,
    )


def _restored(
    program: Program, plan: Plan, moment: Moment, compute: Compute
) -> Generator[Progress | Update, None, None]:
    """Results of the best state once more, for all modules, as the last round's."""
    best = moment.best
    if best is None:
        return
    sign = sign_of_life(program, plan, moment)
    final = moment._replace(state=best.state, best=best._replace(round=plan.rounds))
    for name in program.order:
        begun = time.perf_counter()
        state, inputs = best.state.states[name], receive(program, best.state, name)
        reported = yield from compute(sign, compile_report(program, name), state, inputs)
        yield Update(
            round=plan.rounds,
            module=name,
            objective=None if np.isnan(best.objectives[name]) else best.objectives[name],
            trace=None,
            report={stem: np.asarray(array) for stem, array in reported.items()},
            params=named_leaves(state),
            seconds=time.perf_counter() - begun,
            compile_seconds=0.0,
            moment=final,
            is_whole=name == program.order[-1],
        )


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


def sign_of_life(program: Program, plan: Plan, at: Moment) -> Progress:
    """Progress of the update that is under way at a moment."""
    turn = plan.turns[min(at.updates, len(plan.turns) - 1)]
    return Progress(turn.round, turn.module, at.iterations, program.modules[turn.module].iterations, at, turn.start)


def _place(turn: Turn) -> str:
    return f"start {turn.start} of the search" if turn.start else f"round {turn.round}"


def save(moment: Moment) -> Saved:
    """Copy a moment to the host, without the messages of observations, which follow from the data."""
    return Saved(moment.updates, moment.iterations, named_leaves(_learned(moment)))


def load(program: Program, plan: Plan, root: Array, beginning: RoundState, saved: Saved) -> Moment:
    """Restore a saved moment; the inverse of `save`.

    Args:
        program: the same graph over the same data.
        plan: of the run.
        root: the key of all randomness.
        beginning: `initial_state` of the data.
        saved: from `save`.

    Raises:
        ValueError: the moment is not of a run of this program.
    """
    if saved.updates > len(plan.turns):
        raise ValueError(f"{saved.updates} updates are done of {len(plan.turns)}")
    if saved.updates == len(plan.turns):
        turn, iterations = program.order[0], 0
    else:
        turn = plan.turns[saved.updates].module
        iterations = program.modules[turn].iterations
    if not 0 <= saved.iterations <= iterations:
        raise ValueError(f"{saved.iterations} iterations of {turn} are done where there are {iterations}")
    arrays = _with_weights(saved.arrays)
    every, work = {}, None
    for name in program.order:
        module, inputs = program.modules[name], receive(program, beginning, name)
        every[name] = jax.eval_shape(module.init, root, inputs)
        if name == turn and saved.iterations:
            work = jax.eval_shape(module.begin, root, every[name], inputs)
    saved_work = {name for name in saved.arrays if name.startswith("work.")}
    if work is not None and saved_work != leaf_names({"work": work}):
        # Of another version: the update begins again, from the same state with the same key.
        work, saved = None, saved._replace(iterations=0)
        arrays = {name: array for name, array in arrays.items() if name not in saved_work}
    states = {
        name: state for name, state in every.items() if any(leaf.startswith(f"states.{name}.") for leaf in arrays)
    }
    objectives = {leaf.removeprefix(prefix): 0.0 for leaf in arrays if leaf.startswith(prefix := "objectives.")}
    best = None
    if any(leaf.startswith("best.") for leaf in arrays):
        best = Best(beginning._replace(states=every), 0.0, 0, dict.fromkeys(every, 0.0))
    scores = (0.0,) * len(arrays.get("scores", ()))
    state = beginning._replace(states=states)
    shapes = Moment(state, saved.updates, saved.iterations, work, best, scores, objectives)
    learned = restore(_learned(shapes), arrays)
    if best is not None:
        kept = learned["best"]
        best = Best(_received(beginning, kept), float(kept["score"]), int(kept["round"]), _floats(kept["objectives"]))
    return shapes._replace(
        state=_received(beginning, learned),
        work=learned["work"],
        best=best,
        scores=tuple(float(score) for score in learned["scores"]),
        objectives=_floats(learned["objectives"]),
    )


def _floats(arrays: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(array) for name, array in arrays.items()}


def _received(beginning: RoundState, learned: Mapping[str, Any]) -> RoundState:
    """The state of learned arrays, with the messages of observations of the beginning."""
    sent = {way: _by_edge(learned[way]) for way in ("forward", "backward")}
    forward = {**beginning.forward, **sent["forward"]}
    return beginning._replace(states=learned["states"], forward=forward, backward=sent["backward"])


def _learned(moment: Moment) -> dict[str, Any]:
    """The part of a moment that is not in the data, as nested dictionaries."""
    tree = {
        **_learned_state(moment.state),
        "work": moment.work,
        "scores": np.array(moment.scores),
        "objectives": _arrays(moment.objectives),
    }
    if moment.best is not None:
        state, score, round_number, objectives = moment.best
        numbers = {"score": np.array(score), "round": np.array(round_number), "objectives": _arrays(objectives)}
        tree["best"] = {**_learned_state(state), **numbers}
    return tree


def _arrays(numbers: Mapping[str, float]) -> dict[str, np.ndarray]:
    return {name: np.array(number) for name, number in numbers.items()}


def _learned_state(state: RoundState) -> dict[str, Any]:
    tree: dict[str, Any] = {"states": state.states, "forward": {}, "backward": {}}
    for parent, child in state.backward:  # not of observations, which receive nothing
        for way in ("forward", "backward"):
            tree[way].setdefault(parent, {})[child] = getattr(state, way)[parent, child]
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
    search: Search,
    rule: Rule,
    saved: Saved | None = None,
    still_seconds: float | None = workers.STILL_SECONDS,
) -> Iterator[Progress | Started | Update]:
    """Train a graph; every module updates once a round, in the order written.

    In the first round the modules that cost little begin again several times, on the messages of the others, and the
    start goes on under which they share most. Where a later round shares less than an earlier one, the earlier is
    kept in the end.

    Args:
        graph: the modules and their edges.
        given: rows in memory; those that are not known send the neutral message.
        seed: of all randomness.
        rounds: how many.
        search: options of the search.
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
        plan = make_plan(graph, search, rounds)
    moment = Moment(beginning) if saved is None else load(program, plan, root, beginning, saved)
    return run(program, moment, root, plan, watched_seconds(still_seconds))
