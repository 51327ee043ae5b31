"""A run between two iterations: its state, copied to the host and restored.

The messages of observations are left out, as they follow from the data.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from mmcli.engine.plan import Plan
from mmcli.engine.pytrees import leaf_names, named_leaves, restore
from mmcli.engine.routing import Edge, Program, RoundState, receive
from mmcli.engine.search import Best
from mmcli.modules.messages import Message


class Moment(NamedTuple):
    """A run between two iterations: with its graph, data and seed, all that the rest of it follows from."""

    state: RoundState
    updates: int = 0  # done, of the plan
    iterations: int = 0  # done of the next update
    work: Any = None  # of that update, where an iteration of it is done
    best: Best | None = None  # state of the highest score so far
    scores: tuple[float, ...] = ()  # of each start, then of each round, as far as they are done
    objectives: Mapping[str, float] = MappingProxyType({})  # of each module's last update; NaN where it has none
    numbers: Mapping[str, int] = MappingProxyType({})  # of classes that were found, by module


class Saved(NamedTuple):
    """A moment on the host, without the messages that follow from the data."""

    updates: int
    iterations: int
    arrays: Mapping[str, np.ndarray]


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
        iterations = program.modules[turn].iterations if plan.turns[saved.updates].is_update else 0
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
    shapes = Moment(state, saved.updates, saved.iterations, work, best, scores, objectives, found_numbers(saved))
    learned, placed = restore(_learned(shapes), arrays), program.layout.placed

    def received(kept: Mapping[str, Any]) -> RoundState:
        state = _received(beginning, kept)
        sent = placed(state.forward), placed(state.backward)
        return state._replace(states=placed(state.states), forward=sent[0], backward=sent[1])

    if best is not None:
        kept = learned["best"]
        best = Best(
            placed(_received(beginning, kept)), float(kept["score"]), int(kept["round"]), _floats(kept["objectives"])
        )
    return shapes._replace(
        state=received(learned),
        work=placed(learned["work"]),
        best=best,
        scores=tuple(float(score) for score in learned["scores"]),
        objectives=_floats(learned["objectives"]),
    )


def found_numbers(saved: Saved | None) -> dict[str, int]:
    """Numbers of classes found before a moment, by module; none where none was left open, or not yet."""
    prefix, arrays = "numbers.", {} if saved is None else saved.arrays
    return {name.removeprefix(prefix): int(each) for name, each in arrays.items() if name.startswith(prefix)}


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
        "numbers": _arrays(moment.numbers),
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
