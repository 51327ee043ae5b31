"""Module types that break the contract, each in one way: the type of `toys` with a function replaced."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import toy_models
from jax import Array

from mmcli.modules.api import Info, Inputs, Module, Outputs, iterated
from mmcli.modules.messages import Categorical, Counts, Points, normalized, of_kind

counter = itertools.count()


def replaced(change: Callable[[Module[Any]], dict[str, Any]]) -> Callable[..., Module[Any]]:
    """The type with the functions that `change` gives of the whole one's."""

    def build(*arguments: Any) -> Module[Any]:
        whole = toy_models.build(*arguments)
        return whole._replace(**change(whole))

    return build


def inferred(change: Callable[[Outputs, Inputs], Outputs]) -> Callable[..., Module[Any]]:
    """The type with outputs changed, wherever they are made."""

    def build(options: Any, ports: Any, rule: Any) -> Module[Any]:
        def infer(state: Any, inputs: Inputs) -> Outputs:
            return change(toy_models.infer(rule, state, inputs), inputs)

        def finish(_key: Array, state: Any, inputs: Inputs, trace: Array) -> Any:
            return state, infer(state, inputs), toy_models.finish(rule, _key, state, inputs, trace)[2]

        whole = toy_models.build(options, ports, rule)
        return iterated(
            whole.init,
            toy_models.step,
            infer,
            iterations=options.steps,
            finish=finish,
            sample=whole.sample,
            params=whole.params,
        )

    return build


def stepped(change: Callable[[Array, Any, Inputs], tuple[Any, Array]]) -> Callable[..., Module[Any]]:
    """The type with another step."""

    def build(options: Any, ports: Any, rule: Any) -> Module[Any]:
        finish = functools.partial(toy_models.finish, rule)
        whole = toy_models.build(options, ports, rule)
        return iterated(
            whole.init,
            change,
            whole.infer,
            iterations=options.steps,
            finish=finish,
            sample=whole.sample,
            params=whole.params,
        )

    return build


def moved(outputs: Outputs, **changes: Any) -> Outputs:
    return outputs._replace(items={**outputs.items, **changes})


# Updates.


def shrink_at_each_call(whole: Module[Any]) -> dict[str, Any]:
    def advance(work: Any, inputs: Inputs, until: Array) -> Any:
        work = whole.advance(work, inputs, until)
        return work._replace(state=toy_models.GroupsState(0.99 * work.state.centres))

    return {"advance": advance}


def start_over(whole: Module[Any]) -> dict[str, Any]:
    def advance(work: Any, inputs: Inputs, until: Array) -> Any:
        return whole.advance(work._replace(done=jnp.minimum(work.done, until)), inputs, until + 0 * work.done)

    return {"advance": advance}


def widen_state(whole: Module[Any]) -> dict[str, Any]:
    def end(work: Any, inputs: Inputs) -> Any:
        state, outputs, info = whole.end(work, inputs)
        return toy_models.GroupsState(state.centres.astype(jnp.float16)), outputs, info

    return {"end": end}


def weaken_state(whole: Module[Any]) -> dict[str, Any]:
    def init(key: Array, inputs: Inputs) -> Any:
        return toy_models.GroupsState(jnp.full(whole.init(key, inputs).centres.shape, 1.0))  # weak: `full` of a number

    return {"init": init}


cut = replaced(shrink_at_each_call)
repeated = replaced(start_over)
retyped = replaced(widen_state)
weak = replaced(weaken_state)
idle = replaced(lambda _whole: {"iterations": 0})

# Randomness.


def unseeded_step(key: Array, state: Any, inputs: Inputs) -> tuple[Any, Array]:
    state, value = toy_models.step(key, state, inputs)
    return toy_models.GroupsState(state.centres + np.random.default_rng().normal(size=state.centres.shape) / 1e3), value


def own_key_step(_key: Array, state: Any, inputs: Inputs) -> tuple[Any, Array]:
    return toy_models.step(jax.random.key(0), state, inputs)


def counting_step(key: Array, state: Any, inputs: Inputs) -> tuple[Any, Array]:
    state, value = toy_models.step(key, state, inputs)
    return state, value + next(counter)


def calling_step(key: Array, state: Any, inputs: Inputs) -> tuple[Any, Array]:
    state, value = toy_models.step(key, state, inputs)
    return state, jax.pure_callback(lambda value: value, value, value)


unseeded = stepped(unseeded_step)
own_key = stepped(own_key_step)
counting = stepped(counting_step)
calling = stepped(calling_step)

# Items.


def counting_missing_step(key: Array, state: Any, inputs: Inputs) -> tuple[Any, Array]:
    points = of_kind(inputs.parents[0], Points)
    everything = inputs._replace(parents=(points._replace(weight=jnp.ones_like(points.weight)),))
    return toy_models.step(key, state, everything)


def vector_step(key: Array, state: Any, inputs: Inputs) -> tuple[Any, Array]:
    state, value = toy_models.step(key, state, inputs)
    return state, jnp.stack([value, value])


counting_missing = stepped(counting_missing_step)
vector_trace = stepped(vector_step)


def relative(outputs: Outputs, _inputs: Inputs) -> Outputs:
    forward = of_kind(outputs.forward, Categorical)
    mean = (forward.weight[:, None] * forward.log_probs).mean(0)
    return outputs._replace(forward=normalized(forward.log_probs - mean[None], forward.weight))


def short(outputs: Outputs, _inputs: Inputs) -> Outputs:
    return moved(outputs, place=outputs.items["place"][:-1])


between = inferred(relative)
too_few_rows = inferred(short)


# Messages.


def divide_by_told(outputs: Outputs, inputs: Inputs) -> Outputs:
    back = of_kind(outputs.backward[0], Points)
    share = inputs.child.weight.sum() / inputs.child.weight.sum()  # 0 / 0 where no child has sent anything
    return outputs._replace(backward=(back._replace(values=back.values * share),))


def wider(outputs: Outputs, _inputs: Inputs) -> Outputs:
    forward = of_kind(outputs.forward, Categorical)
    padded = jnp.pad(forward.log_probs, ((0, 0), (0, 1)))
    return outputs._replace(forward=normalized(padded, forward.weight))


def of_other_kind(outputs: Outputs, _inputs: Inputs) -> Outputs:
    forward = of_kind(outputs.forward, Categorical)
    return outputs._replace(forward=Points(forward.log_probs, forward.weight))


def of_bytes(outputs: Outputs, _inputs: Inputs) -> Outputs:
    return outputs._replace(forward=outputs.forward._replace(weight=outputs.forward.weight.astype(jnp.int8)))


def one_too_many(outputs: Outputs, _inputs: Inputs) -> Outputs:
    return outputs._replace(backward=outputs.backward * 2)


def with_child(outputs: Outputs, inputs: Inputs) -> Outputs:
    forward, child = of_kind(outputs.forward, Categorical), of_kind(inputs.child, Categorical)
    return outputs._replace(forward=normalized(forward.log_probs + child.log_probs, forward.weight))


def with_parent(outputs: Outputs, inputs: Inputs) -> Outputs:
    back, points = of_kind(outputs.backward[0], Points), of_kind(inputs.parents[0], Points)
    return outputs._replace(backward=(back._replace(values=(back.values + points.values) / 2),))


def always_there(outputs: Outputs, _inputs: Inputs) -> Outputs:
    return outputs._replace(forward=outputs.forward._replace(weight=jnp.ones_like(outputs.forward.weight)))


def never_there(outputs: Outputs, _inputs: Inputs) -> Outputs:
    forward = of_kind(outputs.forward, Categorical)
    return outputs._replace(forward=normalized(forward.log_probs, jnp.zeros_like(forward.weight)))


def half_there(outputs: Outputs, _inputs: Inputs) -> Outputs:
    return outputs._replace(forward=outputs.forward._replace(weight=outputs.forward.weight / 2))


def not_neutral(outputs: Outputs, _inputs: Inputs) -> Outputs:
    back = of_kind(outputs.backward[0], Points)
    return outputs._replace(backward=(back._replace(weight=jnp.zeros_like(back.weight)),))


def unnormalized(outputs: Outputs, _inputs: Inputs) -> Outputs:
    forward = of_kind(outputs.forward, Categorical)
    return outputs._replace(forward=forward._replace(log_probs=forward.log_probs + forward.weight[:, None]))


undefined = inferred(divide_by_told)
too_wide = inferred(wider)
wrong_kind = inferred(of_other_kind)
wrong_dtype = inferred(of_bytes)
extra_message = inferred(one_too_many)
echo_to_child = inferred(with_child)
echo_to_parent = inferred(with_parent)
no_missing = inferred(always_there)
all_missing = inferred(never_there)
fractional = inferred(half_there)
loud_missing = inferred(not_neutral)
no_distribution = inferred(unnormalized)


def negative_counts(options: Any, ports: Any, rule: Any) -> Module[Any]:
    """Of counts, and what it sends back is below 0."""
    whole = toy_models.build(options, ports, rule)

    def as_points(inputs: Inputs) -> Inputs:
        return inputs._replace(parents=(Points(*inputs.parents[0]),))

    def infer(state: Any, inputs: Inputs) -> Outputs:
        outputs = whole.infer(state, as_points(inputs))
        back = of_kind(outputs.backward[0], Points)
        return outputs._replace(backward=(Counts(-1 - jnp.abs(back.values), back.weight),))

    return iterated(
        lambda key, inputs: whole.init(key, as_points(inputs)),
        lambda key, state, inputs: toy_models.step(key, state, as_points(inputs)),
        infer,
        iterations=options.steps,
        finish=lambda _key, state, inputs, trace: (state, infer(state, inputs), Info(None, trace)),
        params=whole.params,
    )


# Samples.


def narrow_sample(key: Array, state: Any, inputs: Inputs) -> Any:
    (message,) = toy_models.sample(key, state, inputs)
    return (message._replace(values=message.values[:, 1:]),)


wrong_sample = replaced(lambda _whole: {"sample": narrow_sample})
no_sample = replaced(lambda _whole: {"sample": lambda *_arguments: ()})
fixed_sample = replaced(lambda whole: {"sample": lambda _key, *rest: whole.infer(*rest).backward})

# Reports.

undeclared = inferred(lambda outputs, _inputs: moved(outputs, colour=outputs.items["group"]))
unreported = replaced(lambda _whole: {"params": None})
twice = replaced(lambda _whole: {"params": lambda state: {"centres": state.centres, "share": state.centres}})
real_classes = inferred(lambda outputs, _inputs: moved(outputs, group=outputs.items["group"].astype(float)))
classes_from_one = inferred(lambda outputs, _inputs: moved(outputs, group=outputs.items["group"] + 3))
bare_shares = inferred(lambda outputs, _inputs: moved(outputs, share=2 * outputs.items["share"]))
narrow_place = inferred(lambda outputs, _inputs: moved(outputs, place=outputs.items["place"][:, 1:]))
narrow_centres = replaced(lambda _whole: {"params": lambda state: {"centres": state.centres[:, 1:]}})
flat_place = inferred(lambda outputs, _inputs: moved(outputs, place=outputs.items["place"][:, 0]))


def other_names(whole: Module[Any]) -> dict[str, Any]:
    def infer(state: Any, inputs: Inputs) -> Outputs:
        outputs = whole.infer(state, inputs)
        return outputs._replace(items={"group": outputs.items["group"]})

    return {"infer": infer}


fewer_inferred = replaced(other_names)


# Sequences.


def build_deaf(_options: Any, _ports: Any, _rule: Any) -> Module[Any]:
    """As if all rows were one sequence."""

    def infer(state: Any, inputs: Inputs) -> Outputs:
        return toy_models.running_infer(state, inputs._replace(starts=jnp.zeros_like(inputs.starts)))

    return iterated(toy_models.running_init, toy_models.running_step, infer, iterations=1)


def build_echoing(_options: Any, _ports: Any, _rule: Any) -> Module[Any]:
    """The sums so far, the row's own message among them, sent back to the parent."""

    def infer(state: Any, inputs: Inputs) -> Outputs:
        outputs = toy_models.running_infer(state, inputs)
        return outputs._replace(backward=(Points(outputs.items["so_far"], jnp.ones(len(inputs.starts))),))

    return iterated(toy_models.running_init, toy_models.running_step, infer, iterations=1)


def build_of_neighbours(_options: Any, _ports: Any, _rule: Any) -> Module[Any]:
    """The sums before a row, which the cavity rule allows, sent back to the parent."""

    def infer(state: Any, inputs: Inputs) -> Outputs:
        outputs, parent = toy_models.running_infer(state, inputs), of_kind(inputs.parents[0], Points)
        before = outputs.items["so_far"] - parent.weight[:, None] * parent.values
        return outputs._replace(backward=(Points(before, jnp.ones_like(parent.weight)),))

    return iterated(toy_models.running_init, toy_models.running_step, infer, iterations=1)
