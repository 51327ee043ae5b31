"""Content of search.json: the scores of the search over the graph and of later rounds."""

import math
from typing import Any, NamedTuple

from mmcli.runs.json_text import parse_json


class SearchRecord(NamedTuple):
    """Scores of starts and rounds so far, each a number of nats an item; starts and rounds count from 1."""

    score: str  # description of the score
    edges: tuple[tuple[str, str], ...]  # parent and child of those over which it is taken
    starts: tuple[float, ...]
    chosen: int  # start of the highest score
    compared: str | None  # module whose classes the agreement is of
    agreement: tuple[float, ...] | None  # of each start's classes with the chosen one's, ARI; None where unknown
    rounds: dict[int, float]
    kept_round: int | None  # of the highest score; None where it is that of a start


def read_search(text: str) -> SearchRecord:
    """Parse search.json; keys that this version does not know are ignored, and older versions have no agreement.

    Raises:
        ValueError: the text is not as mmcli writes it.
    """
    record = parse_json(text)
    match record:
        case {
            "score": str(score),
            "edges": list(edges),
            "starts": [_, *_] as starts,
            "chosen": int(chosen),
            "rounds": dict(rounds),
            "kept_round": int() | None as kept,
        } if all(map(_is_edge, edges)) and all(map(_is_number, (*starts, *rounds.values()))):
            scores = {int(number): float(value) for number, value in rounds.items()}
            compared, agreement = record.get("compared"), record.get("agreement")
            if 1 <= chosen <= len(starts) and (kept is None or kept in scores) and isinstance(compared, str | None):
                pairs = tuple((parent, child) for parent, child in edges)
                agreement = _agreement(agreement, len(starts))
                return SearchRecord(score, pairs, tuple(map(float, starts)), chosen, compared, agreement, scores, kept)
    raise ValueError("not the scores of a search")


def _agreement(values: Any, num_starts: int) -> tuple[float, ...] | None:
    """Agreement of so many starts.

    Raises:
        ValueError: it is not one.
    """
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != num_starts:
        raise ValueError("not an agreement for each start")
    if not all(_is_number(value) and math.isfinite(value) for value in values):
        raise ValueError("an agreement that is no finite number")
    return tuple(map(float, values))


def _is_edge(edge: Any) -> bool:
    return isinstance(edge, list) and len(edge) == 2 and all(isinstance(name, str) for name in edge)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
