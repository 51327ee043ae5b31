"""mmcli's own types keep to the contract, every one of them; and they learn and read what they are sent."""

import functools

import jax.numpy as jnp
import pytest
from hlo import num_blocking, unordered

from mmcli.modules.gmm import model as gmm_model
from mmcli.modules.registry import find_spec, type_names
from mmcli.modules.spec import Kind
from mmcli.testing import check_module
from mmcli.testing.case import contents, random_key, run_updates
from mmcli.testing.examples import example_options, examples

LEARNERS = [name for name in type_names() if not find_spec(name).is_source]


@functools.cache
def updated(name, place=0):
    """The type after two updates of one of its examples, which tests share and only read."""
    spec = find_spec(name)
    return run_updates(spec, example_options(spec), list(examples(spec))[place])


@pytest.mark.parametrize("name", LEARNERS)
def test_the_type_keeps_to_the_contract(name):
    check_module(find_spec(name))


@pytest.mark.parametrize("name", LEARNERS)
def test_examples_have_every_kind_that_the_type_takes_and_sparse_counts(name):
    spec = find_spec(name)
    every = list(examples(spec))

    assert {port.kind for example in every for port in example.ports} == set(spec.inputs.kinds)
    assert any(example.is_sparse for example in every) == (Kind.COUNTS in spec.inputs.kinds)


@pytest.mark.parametrize("name", LEARNERS)
def test_updates_change_the_state_iterations_the_work_and_the_childs_message_the_outputs(name):
    case = updated(name)
    other = case.inputs._replace(child=case.dense_inputs(seed=1).child)
    one_done = case.module.advance(case.begun, case.inputs, jnp.int32(1))
    one_left = case.module.advance(case.begun, case.inputs, jnp.int32(case.module.iterations - 1))

    assert len({tuple(contents(state)) for state in case.states}) == 3
    assert len({tuple(contents(work)) for work in (case.begun, one_done, one_left, case.finished)}) == 4
    assert contents(case.infer(case.inputs)) != contents(case.infer(other))


@pytest.mark.parametrize("name", LEARNERS)
def test_updates_of_other_keys_differ(name):
    case = updated(name)
    works = [case.module.begin(random_key(key), case.states[1], case.inputs) for key in (1, 2)]
    # Of a good search the end does not differ; on the way there the updates do.
    works = [case.module.advance(work, case.inputs, jnp.int32(3)) for work in works]

    assert contents(works[0]) != contents(works[1])


@pytest.mark.parametrize("name", LEARNERS)
def test_no_function_has_two_calls_at_once_that_wait_for_threads_of_one_pool(name, monkeypatch):
    # The examples have few items, of which a gmm by default learns variances alone.
    monkeypatch.setattr(gmm_model, "covariance_form", lambda *_: "full")
    for place in range(len(list(examples(find_spec(name))))):
        case = updated(name, place)
        compiled = {
            function: getattr(case.module, function).lower(*arguments).compile().as_text()
            for function, arguments in case.arguments.items()
        }

        assert {function: pairs for function, text in compiled.items() if (pairs := unordered(text))} == {}
        if name == "gmm":  # or nothing was looked at
            # Four of one input; of several, what is known in part adds two factorisations and a solve.
            assert num_blocking(compiled["advance"]) == 7
