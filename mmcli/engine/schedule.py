"""Runs in the order of their plan: each module learns from its neighbours' messages, and sends its own."""

from collections.abc import Callable, Iterator, Mapping

import jax
from jax import Array

from mmcli.config.graph import Graph
from mmcli.config.model import Search
from mmcli.data.rows.given import Given
from mmcli.engine.counting import most_classes
from mmcli.engine.devices import memory_errors
from mmcli.engine.events import Event
from mmcli.engine.layout import current_layout
from mmcli.engine.plan import Plan, make_plan
from mmcli.engine.program import watched_seconds
from mmcli.engine.pytrees import KEY_IMPL
from mmcli.engine.routing import Program, build_program, initial_state
from mmcli.engine.runner import Programs, Runner, is_final
from mmcli.engine.saving import Moment, Saved, found_numbers, load
from mmcli.engine.search import finer_program
from mmcli.modules.spec import Rule
from mmcli.util import workers


def run(
    program: Program,
    moment: Moment,
    root: Array,
    plan: Plan,
    still_seconds: float | None = None,
    finer: Program | None = None,
    counted: Callable[[Mapping[str, int]], Programs] | None = None,
) -> Iterator[Event]:
    """Run the turns of a plan from a moment on; arguments and errors as in `train_rounds`.

    `finer` is the program that starts of the search begin with, if there is one. Where the plan counts classes,
    `counted` gives the programs that follow, by the numbers found.
    """
    runner = Runner(program, finer, plan, root, still_seconds, counted)
    try:
        runner.compile(moment)
        while moment.updates < len(plan.turns):
            event = yield from runner.take_turn(moment)
            moment = event.moment
            yield event
        if not is_final(plan, moment):
            yield from runner.restore(moment)
    finally:
        runner.leave()


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
) -> Iterator[Event]:
    """Train a graph; every module updates once a round, in the order written.

    In the first round the modules that cost little begin again several times, on the messages of the others, and the
    start goes on under which they share most. Where a later round shares less than an earlier one, the earlier is
    kept in the end.

    Numbers of classes that the graph leaves open are found in the first round, before the modules that cost little
    update. From there on the run is, to the byte, that of a graph which gives these numbers.

    Processes that share the items, by the layout of this context, all train at once and with the same arguments.

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
    layout = current_layout.get()
    root, plan = layout.placed(jax.random.key(seed, impl=KEY_IMPL)), make_plan(graph, search, rounds)

    def counted(numbers: Mapping[str, int]) -> Programs:
        program = build_program(graph.with_numbers(numbers), widths, rule, layout)
        return program, finer_program(program, plan, widths) if plan.starts > 1 else None

    numbers = found_numbers(saved)
    if numbers.keys() == set(plan.left_open):
        program, finer = counted(numbers)
    else:
        program = build_program(graph.with_numbers(most_classes(graph, given.num_items)), widths, rule, layout)
        finer = None
    with memory_errors("the observations", "give it fewer items or columns"):
        beginning = initial_state(program, given)
    moment = Moment(beginning) if saved is None else load(program, plan, root, beginning, saved)
    return run(program, moment, root, plan, watched_seconds(still_seconds), finer, counted)
