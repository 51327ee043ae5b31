"""Order of all updates of a run: rounds of every module, and after the first the starts of the search over the graph.

Where a number of classes is left open, the modules that the search starts anew have their first round after the
others', when the number is found.

No jax here: how much of a run is done is known before anything is computed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmcli.config.graph import Graph
from mmcli.config.model import Search
from mmcli.modules.spec import Kind


class Turn(NamedTuple):
    """One update of a module, a whole start of the search, or the count of classes."""

    round: int  # from 1; the search belongs to the first
    module: str  # of a start, and of the count, the first of those that begin anew
    start: int = 0  # of the search, from 1; 0 outside it
    is_count: bool = False  # whether it finds the numbers of classes

    @property
    def is_update(self) -> bool:
        """Whether it is an update of the module alone."""
        return not self.start and not self.is_count


class Plan(NamedTuple):
    """All turns of a run, in their order.

    Attributes:
        turns: the updates and starts.
        searched: modules that the search starts anew.
        starts: of the search; 1 where there is none.
        steps: rounds of each start.
        edges: parent and child of the edges over which the score is taken; none where there is no score.
        compared: the last module of these edges that finds classes, by which starts are compared; None where none does.
        left_open: modules whose number of classes is to be found.
        counted: parent and child of the edges over which classes are counted.
    """

    turns: tuple[Turn, ...]
    searched: tuple[str, ...]
    starts: int
    steps: int
    edges: tuple[tuple[str, str], ...]
    compared: str | None = None
    left_open: tuple[str, ...] = ()
    counted: tuple[tuple[str, str], ...] = ()

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return self.turns[-1].round

    def is_scored(self, number: int) -> bool:
        """Whether the state after a turn is a candidate for the best: a start, or the end of a later round."""
        turn, following = self.turns[number], self.turns[number + 1 :][:1]
        ends_round = turn.round > 1 and (not following or following[0].round > turn.round)
        return turn.start > 0 or (ends_round and bool(self.edges))


def make_plan(graph: Graph, search: Search, rounds: int) -> Plan:
    """Plan of a run of so many rounds.

    The search needs two of the modules that it may start anew, of which one sends classes to the other: it looks for
    the start under which they share most. With one start nothing is searched or scored.
    """
    names = graph.learners
    searched = tuple(name for name in names if graph.nodes[name].spec.restartable)
    edges = tuple(
        (parent, name)
        for name in searched
        for parent in graph.nodes[name].parents
        if parent in searched and graph.nodes[name].kind_from(parent) is Kind.CATEGORICAL
    )
    counted = tuple(edge for edge in edges if edge[0] in graph.left_open)
    if search.starts == 1:
        edges = ()
    starts = search.starts if edges else 1
    turns = [Turn(1, name) for name in names]
    if counted:
        turns.sort(key=lambda turn: turn.module in searched)  # stable
        turns.insert(len(names) - len(searched), Turn(1, searched[0], is_count=True))
    turns += [Turn(1, searched[0], start) for start in range(1, starts + 1) if starts > 1]
    turns += [Turn(number, name) for number in range(2, rounds + 1) for name in names]
    by_depth = (name for edge in reversed(edges) for name in reversed(edge))
    compared = next((name for name in by_depth if graph.nodes[name].spec.classes is not None), None)
    return Plan(tuple(turns), searched, starts, search.rounds, edges, compared, graph.left_open, counted)


def search_record(plan: Plan, scores: Sequence[float], agreement: Sequence[float] | None) -> dict[str, Any]:
    """Content of search.json: the scores of starts and rounds, and which were kept, counted from 1.

    Args:
        plan: of the run.
        scores: nats an item, of the starts and then of the rounds from the second, as far as they are done.
        agreement: of the classes of each start with those of the best, as adjusted Rand index; None where unknown.
    """
    starts, rounds = list(scores[: plan.starts]), list(scores[plan.starts :])
    kept = max(range(len(rounds)), key=lambda place: (rounds[place], place), default=0)  # of equals the last
    return {
        "score": "information shared by the modules, nats an item",
        "edges": [list(edge) for edge in plan.edges],
        "starts": starts,
        "chosen": starts.index(max(starts)) + 1,
        "compared": plan.compared,
        "agreement": None if agreement is None else list(agreement),
        "rounds": {str(place + 2): score for place, score in enumerate(rounds)},
        "kept_round": kept + 2 if rounds and rounds[kept] >= max(starts) else None,
    }
