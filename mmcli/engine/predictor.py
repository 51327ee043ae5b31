"""A trained graph with its parameters frozen: classes and latent variables of any items, from any senses.

Items go through in batches: memory is bounded, and the results of an item do not depend on items of other sequences.
Batches are of one size, so that nothing compiles twice, unless a sequence is longer: none is ever cut.

N items, B items in a batch, K classes.
"""

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.config.graph import Graph
from mmcli.data.rows.given import Given
from mmcli.data.rows.protocol import Rows, as_rows
from mmcli.engine.devices import memory_errors, own_settings, start
from mmcli.engine.exported import PredictorProgram, predictor_program
from mmcli.engine.program import module_key, watched_seconds
from mmcli.engine.pytrees import restore
from mmcli.engine.routing import (
    RoundState,
    addressed,
    build_program,
    initial_state,
    own_classes,
    receive,
    send_backward,
    send_forward,
)
from mmcli.errors import StalledError
from mmcli.modules import counts
from mmcli.modules.api import draw
from mmcli.modules.counts import on_device
from mmcli.modules.messages import Categorical, Message
from mmcli.modules.spec import Rule
from mmcli.util.workers import STILL_SECONDS, result, worker

BATCH = 500  # items
AGAIN = "run the command again (with PJRT_NPROC=1 in its environment, for one thread, where it stands still again)"

Arrays: TypeAlias = Mapping[str, np.ndarray]


class PredictedBatch(NamedTuple):
    """Results of the B items of a batch.

    Attributes:
        items: (B, ...) the arrays of items that each module reports, by module and by name in its spec.
        senses: (B, width) predictions of the observations asked for, by their names, from all other messages.
        own: (B,) of `routing.own_classes`, by each module that has them.
    """

    items: dict[str, dict[str, np.ndarray]]
    senses: dict[str, np.ndarray]
    own: dict[str, np.ndarray]

    @property
    def num_items(self) -> int:
        """B."""
        return len(next(iter(next(iter(self.items.values())).values())))


class _Pass(NamedTuple):
    """Results of a pass over all modules."""

    state: RoundState
    items: dict[str, dict[str, Array]]
    senses: dict[str, counts.Rows]
    own: dict[str, Array]


class Predictor:
    """The modules of a graph in the state in which training left them."""

    @own_settings()
    def __init__(self, graph: Graph, widths: Mapping[str, int], rule: Rule) -> None:
        """Build the modules of a graph; `restore` each of them next.

        Args:
            graph: that was trained.
            widths: columns of each observation.
            rule: of the training.

        Raises:
            UsageError: there is no device of the kind that the environment asks for.
        """
        start()
        self._program = build_program(graph, widths, rule)
        self._widths = widths
        self._states: dict[str, Any] = {}
        self._infer = jax.jit(self._infer_all, static_argnums=0)
        self._sample = jax.jit(self._sample_module, static_argnums=(0, 1))

    @own_settings()
    def restore(self, name: str, params: Arrays, num_learned: int) -> None:
        """Set the state of a module; every module needs one.

        Args:
            name: of the module.
            params: the leaves of its state by name.
            num_learned: items it was trained on.

        Raises:
            ValueError: the parameters are not those of this module.
            MemoryShortError: memory ran out.
        """
        rows = {data: jax.ShapeDtypeStruct((num_learned, width), jnp.float32) for data, width in self._widths.items()}
        known = dict.fromkeys(rows, jax.ShapeDtypeStruct((num_learned,), jnp.float32))
        starts = dict.fromkeys(self._program.graph.sequences, jax.ShapeDtypeStruct((num_learned,), bool))

        def init(given: Given) -> Any:
            inputs = receive(self._program, initial_state(self._program, given), name)
            return self._program.modules[name].init(jax.random.key(0), inputs)

        shapes = jax.eval_shape(init, Given(rows, known, starts))
        with memory_errors(f"module {name}", _memory_remedy(1)):
            self._states[name] = restore(shapes, params)

    def predict(
        self,
        given: Given,
        evidence: Arrays | None = None,
        *,
        senses: Collection[str] = (),
        seed: int | None = None,
        still_seconds: float | None = STILL_SECONDS,
    ) -> Iterator[PredictedBatch]:
        """Pass messages until they settle, a batch at a time, in the order of the items.

        A message travels one edge a pass, and there are as many passes as modules: on a tree, by the cavity rule,
        nothing changes after that.

        Args:
            given: rows of every observation; no module receives its targets.
            evidence: (N, K) on the classes of a module, besides the observations, log probabilities, by module.
            senses: the observations to predict.
            seed: draw the senses, instead of expecting them.
            still_seconds: without any processor time, after which a batch is given up; None waits for ever.

        Raises:
            StalledError: no processor time was used for so long.
            MemoryShortError: memory ran out.
        """
        wanted, bounds = frozenset(senses), batch_bounds(given.num_items, list(given.starts.values()))
        rows_of = {name: as_rows(rows) for name, rows in given.observations.items()}
        capacities = {name: _capacity(rows, bounds) for name, rows in rows_of.items()}
        batches = zip(*(rows.parts(bounds) for rows in rows_of.values()), strict=True)
        limit = watched_seconds(still_seconds)
        with worker() as thread:
            for number, (batch, (first, last)) in enumerate(zip(batches, pairwise(bounds), strict=True)):
                known, starts, of_classes = (
                    {name: array[first:last] for name, array in arrays.items()}
                    for arrays in (given.known, given.starts, evidence or {})
                )
                part = Given(dict(zip(given.observations, batch, strict=True)), known, starts)
                key = None if seed is None else (seed, number)
                # In a thread of its own: a signal does not wait for it, and it is watched.
                call = thread.submit(self._predict_batch, wanted, part, capacities, of_classes, key)
                where = f"prediction of items {first} to {last - 1} (from 0)"
                try:
                    with memory_errors(where, _memory_remedy(last - first)):
                        found = result(call, limit)
                except StalledError as error:
                    raise StalledError(f"{error}; {AGAIN}") from None
                yield found

    @own_settings()  # of a batch, not of the generator: whoever asks for batches keeps settings of their own
    def _predict_batch(
        self,
        wanted: frozenset[str],
        given: Given,
        capacities: Mapping[str, int],
        evidence: Arrays,
        seed_and_number: tuple[int, int] | None,
    ) -> PredictedBatch:
        """Predict one batch; senses are drawn by a seed and the number of the batch, or expected."""
        size, room = given.num_items, _padded_size(given.num_items)
        pad = functools.partial(_padded, num_items=room)
        padded = Given(
            {
                # Of two forms each.
                name: jax.tree.map(functools.partial(on_device, num_items=room, capacity=capacities[name]), rows)
                for name, rows in given.observations.items()
            },
            jax.tree.map(pad, dict(given.known)),
            # Each row of the padding is a sequence of its own.
            jax.tree.map(functools.partial(pad, fill=True), dict(given.starts)),
        )
        is_there = pad(np.ones(size))
        messages = {name: Categorical(pad(log_probs), is_there) for name, log_probs in evidence.items()}
        state = initial_state(self._program, padded, with_targets=False)
        settled = self._settle(wanted, state._replace(states=self._states, evidence=messages))
        senses = settled.senses
        if seed_and_number is not None:
            seed, number = seed_and_number
            senses = self._draw(wanted, jax.random.fold_in(jax.random.key(seed), number), settled.state)
        return PredictedBatch(
            *jax.tree.map(lambda array: np.asarray(array)[:size], (settled.items, senses, settled.own))
        )

    def program(
        self,
        senses: Mapping[str, str],
        units: Mapping[str, tuple[np.ndarray, np.ndarray]],
        probabilities: Mapping[str, str],
        num_items: int,
    ) -> PredictorProgram:
        """Make the function of `predictor_program`, with its arguments."""
        return predictor_program(self._infer_items, self._widths, senses, units, probabilities, num_items)

    def _infer_items(self, given: Given) -> dict[str, dict[str, Array]]:
        """Arrays of items that each module reports, from dense rows of one batch; traced."""
        state = initial_state(self._program, given, with_targets=False)
        return self._settle(frozenset(), state._replace(states=self._states, evidence={})).items

    def _settle(self, wanted: frozenset[str], state: RoundState) -> _Pass:
        """Run as many passes as there are modules; the last."""
        settled = _Pass(state, {}, {}, {})
        for _ in self._program.order:
            settled = self._infer(wanted, settled.state)
        return settled

    def _infer_all(self, wanted: frozenset[str], state: RoundState) -> _Pass:
        """Run one pass: every module infers once, in the order of updates."""
        items: dict[str, dict[str, Array]] = {}
        senses: dict[str, counts.Rows] = {}
        own: dict[str, Array] = {}
        for name in self._program.order:
            inputs = receive(self._program, state, name)
            outputs = self._program.modules[name].infer(state.states[name], inputs)
            state = send_forward(self._program, state, name, outputs.forward)
            state, predicted = self._send_backward(wanted, state, name, outputs.backward)
            items[name] = outputs.items
            if (classes := own_classes(self._program, name, outputs.forward)) is not None:
                own[name] = classes
            senses = {**predicted, **senses}  # the first module that receives an observation predicts it
        return _Pass(state, items, senses, own)

    def _draw(self, wanted: frozenset[str], key: Array, state: RoundState) -> dict[str, counts.Rows]:
        """Draw observations: every module draws its messages to its parents, children first."""
        senses: dict[str, counts.Rows] = {}
        for name in reversed(self._program.order):
            # A program for each, one after the other: LAPACK calls of two modules in one program do not depend on each
            # other, and may wait for each other's threads for ever.
            state, drawn = jax.block_until_ready(self._sample(wanted, name, key, state))
            senses = {**drawn, **senses}
        return senses

    def _sample_module(
        self, wanted: frozenset[str], name: str, key: Array, state: RoundState
    ) -> tuple[RoundState, dict[str, counts.Rows]]:
        """The state with the messages to parents that a module draws, and the observations it draws."""
        inputs = receive(self._program, state, name)
        messages = draw(self._program.modules[name], module_key(key, name, 0), state.states[name], inputs)
        return self._send_backward(wanted, state, name, messages)

    def _send_backward(
        self, wanted: frozenset[str], state: RoundState, name: str, messages: tuple[Message, ...]
    ) -> tuple[RoundState, dict[str, counts.Rows]]:
        """The state with a module's messages to its parents, and its predictions of the observations wanted."""
        backward = addressed(self._program, name, messages)
        predicted = {
            parent: message.values
            for parent, message in backward.to_observations.items()
            if parent in wanted and not isinstance(message, Categorical)
        }
        return send_backward(state, name, backward.to_modules), predicted


def batch_bounds(num_items: int, starts: Sequence[np.ndarray]) -> list[int]:
    """First rows of the batches, and N at the end: as many whole sequences as BATCH items hold, or one that is longer.

    Args:
        num_items: N, at least 1.
        starts: (N,) which rows are the first of a sequence, for each way of dividing the rows; none is every row.
    """
    # A batch begins where all of them do; the first row always may.
    cuts = np.flatnonzero(np.logical_and.reduce([np.ones(num_items, bool), *starts]))
    bounds = [0]
    while bounds[-1] + BATCH < num_items:
        place = int(np.searchsorted(cuts, bounds[-1] + BATCH, side="right"))  # first cut beyond the batch
        if cuts[place - 1] > bounds[-1]:
            bounds.append(int(cuts[place - 1]))
        elif place < len(cuts):
            bounds.append(int(cuts[place]))
        else:
            break
    return [*bounds, num_items]


def _memory_remedy(num_items: int) -> str:
    """Remedy where a batch of so many items does not fit in memory."""
    longer = f", or divide the sequence of {num_items} rows" if num_items > BATCH else ""
    return f"free some, or use a machine with more{longer}"


def _padded_size(num_items: int) -> int:
    """Items of a padded batch: BATCH, doubled until they fit, so that longer sequences seldom compile again."""
    return BATCH << max(0, -(-num_items // BATCH) - 1).bit_length()


def _padded(rows: np.ndarray, *, num_items: int, fill: float = 0) -> Array:
    """(num_items, ...), filled up at the end."""
    padding = ((0, num_items - len(rows)), *((0, 0) for _ in rows.shape[1:]))
    return jnp.pad(jnp.asarray(rows), padding, constant_values=fill)


def _capacity(rows: Rows, bounds: Sequence[int]) -> int:
    """Room for the entries of the fullest batch, a power of two, so that other items seldom compile again."""
    return 1 << max(0, rows.most_entries(bounds) - 1).bit_length()
