"""A trained graph with its parameters frozen: what it says of items, seen or not, whatever is known of them.

Items go through in batches of one size: memory is bounded, nothing compiles twice, and what is said of an item
does not depend on the others.

N items, B items in a batch, K classes.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.config.graph import Graph
from mmcli.data.rows.sparse import is_sparse
from mmcli.data.rows.streamed import SentRows, blocks_of
from mmcli.engine.devices import own_settings, start
from mmcli.engine.program import (
    Edge,
    Program,
    RoundState,
    build_program,
    hear,
    module_key,
    observe,
    speak,
    watched_seconds,
)
from mmcli.engine.pytrees import restore
from mmcli.errors import StalledError
from mmcli.modules.api import Inputs, draw
from mmcli.modules.counts import Rows, on_device
from mmcli.modules.messages import Categorical, Message, combine
from mmcli.modules.spec import Rule
from mmcli.util.workers import STILL_SECONDS, result, worker

BATCH = 500
AGAIN = "run the command again (with PJRT_NPROC=1 in its environment, for one thread, where it stands still again)"

Arrays: TypeAlias = Mapping[str, np.ndarray]


class Recognition(NamedTuple):
    """What a graph says of the B items of a batch.

    Attributes:
        items: (B, ...) what each module reports of an item, by module and by name in its spec
        senses: (B, width) what the graph expects of each observation asked for, by its name: from all the other
            messages.
    """

    items: dict[str, dict[str, np.ndarray]]
    senses: dict[str, np.ndarray]

    @property
    def num_items(self) -> int:
        """B."""
        return len(next(iter(next(iter(self.items.values())).values())))


class _Said(NamedTuple):
    """All that was said in a batch."""

    forward: dict[Edge, Message]
    backward: dict[Edge, Message]
    items: dict[str, dict[str, Array]]
    senses: dict[str, Rows]


class Recognizer:
    """The modules of a graph in the state that training left them in."""

    @own_settings()
    def __init__(self, graph: Graph, widths: Mapping[str, int], rule: Rule) -> None:
        """For the graph, the columns of each observation and the rule of training; `restore` each module next.

        Raises:
            UsageError: there is no device of the kind that the environment asks for.
        """
        start()
        self._program = build_program(graph, widths, BATCH, rule)
        self._widths = widths
        self._states: dict[str, Any] = {}
        self._infer = jax.jit(self._infer_all, static_argnums=0)
        self._sample = jax.jit(self._sample_module, static_argnums=(0, 1))

    @own_settings()
    def restore(self, name: str, params: Arrays, num_learned: int) -> None:
        """Put a module into the state that training left it in; every module needs it.

        Args:
            name: of the module.
            params: the leaves of its state by name.
            num_learned: items it was trained on.

        Raises:
            ValueError: the parameters are not those of this module.
        """
        learned = self._program._replace(num_items=num_learned)
        rows = {seen: jax.ShapeDtypeStruct((num_learned, width), float) for seen, width in self._widths.items()}
        known = {seen: jax.ShapeDtypeStruct((num_learned,), float) for seen in self._widths}

        def init(observations: Mapping[str, Array], known: Mapping[str, Array]) -> Any:
            inputs = hear(learned, observe(learned, observations, known), name)
            return learned.modules[name].init(jax.random.key(0), inputs)

        self._states[name] = restore(jax.eval_shape(init, rows, known), params)

    def recognize(
        self,
        observations: Mapping[str, SentRows],
        known: Arrays,
        told: Arrays | None = None,
        *,
        senses: Collection[str] = (),
        seed: int | None = None,
        still_seconds: float | None = STILL_SECONDS,
    ) -> Iterator[Recognition]:
        """Let the messages settle and ask every module what it says, a batch at a time, in the order of the items.

        A message travels one edge a pass, and there are as many passes as modules: on a tree, by the cavity rule,
        nothing changes after that.

        Args:
            observations: (N, width) float32 of every observation, dense or sparse, in memory or streamed, in the form
                or forms that its modules take.
            known: (N,) which rows of each are there.
            told: (N, K) what is known of the classes of a module beside that, log probabilities, by module.
            senses: the observations that are to be made.
            seed: draw the senses, instead of what is expected of them.
            still_seconds: without any processor time, after which a batch is given up; None waits for ever.

        Raises:
            StalledError: nothing was computed for so long.
        """
        num_items = len(next(iter(known.values())))
        wanted, starts = frozenset(senses), range(0, num_items, BATCH)
        capacities = {name: _capacity(rows, starts) for name, rows in observations.items()}
        batches = zip(*(blocks_of(rows, BATCH) for rows in observations.values()), strict=True)
        limit = watched_seconds(still_seconds)
        with worker() as thread:
            for number, (first, batch) in enumerate(zip(starts, batches, strict=True)):
                rows = dict(zip(observations, batch, strict=True))
                part = slice(first, min(first + BATCH, num_items))
                of_batch = [{name: array[part] for name, array in (arrays or {}).items()} for arrays in (known, told)]
                key = None if seed is None else (seed, number)
                # In a thread of its own: a signal does not wait for it, and it is watched.
                call = thread.submit(self._recognize_batch, wanted, rows, capacities, *of_batch, key)
                try:
                    yield result(call, limit)
                except StalledError as error:
                    raise StalledError(f"{error}; {AGAIN}") from None

    @own_settings()  # of a batch, not of the generator: whoever asks for batches keeps settings of their own
    def _recognize_batch(
        self,
        wanted: frozenset[str],
        rows: Mapping[str, Any],
        capacities: Mapping[str, int],
        known: Arrays,
        told: Arrays,
        seed_and_number: tuple[int, int] | None,
    ) -> Recognition:
        """As `recognize`, of at most BATCH items; drawn by a seed and the number of the batch, or expected."""
        size = len(next(iter(known.values())))
        observed = {
            name: on_device(part, BATCH, capacities[name]) if is_sparse(part) else jax.tree.map(_padded, part)
            for name, part in rows.items()
        }
        is_told = _padded(np.ones(size))
        messages = {name: Categorical(_padded(log_probs), is_told) for name, log_probs in told.items()}
        said = self._settle(wanted, observed, jax.tree.map(_padded, dict(known)), messages)
        made = said.senses
        if seed_and_number is not None:
            seed, number = seed_and_number
            key = jax.random.fold_in(jax.random.key(seed), number)
            made = self._draw(wanted, key, said.forward, said.backward, messages)
        return Recognition(*jax.tree.map(lambda array: np.asarray(array)[:size], (said.items, made)))

    def _settle(
        self,
        wanted: frozenset[str],
        observations: Mapping[str, Rows],
        known: Mapping[str, Array],
        told: Mapping[str, Message],
    ) -> _Said:
        start = observe(self._program, observations, known)
        said = _Said(start.forward, start.backward, {}, {})
        for _ in self._program.modules:
            said = self._infer(wanted, self._states, said.forward, said.backward, told)
        return said

    def _infer_all(
        self,
        wanted: frozenset[str],
        states: Any,
        forward: dict[Edge, Message],
        backward: dict[Edge, Message],
        told: Mapping[str, Message],
    ) -> _Said:
        """One pass: every module infers once, in the order of updates."""
        said = _Said(dict(forward), dict(backward), {}, {})
        for name, module in self._program.modules.items():
            state = RoundState(states, said.forward, said.backward)
            outputs = module.infer(states[name], _listen(self._program, state, name, told))
            said.forward.update(speak(self._program, name, state, outputs.forward))
            self._answer(wanted, said, name, outputs.backward)
            said.items[name] = outputs.items
        return said

    def _draw(
        self,
        wanted: frozenset[str],
        key: Array,
        forward: dict[Edge, Message],
        backward: dict[Edge, Message],
        told: Mapping[str, Message],
    ) -> dict[str, Rows]:
        """What each observation could have been: every module draws what it sends to its parents, children first."""
        senses: dict[str, Rows] = {}
        for name in reversed(self._program.modules):
            # A program for each, one after the other: LAPACK calls of two modules in one program do not depend on each
            # other, and may wait for each other's threads for ever.
            drawn = self._sample(wanted, name, key, self._states, forward, backward, told)
            backward, made = jax.block_until_ready(drawn)
            senses = {**made, **senses}
        return senses

    def _sample_module(
        self,
        wanted: frozenset[str],
        name: str,
        key: Array,
        states: Any,
        forward: dict[Edge, Message],
        backward: dict[Edge, Message],
        told: Mapping[str, Message],
    ) -> tuple[dict[Edge, Message], dict[str, Rows]]:
        """The messages to parents with those that a module draws, and the observations that it makes."""
        said = _Said(forward, dict(backward), {}, {})
        inputs = _listen(self._program, RoundState(states, forward, said.backward), name, told)
        module = self._program.modules[name]
        self._answer(wanted, said, name, draw(module, module_key(key, name, 0), states[name], inputs))
        return said.backward, said.senses

    def _answer(self, wanted: frozenset[str], said: _Said, name: str, messages: tuple[Message, ...]) -> None:
        """Add what a module sends to its parents; to an observation, where that is wanted."""
        for parent, message in zip(self._program.graph.nodes[name].parents, messages, strict=True):
            if parent in self._program.modules:
                said.backward[parent, name] = message
            elif parent in wanted and not isinstance(message, Categorical):  # who hears it first speaks of it
                said.senses.setdefault(parent, message.values)


def _listen(program: Program, state: RoundState, name: str, told: Mapping[str, Message]) -> Inputs:
    inputs = hear(program, state, name)
    return inputs._replace(child=combine([inputs.child, told[name]])) if name in told else inputs


def _padded(rows: np.ndarray) -> Array:
    """(BATCH, ...), zeros at the end."""
    return jnp.pad(jnp.asarray(rows), ((0, BATCH - len(rows)), *((0, 0) for _ in rows.shape[1:])))


def _capacity(rows: SentRows, starts: range) -> int:
    """Room for the entries of the fullest batch, a power of two, so that other items seldom compile anew."""
    if not is_sparse(rows):
        return 0
    bounds = rows.indptr[[*starts, rows.shape[0]]]
    return 1 << int(np.diff(bounds).max(initial=1) - 1).bit_length()
