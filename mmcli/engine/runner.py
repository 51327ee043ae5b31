"""Turns of a run, one at a time, computed in threads while the caller sees signs of life.

Modules are compiled while those before them train, and never again; messages stay on the device.
"""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias, TypeVar

import jax
import numpy as np
from jax import Array

from mmcli.data.rows.streamed import StreamedRows
from mmcli.engine.counting import explore
from mmcli.engine.devices import memory_errors, own_settings
from mmcli.engine.events import Counted, Progress, Started, Update
from mmcli.engine.exchange import number_of_first
from mmcli.engine.late import late_rows, late_stem, may_be_late
from mmcli.engine.layout import on_host
from mmcli.engine.plan import Plan, Turn
from mmcli.engine.program import Compiled, Ended, compile_module, compile_report, module_key
from mmcli.engine.pytrees import named_leaves
from mmcli.engine.routing import Program, RoundState, own_classes, receive
from mmcli.engine.saving import Moment
from mmcli.engine.search import Best, after_update, run_start, shared_information, without
from mmcli.errors import DivergedError, StalledError
from mmcli.util import workers
from mmcli.util.workers import Worker

CHUNK_SECONDS = 0.5  # aim for a call of `advance`; it takes longer where one iteration does

T = TypeVar("T")
Programs: TypeAlias = tuple[Program, Program | None]  # of the config; that which starts of the search begin with


class Runner:
    """The threads and the compiled modules of a run."""

    def __init__(
        self,
        program: Program,
        finer: Program | None,
        plan: Plan,
        root: Array,
        still_seconds: float | None,
        counted: Callable[[Mapping[str, int]], Programs] | None,
    ) -> None:
        self._program, self._finer, self._plan, self._root = program, finer, plan, root
        self._still_seconds, self._counted = still_seconds, counted
        self._compiler, self._worker = Worker(), Worker()
        self._compiling: dict[str, Future[Compiled]] = {}
        self._compiling_finer: dict[str, Future[Compiled]] = {}
        self._strides: dict[str, int] = {}  # iterations that a call of `advance` makes

    def leave(self) -> None:
        """Leave the threads, computing or not: a run that stops early does not wait for them."""
        for thread in (self._compiler, self._worker):
            thread.leave()

    def compile(self, moment: Moment) -> None:
        """Begin to compile the modules whose turns are to come, the first one first."""
        to_come = self._plan.turns[moment.updates :]
        self._compiling |= self._submit(self._program, (turn.module for turn in to_come), moment.state)
        if any(not turn.is_update for turn in to_come):
            self._compiling |= self._submit(self._program, self._plan.searched, moment.state)
        if self._finer is not None and any(turn.start > 1 for turn in to_come):
            state = without(self._finer, moment.state, self._plan.searched)
            self._compiling_finer = self._submit(self._finer, self._plan.searched, state)

    def _submit(self, program: Program, names: Iterable[str], state: RoundState) -> dict[str, Future[Compiled]]:
        prepare = own_settings()(compile_module)
        return {
            name: self._compiler.submit(prepare, program, name, self._root, receive(program, state, name))
            for name in dict.fromkeys(names)
            if name not in self._compiling or program is not self._program
        }

    def _compute(self, sign: Progress, function: Callable[..., Any], *arguments: Any) -> Generator[Progress, None, Any]:
        call = self._worker.submit(own_settings()(lambda: jax.block_until_ready(function(*arguments))))
        return (yield from awaited(call, sign, self._still_seconds))

    def take_turn(self, moment: Moment) -> Generator[Progress, None, Counted | Started | Update]:
        """Run the next turn."""
        turn, begun = self._plan.turns[moment.updates], time.perf_counter()
        if turn.is_count:
            return (yield from self._count(moment, turn))
        if turn.start:
            after, classes = yield from self._start(moment, turn)
            after = yield from self._judge(moment.updates, after)
            return Started(turn.start, after.scores[-1], after, classes)
        ended, ready = yield from self._update(moment, turn)
        objective = np.nan if ended.info.objective is None else float(ended.info.objective)
        after = Moment(
            after_update(self._program, moment.state, turn.module, ended),
            moment.updates + 1,
            best=moment.best,
            scores=moment.scores,
            objectives={**moment.objectives, turn.module: objective},
            numbers=moment.numbers,
        )
        seconds = time.perf_counter() - ready
        if self._plan.is_scored(moment.updates):
            after = yield from self._judge(moment.updates, after)
        arrays, late = self._reports(turn.module, moment, ended.state, ended.report)
        is_followed = after.updates == len(self._plan.turns) and not is_final(self._plan, after)
        return Update(
            round=turn.round,
            module=turn.module,
            objective=None if ended.info.objective is None else objective,
            trace=on_host(ended.info.trace),
            report=arrays,
            late=late,
            params=named_leaves(ended.state),
            seconds=seconds,
            compile_seconds=ready - begun,
            moment=after,
            own_classes=self._classes_on_host(own_classes(self._program, turn.module, ended.forward)),
            is_whole=not is_followed,
        )

    def _reports(
        self, name: str, moment: Moment, state: Any, reported: Mapping[str, Array]
    ) -> tuple[dict[str, np.ndarray], dict[str, StreamedRows]]:
        """What a module reports, without the rows that fill up blocks, and what of it is computed late."""
        program, layout = self._program, self._program.layout
        arrays = {stem: on_host(array) for stem, array in reported.items()}
        is_filled = layout.num_rows > layout.num_items
        if not is_filled and not may_be_late(program, name):
            return arrays, {}  # tracing takes time
        inputs = receive(program, moment.state, name)
        of_items = jax.eval_shape(program.modules[name].infer, state, inputs).items
        if is_filled:
            arrays |= {stem: layout.without_filling(arrays[stem]) for stem in of_items}
        late = late_stem(program, name, state, inputs, of_items)
        return arrays, {} if late is None else {late: late_rows(program, name, late, state, inputs)}

    def _classes_on_host(self, classes: Array | None) -> np.ndarray | None:
        layout = self._program.layout
        return None if classes is None else layout.without_filling(on_host(classes))

    def _judge(self, number: int, after: Moment) -> Generator[Progress, None, Moment]:
        """The moment after a start or a round, with its score; the best start goes on where the search ends."""
        turn, best = self._plan.turns[number], after.best
        sign = sign_of_life(self._program, self._plan, after)
        shared = yield from self._compute(sign, shared_information, after.state, self._plan.edges)
        score = float(np.nan_to_num(shared))  # 0, the least of all, for a start that diverged
        # A round that shares as much has learned longer; a start has not.
        if best is None or score > best.score or (score == best.score and not turn.start):
            best = Best(after.state, score, 0 if turn.start else turn.round, after.objectives)
        is_chosen = turn.start == self._plan.starts  # the last start ends the search
        return after._replace(state=best.state if is_chosen else after.state, best=best, scores=(*after.scores, score))

    def _update(self, moment: Moment, turn: Turn) -> Generator[Progress, None, tuple[Ended, float]]:
        """Update a module; what it ended with, and the time at which it was compiled."""
        where, spec = f"module {turn.module}, round {turn.round}", self._program.graph.nodes[turn.module].spec
        with memory_errors(where, spec.memory_remedy):
            sign = sign_of_life(self._program, self._plan, moment)
            compiled = yield from awaited(self._compiling[turn.module], sign, self._still_seconds)
            ready = time.perf_counter()
            ended = yield from self._iterate(moment, turn, compiled)
        if not ended.finite:
            raise DivergedError(f"{where}: a number became NaN or infinite; {spec.remedy}")
        return ended, ready

    def _iterate(self, at: Moment, turn: Turn, compiled: Compiled) -> Generator[Progress, None, Ended]:
        """Compute an update, or the rest of it."""
        name, inputs = turn.module, receive(self._program, at.state, turn.module)
        iterations = self._program.modules[name].iterations
        sign = sign_of_life(self._program, self._plan, at)
        yield sign
        work = at.work
        if work is None:
            state = at.state.states.get(name)
            if state is None:
                state = yield from self._compute(sign, compiled.init, module_key(self._root, name, 0), inputs)
            key = module_key(self._root, name, turn.round)
            work = yield from self._compute(sign, compiled.begin, key, state, inputs)
        while at.iterations < iterations:
            stride = min(self._strides.get(name, 1), iterations - at.iterations)
            until, called = at.iterations + stride, time.perf_counter()
            work = yield from self._compute(sign, compiled.advance, work, inputs, np.int32(until))
            seconds = number_of_first(time.perf_counter() - called)
            self._strides[name] = next_stride(stride, seconds)
            at = at._replace(iterations=until, work=work)
            sign = sign_of_life(self._program, self._plan, at)
            yield sign
        ended: Ended = yield from self._compute(sign, compiled.end, work, inputs)
        return ended

    def _count(self, moment: Moment, turn: Turn) -> Generator[Progress, None, Counted]:
        """Find the numbers of classes; from here on the programs are those of a config that gives them."""
        plan, sign = self._plan, sign_of_life(self._program, self._plan, moment)
        yield sign
        with memory_errors("the count of classes", self._program.graph.nodes[turn.module].spec.memory_remedy):
            compiled = {}
            for name in plan.searched:
                compiled[name] = yield from awaited(self._compiling.pop(name), sign, self._still_seconds)
            compute = partial(self._compute, sign)
            numbers = yield from explore(self._program, compiled, plan, moment.state, self._root, compute)
        if self._counted is None:
            raise ValueError("a plan that counts classes needs the programs that follow")
        self._program, self._finer = self._counted(numbers)
        state = without(self._program, moment.state, plan.searched)
        after = moment._replace(state=state, updates=moment.updates + 1, numbers=numbers)
        self.compile(after)
        return Counted(numbers, after)

    def _start(self, moment: Moment, turn: Turn) -> Generator[Progress, None, tuple[Moment, np.ndarray | None]]:
        """Run a start of the search; the moment after it, and the classes that it found."""
        sign = sign_of_life(self._program, self._plan, moment)
        yield sign
        where, spec = f"start {turn.start} of the search", self._program.graph.nodes[turn.module].spec
        with memory_errors(where, spec.memory_remedy):
            programs = []
            for program, compiling in ((self._program, self._compiling), (self._finer, self._compiling_finer)):
                if program is not None and compiling:
                    compiled = {}
                    for name in self._plan.searched:
                        compiled[name] = yield from awaited(compiling[name], sign, self._still_seconds)
                    programs.append((program, compiled))
            compute = partial(self._compute, sign)
            found = yield from run_start(programs, self._plan, moment.state, self._root, turn.start, compute)
        objectives = {**moment.objectives, **found.objectives}
        after = moment._replace(state=found.state, updates=moment.updates + 1, objectives=objectives)
        return after, self._classes_on_host(found.classes)

    def restore(self, moment: Moment) -> Generator[Progress | Update, None, None]:
        """Give the results of the best state once more, for all modules, as the last round's."""
        best, program = moment.best, self._program
        if best is None:
            return
        sign = sign_of_life(program, self._plan, moment)
        final = moment._replace(state=best.state, best=best._replace(round=self._plan.rounds))
        for name in program.order:
            begun = time.perf_counter()
            state, inputs = best.state.states[name], receive(program, best.state, name)
            reported, own = yield from self._compute(sign, compile_report(program, name), state, inputs)
            arrays, late = self._reports(name, final, state, reported)
            yield Update(
                round=self._plan.rounds,
                module=name,
                objective=None if np.isnan(best.objectives[name]) else best.objectives[name],
                trace=None,
                report=arrays,
                late=late,
                params=named_leaves(state),
                seconds=time.perf_counter() - begun,
                compile_seconds=0.0,
                moment=final,
                own_classes=self._classes_on_host(own),
                is_whole=name == program.order[-1],
            )


def is_final(plan: Plan, moment: Moment) -> bool:
    """Whether the results of the last updates are those of the best state."""
    return moment.best is None or moment.best.round == plan.rounds


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
    """Progress of the turn that is under way at a moment."""
    turn = plan.turns[min(at.updates, len(plan.turns) - 1)]
    iterations = program.modules[turn.module].iterations
    return Progress(turn.round, turn.module, at.iterations, iterations, at, turn.start)
