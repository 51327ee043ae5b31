"""Results of a sweep: a line a point, and the spread over seeds of each combination of the grid."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmcli.launch.sweep import Point, State, Sweep
from mmcli.workflows.compare import Spread
from mmcli.workflows.figures import OBJECTIVE, latest_figures


class Result(NamedTuple):
    """A point and what it has reached."""

    point: Point
    run: Path
    state: State

    @property
    def seconds(self) -> float:
        """Seconds of learning, over all rounds and modules, without compiling."""
        return sum(line.seconds for line in self.state.history)

    def figures(self) -> dict[str, dict[str, float]]:
        """ACC, ARI, NMI and objective by module, as its latest update left them; those that there are."""
        return latest_figures(self.state.history)


class Combination(NamedTuple):
    """Finished points that differ in the seed only."""

    settings: dict[str, Any]  # value of each key of the grid
    results: list[Result]
    figures: dict[str, dict[str, Spread]]  # by module and measure
    seconds: Spread


class Summary(NamedTuple):
    """Results of a sweep so far."""

    keys: list[str]  # of the grid
    results: list[Result]  # of every point
    combinations: list[Combination]

    @property
    def failed(self) -> list[Result]:
        """Points that failed."""
        return [result for result in self.results if result.state.status == "failed"]

    @property
    def finished(self) -> list[Result]:
        """Points that finished."""
        return [result for result in self.results if result.state.status == "finished"]

    def modules(self) -> dict[str, list[str]]:
        """Measures of each module, in the order of updates."""
        found: dict[str, dict[str, None]] = {}
        for result in self.results:
            for module, values in result.figures().items():
                found.setdefault(module, {}).update(dict.fromkeys(values))
        return {module: list(measures) for module, measures in found.items() if measures}

    def record(self) -> dict[str, Any]:
        """The same as one JSON object."""
        return {
            "points": [
                {
                    **_named(result),
                    "settings": result.point.settings,
                    "status": result.state.status,
                    "last_round": result.state.last_round,
                    "error": result.state.error,
                    "modules": result.figures(),
                    "seconds": round(result.seconds, 3),
                }
                for result in self.results
            ],
            "summary": [
                {
                    "settings": settings,
                    "points": [result.point.name for result in results],
                    "seeds": [result.point.seed for result in results],
                    "modules": {
                        module: {measure: spread._asdict() for measure, spread in measures.items()}
                        for module, measures in figures.items()
                    },
                    "seconds": seconds._asdict(),
                    "best": _best_record(results),
                }
                for settings, results, figures, seconds in self.combinations
            ],
            "best": _best_record(self.finished),
        }


def summarise(sweep: Sweep) -> Summary:
    """Read the state of every point of a sweep."""
    results = [Result(point, sweep.run(point), sweep.state(point)) for point in sweep.points]
    together: dict[str, list[Result]] = {}
    for result in results:
        if result.state.status == "finished":
            together.setdefault(json.dumps(result.point.settings), []).append(result)
    return Summary(sweep.keys, results, [_combination(members) for members in together.values()])


def best_of(results: Sequence[Result]) -> dict[str, Result]:
    """By module that has an objective, the run whose objective is highest."""
    best: dict[str, Result] = {}
    for result in results:
        for module, values in result.figures().items():
            if OBJECTIVE in values and (
                module not in best or values[OBJECTIVE] > best[module].figures()[module][OBJECTIVE]
            ):
                best[module] = result
    return best


def _combination(results: list[Result]) -> Combination:
    values: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for module, measures in result.figures().items():
            for measure, value in measures.items():
                values.setdefault(module, {}).setdefault(measure, []).append(value)
    figures = {
        module: {measure: Spread.of(numbers) for measure, numbers in measures.items()}
        for module, measures in values.items()
    }
    seconds = Spread.of([result.seconds for result in results])
    return Combination(results[0].point.settings, results, figures, seconds)


def _named(result: Result) -> Mapping[str, Any]:
    return {"point": result.point.name, "run": str(result.run), "seed": result.point.seed}


def _best_record(results: Sequence[Result]) -> dict[str, Any]:
    return {
        module: {**_named(result), OBJECTIVE: result.figures()[module][OBJECTIVE]}
        for module, result in best_of(results).items()
    }
