"""One default update of the MLDA on few pairs and on many, on one core: speech as a run holds it, and another sense.

The speech is drawn from the bundled recordings; the other sense is a distribution over the digits that is right for
most pairs. Seconds are of the processor, so that whatever else runs does not count.
"""

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cores import restart_on_one_core
from timing import PAIRS, bundled

from mmcli.data.rows.packed import PackedRows, joined
from mmcli.modules.api import Inputs
from mmcli.modules.messages import Counts, neutral, normalized
from mmcli.modules.mlda import model as mlda
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.packed import packed
from mmcli.modules.spec import Kind, Port

NUM_CLASSES = 10
EVIDENCE = 3.0  # nats by which the other sense prefers the right class, beside normal noise of 1
BLOCK = 10_000  # pairs drawn at a time


def drawn_inputs(num_pairs: int) -> Inputs:
    """Messages to an MLDA about pairs drawn with replacement."""
    random = np.random.default_rng(0)
    places = random.integers(0, len(bundled("speech")), num_pairs)
    speech, (_, digits) = bundled("speech"), np.unique(np.load(PAIRS)["labels"], return_inverse=True)
    blocks = (speech[places[start : start + BLOCK]] for start in range(0, num_pairs, BLOCK))
    rows = joined(blocks, (num_pairs, speech.shape[1]))
    assert isinstance(rows, PackedRows)
    logits = EVIDENCE * np.eye(NUM_CLASSES)[digits[places]] + random.normal(size=(num_pairs, NUM_CLASSES))
    words = Counts(packed(rows.codes, rows.form.divisor), jnp.ones(num_pairs))
    other = normalized(jnp.asarray(logits, float))
    return Inputs.of((words, other), neutral(Port(Kind.CATEGORICAL, NUM_CLASSES), num_pairs))


def time_update(num_pairs: int, turns: int) -> float:
    """Print the seconds of each part of an update in each turn, compiled before; the fewest of a whole one."""
    inputs, options = drawn_inputs(num_pairs), MldaOptions(num_classes=NUM_CLASSES)
    ports = (Port(Kind.COUNTS, inputs.parents[0][0].shape[1]), Port(Kind.CATEGORICAL, NUM_CLASSES))
    module, key = mlda.build(options, ports, "cavity"), jax.random.key(0, impl="rbg")

    def end(work: Any, inputs: Inputs) -> Any:  # a message to an observation is never computed
        state, outputs, info = module.end(work, inputs)
        return state, outputs.forward, outputs.backward[1], outputs.items, info

    state = jax.jit(module.init)(key, inputs)
    begin, advance, end = jax.jit(module.begin), jax.jit(module.advance), jax.jit(end)
    totals = []
    for turn in range(turns + 1):
        marks = [time.process_time()]
        work = begin(key, state, inputs)
        for until in (None, options.anneal_sweeps, module.iterations):
            work = work if until is None else advance(work, inputs, jnp.int32(until))
            jax.block_until_ready(work)
            marks.append(time.process_time())
        jax.block_until_ready(end(work, inputs))
        marks.append(time.process_time())
        if turn:
            parts = zip(("starts", "search", "variational sweeps", "end"), np.diff(marks), strict=True)
            text = "  ".join(f"{part} {seconds:.2f} s" for part, seconds in parts)
            print(f"{num_pairs} pairs  {marks[-1] - marks[0]:.2f} s: {text}", flush=True)
            totals.append(marks[-1] - marks[0])
    return min(totals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[3_000, 60_000], help="[3000 60000]")
    parser.add_argument("--turns", type=int, default=3, help="updates of each size [3]")
    arguments = parser.parse_args()
    restart_on_one_core()
    totals = [time_update(num_pairs, arguments.turns) for num_pairs in arguments.pairs]
    for num_pairs, total in zip(arguments.pairs[1:], totals[1:], strict=True):
        print(f"{num_pairs} against {arguments.pairs[0]}: {total / totals[0]:.1f} times")


if __name__ == "__main__":
    main()
