"""The checks of the contract, one function each. Each raises AssertionError with the fault.

N items, K classes, D features.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.modules.api import Info, Inputs, Outputs
from mmcli.modules.messages import Categorical, Counts, Message, Points, neutral, normalized
from mmcli.modules.spec import ModuleSpec, Options, Port, Rule
from mmcli.testing.case import (
    Case,
    advanced,
    agree,
    contents,
    jitted,
    random_key,
    require,
    require_finite,
)
from mmcli.testing.examples import MISSING, SECOND_START, Example, N, in_form, neutral_inputs
from mmcli.testing.requirements import require_backward_fit, require_fit, require_info, require_role, require_sound

MOST_CUTS = 200  # of an update


def check_spec(spec: ModuleSpec, options: Options, example: Example) -> None:
    """Check that the spec gives ports whether widths are known or not."""
    open_ports = tuple(Port(port.kind, None) for port in example.ports)
    for ports in (open_ports, example.ports):
        problems = list(spec.check(options, ports))
        require(not problems, f"check refuses the example, so pass options and ports that it accepts: {problems}")
        require(spec.output(options, ports).kind in spec.sends, "output gives a kind that is not among `sends`")
    known, planned = spec.output(options, example.ports), spec.output(options, open_ports)
    require(known.width is not None, "output gives no width although those of all inputs are known")
    require(planned.kind == known.kind, "output gives another kind once widths are known")
    require(planned.width in (None, known.width), "output gives another width once those of the inputs are known")
    low, high = spec.inputs.bounds(options) or (0.0, 0.0)
    require(low <= 0 <= high, "bounds exclude 0, the value of missing and sparse entries")
    shape = spec.picture(options)
    is_fit = shape is None or (len(shape) in (2, 3) and math.prod(shape) == example.ports[0].width)
    require(is_fit, f"picture gives the shape {shape} for rows of {example.ports[0].width} columns")


def check_messages(case: Case) -> None:
    """Check that messages have the kinds and widths of their ports, and rows that are there or neutral."""
    for rule in get_args(Rule):
        module = case.build(rule)
        _, ended, _ = jax.eval_shape(module.end, case.finished, case.inputs)
        for outputs in (ended, jax.eval_shape(module.infer, case.states[1], case.inputs)):
            require_fit(outputs.forward, case.output, "the forward message")
            require_backward_fit(case, outputs.backward)
    for outputs in (case.outputs, case.infer(case.inputs)):
        require_sound(outputs.forward, case.output, "the forward message")
        for place, (message, port) in enumerate(zip(outputs.backward, case.example.ports, strict=True)):
            require_sound(message, port, f"the message back to input {place}")


def check_forward(case: Case) -> None:
    """Check that the forward message is of the parents alone, and is missing where they are."""
    forward = case.infer(case.inputs).forward
    other = case.inputs._replace(child=case.dense_inputs(seed=1).child)
    require(
        agree(forward, case.infer(other).forward, range(N)),
        "the forward message contains the child's: it changes with what the child sent",
    )
    require(forward.weight[0] == 1, "the forward row of an item that is there has weight 0")
    if case.spec.items == "independent":
        require(forward.weight[MISSING] == 0, "the forward row of an item that all parents miss has weight 1")


def check_cavity(case: Case) -> None:
    """Check that a message to a parent leaves out that parent's own, if the spec declares so.

    A row of a sequence may read the parent's other rows, so that there one row changes at a time.
    """
    dense = case.dense_inputs()
    if not case.spec.keeps_cavity:  # the child's message may decide alone what is sent back
        dense = dense._replace(child=neutral(case.output, N))
    before = case.infer(in_form(dense, case.example)).backward
    every = list(range(N))
    groups = [every] if case.spec.items == "independent" else [[row] for row in every]
    for place, (message, port) in enumerate(zip(dense.parents, case.example.ports, strict=True)):

        def shifted(shift: int, rows: list[int], place: int = place, message: Message = message) -> Inputs:
            # Columns in another order: counts keep their sums, and the message back as many.
            def shift_rows(leaf: Array) -> Array:
                return leaf.at[np.array(rows)].set(jnp.roll(leaf, shift, axis=1)[np.array(rows)])

            other = jax.tree.map(lambda leaf: shift_rows(leaf) if leaf.ndim > 1 else leaf, message)
            parents = (*dense.parents[:place], other, *dense.parents[place + 1 :])
            return in_form(dense._replace(parents=parents), case.example)

        # Some orders may leave the message back as it is, such as the mean of a class.
        keeps = all(
            agree(before[place], case.infer(shifted(shift, rows)).backward[place], rows)
            for rows in groups
            for shift in range(1, port.columns)
        )
        if case.spec.keeps_cavity:
            require(keeps, f"under the cavity rule the message back to input {place} contains what that input sent")
        else:
            require(not keeps, f"the message back to input {place} keeps the cavity rule; the spec denies it")


def check_samples(case: Case) -> None:
    """Check that samples fit the ports and follow the key."""
    if case.module.sample is None:
        return
    draws = [case.module.sample(random_key(seed), case.states[2], case.inputs) for seed in (3, 3, 4)]
    require_backward_fit(case, draws[0])
    require_finite(draws[0], "a sample")
    require(contents(draws[0]) == contents(draws[1]), "two samples of one key differ")
    require(contents(draws[0]) != contents(draws[2]), "samples of different keys are the same")


def check_reports(case: Case) -> None:
    """Check that reports, trace and objective are those of the spec, in the shapes of their roles."""
    declared = case.spec.reported(len(case.example.ports))
    items = case.outputs.items
    params = {} if case.module.params is None else case.module.params(case.states[2])
    require(not items.keys() & params.keys(), f"both items and params: {_listed(items.keys() & params.keys())}")
    found = {**items, **params}
    require(not found.keys() - declared, f"reported but not declared: {_listed(found.keys() - declared)}")
    require(not declared.keys() - found, f"declared but not reported: {_listed(declared.keys() - found)}")
    require(case.infer(case.inputs).items.keys() == items.keys(), "infer reports other items than end")
    for name, array in items.items():
        require(array.ndim > 0 and len(array) == N, f"{name} is among the items but has no row an item")
    for name, role in declared.items():
        if role.is_of_items:
            require(name in items, f"{name} has the role {role}, so it belongs among the items")
        require_role(case, name, role, found[name])
    require_info(case)


def check_finite(case: Case) -> None:
    """Check that all numbers are finite, also where every message is missing."""
    require_finite(case.states[0], "the first state")
    _require_finite_update((case.states[2], case.outputs, case.info), "an update")
    nothing = neutral_inputs(case.inputs, case.example, case.output)
    state = case.module.init(random_key(0), nothing)
    work = advanced(case.module, case.module.begin(random_key(1), state, nothing), nothing)
    _require_finite_update(case.module.end(work, nothing), "an update from neutral messages")
    require_finite(case.infer(nothing), "inference from neutral messages")
    if case.module.sample is not None:
        require_finite(case.module.sample(random_key(2), case.states[2], nothing), "a sample from neutral messages")


def check_one_item(case: Case) -> None:
    """Check that one item is enough."""
    inputs, module = in_form(case.dense_inputs(num_items=1), case.example), jitted(case.build(), Counter())
    state = module.init(random_key(0), inputs)
    work = advanced(module, module.begin(random_key(1), state, inputs), inputs)
    ended = module.end(work, inputs)
    _require_finite_update(ended, "an update of one item")
    for name, array in ended[1].items.items():
        require(len(array) == 1, f"of one item, {name} has {len(array)} rows")


def check_cuts(case: Case) -> None:
    """Check that an update can be cut anywhere, and that iterations done already are not done again."""
    module, iterations = case.module, case.module.iterations
    for stride in {max(1, iterations // MOST_CUTS), 7}:
        work = advanced(module, case.begun, case.inputs, range(0, iterations, stride))
        require(contents(work) == contents(case.finished), "the result depends on where an update is cut")
    cut = module.advance(case.begun, case.inputs, jnp.int32(iterations // 2))
    for work, until in (
        (case.begun, 0),
        (cut, iterations // 2),
        (cut, 0),
        (case.finished, 1),
        (case.finished, iterations + 1),
    ):
        again = module.advance(work, case.inputs, jnp.int32(until))
        require(contents(again) == contents(work), "advance does iterations again that are done, or too many")


def check_items(case: Case) -> None:
    """Check that no row of an independent type reads another, and no sequence another sequence."""
    dense, other, before = case.dense_inputs(), case.dense_inputs(seed=1), case.infer(case.inputs)
    is_independent = case.spec.items == "independent"
    is_first = np.arange(N) % 2 == 0 if is_independent else np.arange(N) < SECOND_START
    for is_kept in (is_first, ~is_first):

        def mixed(leaf: Array, other: Array, is_kept: np.ndarray = is_kept) -> Array:
            return jnp.where(is_kept.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, other)

        after = case.infer(in_form(jax.tree.map(mixed, dense, other), case.example))
        text = "a row reads another" if is_independent else "a sequence reads another"
        require(agree(before, after, np.flatnonzero(is_kept).tolist()), f"{text}; the spec has {case.spec.items} items")


def check_missing(case: Case) -> None:
    """Check that the values of a missing row change nothing else, neither parameters nor other rows.

    A missing row of counts equals an empty document, and is left as it is.
    """
    parents = tuple(_spoilt(message) for message in case.inputs.parents)
    spoilt = case.inputs._replace(parents=parents)
    work = advanced(case.module, case.module.begin(random_key(2), case.states[1], spoilt), spoilt)
    state, outputs, info = case.module.end(work, spoilt)
    before = case.states[2], case.outputs, case.info
    require(agree(before, (state, outputs, info), range(MISSING)), "the values of a missing row change other results")


def check_randomness(case: Case) -> None:
    """Check that all randomness comes from the keys given: traced twice, a function is the same program."""
    built, rebuilt = case.build(), case.build()
    for name, given in case.arguments.items():
        program = str(jax.make_jaxpr(getattr(built, name))(*given))
        require("random_seed" not in program, f"{name} makes a random key of its own instead of using the one given")
        require("callback" not in program, f"{name} calls back to the host")
        texts = [_lowered(getattr(module, name), given) for module in (built, rebuilt)]
        require(texts[0] == texts[1], f"{name} differs from one trace to the next: its randomness is not from the key")


CHECKS: tuple[Callable[[Case], None], ...] = (
    check_messages,
    check_forward,
    check_cavity,
    check_samples,
    check_reports,
    check_finite,
    check_one_item,
    check_cuts,
    check_items,
    check_missing,
    check_randomness,
)


def _require_finite_update(ended: tuple[Any, Outputs, Info], subject: str) -> None:
    require_finite(dict(zip(("state", "outputs", "info"), ended, strict=True)), subject)


def _spoilt(message: Message) -> Message:
    """The same with other values in the missing row."""
    match message:
        case Points():
            return message._replace(values=message.values.at[MISSING].set(1e3))
        case Categorical():
            other = normalized(jnp.arange(message.log_probs.shape[1], dtype=float)[None], jnp.ones(1))
            return message._replace(log_probs=message.log_probs.at[MISSING].set(other.log_probs[0]))
        case Counts():
            return message


def _lowered(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """A function as the compiler is given it; traced again, whatever was traced before."""

    def fresh(*given: Any) -> Any:
        return function(*given)

    return re.sub("0x[0-9a-f]+", "", jax.jit(fresh).lower(*arguments).as_text())


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
