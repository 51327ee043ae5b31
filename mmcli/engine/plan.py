"""Order of all updates of a run: rounds of every module, and after the first the starts of the search over the graph.

No jax here: how much of a run is done is known before anything is computed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmcli.config.graph import Graph
from mmcli.config.model import Search
from mmcli.modules.spec import Kind


class Turn(NamedTuple):
    """One update of a run."""

    round: int  # from 1; those of the search belong to the first
    module: str
    start: int = 0  # of the search, from 1; 0 outside it
    step: int = 0  # round within the start, from 1


class Plan(NamedTuple):
    """All updates of a run, in their order.

    Attributes:
        turns: the updates.
        searched: modules that the search starts anew.
        starts: of the search; 1 where there is none.
        edges: parent and child of the edges over which the score is taken; none where there is no score.
    """

    turns: tuple[Turn, ...]
    searched: tuple[str, ...]
    starts: int
    edges: tuple[tuple[str, str], ...]

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return self.turns[-1].round

    def begins_start(self, number: int) -> bool:
        """Whether the searched modules begin anew at an update; the first start goes on from the first round."""
        turn = self.turns[number]
        return turn.start > 1 and turn.start != self.turns[number - 1].start

    def is_scored(self, number: int) -> bool:
        """Whether the state after an update is a candidate for the best: at the end of a round or a start."""
        if not self.edges:
            return False
        turn, following = self.turns[number], self.turns[number + 1 :][:1]
        return not following or (
            (turn.round, turn.start) != (following[0].round, following[0].start)
            and (
                turn.start > 0 or following[0].start == 0  # the first round goes on as the first start
            )
        )

    def ends_search(self, number: int) -> bool:
        """Whether an update is the last of the search."""
        turn, following = self.turns[number], self.turns[number + 1 :][:1]
        return turn.start > 0 and (not following or following[0].start == 0)


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
    if search.starts == 1:
        edges = ()
    starts = search.starts if edges else 1
    turns = [Turn(1, name) for name in names]
    if starts > 1:
        turns += [
            Turn(1, name, start, step)
            for start in range(1, starts + 1)
            for step in range(2 if start == 1 else 1, search.rounds + 1)
            for name in searched
        ]
    turns += [Turn(number, name) for number in range(2, rounds + 1) for name in names]
    return Plan(tuple(turns), searched, starts, edges)


def search_record(plan: Plan, scores: Sequence[float]) -> dict[str, Any]:
    """Content of search.json: the scores of starts and rounds, and which were kept, counted from 1.

    Args:
        plan: of the run.
        scores: nats an item, of the starts and then of the rounds, as far as they are done.
    """
    num_starts = plan.starts if plan.starts > 1 else 0
    starts, rounds = list(scores[:num_starts]), list(scores[num_starts:])
    first_round = plan.rounds - sum(map(plan.is_scored, range(len(plan.turns)))) + num_starts + 1
    best = max(scores)
    return {
        "score": "information shared by the modules, nats an item",
        "edges": [list(edge) for edge in plan.edges],
        "starts": starts,
        "chosen": starts.index(max(starts)) + 1 if starts else None,
        "rounds": {str(first_round + place): score for place, score in enumerate(rounds)},
        "kept_round": first_round + rounds.index(best) if best in rounds and best not in starts else None,
    }
