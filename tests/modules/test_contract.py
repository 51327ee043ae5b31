"""What every module keeps to, over the table itself: examples follow from what it says of each type."""

import functools
from collections import Counter
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hlo import num_blocking, unordered
from scipy.sparse import csr_array

from mmcli.modules.api import Info, Inputs, Module, Outputs
from mmcli.modules.counts import on_device
from mmcli.modules.messages import Categorical, Counts, Message, Points, neutral, normalized
from mmcli.modules.registry import MODULES, Kind, ModuleType, Options, Port, Rule, build

random_key = functools.partial(jax.random.key, impl="rbg")  # as a run has it

N = 6
UNKNOWN = N - 1  # the item of which nothing was observed
EXAMPLES = {"integer": 3, "number": 1.0, "boolean": True}  # by JSON type
TYPES = {Kind.POINTS: Points, Kind.CATEGORICAL: Categorical, Kind.COUNTS: Counts}


def example_options(module_type: ModuleType) -> Options:
    """Options with every required one filled in from the schema."""
    schema = module_type.options.model_json_schema()
    entries = {name: schema["properties"][name] for name in schema.get("required", [])}
    return module_type.options(
        **{name: entry["enum"][0] if "enum" in entry else EXAMPLES[entry["type"]] for name, entry in entries.items()}
    )


def cases():
    """(type, ports, sparse) of all types that hear anything, so that every kind that one accepts is heard."""
    for name, module_type in MODULES.items():
        kinds, size = module_type.accepts, module_type.max_inputs or max(2, len(module_type.accepts))
        for start in range(0, len(kinds), size or 1):
            ports = tuple(Port(kind, 4 + place) for place, kind in enumerate(kinds[start : start + size]))
            yield name, ports, False
            if any(port.kind is Kind.COUNTS for port in ports):
                yield name, ports, True


def example_message(port: Port, seed: int, bounds: tuple[float, float] = (0.0, 1.0)) -> Message:
    """Random rows, the last of them unknown."""
    rng, known = np.random.default_rng(seed), np.arange(N) != UNKNOWN
    values = jnp.asarray(rng.uniform(*bounds, (N, port.width)) * known[:, None], jnp.float32)
    match port.kind:
        case Kind.POINTS:
            return Points(values, jnp.asarray(known, jnp.float32))
        case Kind.CATEGORICAL:
            return normalized(4 * values)
        case Kind.COUNTS:
            return Counts(10 * values)


class Case(NamedTuple):
    """A module type in use: its jitted functions and two updates by them."""

    name: str
    options: Options
    ports: tuple[Port, ...]
    output: Port
    is_sparse: bool  # the counts it hears
    module: Module  # jitted
    traces: Counter[str]  # how often each function was traced
    inputs: Inputs
    states: list[Any]  # before the first update, after it, after the second
    works: list[Any]  # of the first update: begun, and finished
    outputs: Outputs  # of the second update
    info: Info  # likewise


def jitted(module: Module, traces: Counter[str]) -> Module:
    """The module with its functions jitted, so that each trace is counted."""

    def counted(name):
        def function(*args):
            traces[name] += 1
            return getattr(module, name)(*args)

        return jax.jit(function)

    return Module(*map(counted, Module._fields[:-1]), module.iterations)


def advanced(module: Module, work: Any, inputs: Inputs, *cuts: int) -> Any:
    """To the end, and on the way to each of some numbers of iterations."""
    for until in (*cuts, module.iterations):
        work = module.advance(work, inputs, jnp.int32(until))
    return work


def example_inputs(name: str, ports: tuple[Port, ...], output: Port) -> Inputs:
    options = example_options(MODULES[name])
    bounds = MODULES[name].input_range(options) or (0.0, 1.0)
    parents = tuple(example_message(port, seed, bounds) for seed, port in enumerate(ports))
    return Inputs(parents, example_message(output, 99))


def in_form(inputs: Inputs, is_sparse: bool) -> Inputs:
    """The same with counts from parents in the form that a case has."""
    if not is_sparse:
        return inputs
    parents = [
        # With room for every value, so that other items compile nothing anew.
        Counts(on_device(csr_array(said.values), capacity=said.values.size)) if isinstance(said, Counts) else said
        for said in inputs.parents
    ]
    return inputs._replace(parents=tuple(parents))


@pytest.fixture(scope="module", params=cases(), ids=lambda case: case[0] + "-sparse" * case[2])
def case(request):
    name, ports, is_sparse = request.param
    options = example_options(MODULES[name])
    output = Port(MODULES[name].sends[0], MODULES[name].width(options))
    inputs, traces = in_form(example_inputs(name, ports, output), is_sparse), Counter()
    module = jitted(build(name, options, ports, "cavity"), traces)
    states = [module.init(random_key(0), inputs)]
    for round_number in (1, 2):
        begun = module.begin(random_key(round_number), states[-1], inputs)
        finished = advanced(module, begun, inputs)
        if round_number == 1:
            works = [begun, finished]
        state, outputs, info = module.end(finished, inputs)
        states.append(state)
    learned = inputs, states, works, outputs, info
    return Case(name, options, ports, output, is_sparse, module, Counter(traces), *learned)


def signature(tree):
    """Structure, and shape, dtype and weakness of each leaf: what decides whether a function is traced again."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(lambda tree: tree, tree))
    return structure, [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves]


def contents(tree):
    """Every leaf, to the bit."""
    data = [
        leaf if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jax.random.key_data(leaf)
        for leaf in jax.tree.leaves(tree)
    ]
    return [np.asarray(leaf).tobytes() for leaf in data]


def said(message: Message) -> list[np.ndarray]:
    """What a message says: the values of unknown points do not count."""
    if isinstance(message, Points):
        return [np.asarray(message.values * message.weight[:, None]), np.asarray(message.weight)]
    return [np.asarray(leaf) for leaf in message]


def assert_finite(tree):
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            assert np.isfinite(leaf).all()


def assert_fits(message: Message, port: Port):
    assert type(message) is TYPES[port.kind]
    assert message[0].shape == (N, port.width)
    assert signature(message) == signature(jax.eval_shape(lambda: neutral(port, N)))


def test_an_update_keeps_structure_shapes_and_types_of_the_state(case):
    assert signature(case.states[1]) == signature(case.states[0])
    assert signature(case.states[2]) == signature(case.states[0])
    assert signature(case.works[1]) == signature(case.works[0])


def test_every_function_is_traced_once_over_two_updates(case):
    assert case.traces == {"init": 1, "begin": 1, "advance": 1, "end": 1}


def test_no_function_has_two_calls_at_once_that_wait_for_threads_of_one_pool(case):
    key, inputs, state, work = random_key(0), case.inputs, case.states[1], case.works[0]
    arguments = {
        "init": (key, inputs),
        "begin": (key, state, inputs),
        "advance": (work, inputs, jnp.int32(1)),
        "end": (work, inputs),
        "infer": (state, inputs),
        "sample": (key, state, inputs),
    }
    compiled = {name: getattr(case.module, name).lower(*given).compile().as_text() for name, given in arguments.items()}

    assert {name: pairs for name, text in compiled.items() if (pairs := unordered(text))} == {}
    if case.name == "gmm":  # or nothing was looked at
        assert num_blocking(compiled["advance"]) == 4


def test_an_update_changes_the_state(case):
    assert contents(case.states[1]) != contents(case.states[0])


def test_same_key_same_bytes(case):
    work = advanced(case.module, case.works[0], case.inputs)

    assert contents(case.module.init(random_key(0), case.inputs)) == contents(case.states[0])
    assert contents(case.module.begin(random_key(1), case.states[0], case.inputs)) == contents(case.works[0])
    assert contents(work) == contents(case.works[1])
    assert contents(case.module.end(work, case.inputs)[0]) == contents(case.states[1])


def test_every_iteration_changes_the_work_and_those_done_already_are_not_done_again(case):
    begun, finished = case.works
    one_left = case.module.advance(begun, case.inputs, jnp.int32(case.module.iterations - 1))

    assert contents(case.module.advance(begun, case.inputs, jnp.int32(1))) != contents(begun)
    assert contents(one_left) != contents(finished)
    for work, until in ((begun, 0), (one_left, 3), (finished, 3), (finished, case.module.iterations + 1)):
        assert contents(case.module.advance(work, case.inputs, jnp.int32(until))) == contents(work)


@pytest.mark.parametrize("stride", [1, 7])
def test_the_result_does_not_depend_on_where_an_update_is_cut(case, stride):
    finished = advanced(case.module, case.works[0], case.inputs, *range(0, case.module.iterations, stride))

    assert contents(finished) == contents(case.works[1])


@pytest.mark.parametrize("rule", get_args(Rule))
def test_messages_have_the_kinds_and_widths_of_their_ports(case, rule):
    module = build(case.name, case.options, case.ports, rule)
    _, stepped, info = jax.eval_shape(module.end, case.works[1], case.inputs)

    for outputs in (stepped, jax.eval_shape(module.infer, case.states[1], case.inputs)):
        assert_fits(outputs.forward, case.output)
        for message, port in zip(outputs.backward, case.ports, strict=True):
            assert_fits(message, port)
    for message, port in zip(
        jax.eval_shape(module.sample, random_key(3), case.states[1], case.inputs), case.ports, strict=True
    ):
        assert_fits(message, port)
    assert info.bound.shape == ()
    assert info.trace.ndim == 1


def test_samples_are_finite_and_follow_the_key(case):
    first, same, other = (case.module.sample(random_key(key), case.states[2], case.inputs) for key in (3, 3, 4))

    assert_finite(first)
    assert contents(first) == contents(same)
    assert contents(first) != contents(other) or case.name == "vae"  # whose child has said what the point is


def test_items_have_a_row_each_and_classes_are_distributions(case):
    assert case.outputs.items
    for array in case.outputs.items.values():
        assert array.shape[0] == N
    if "class" in case.outputs.items:
        assert case.outputs.items["class"].shape == (N,)
        assert jnp.issubdtype(case.outputs.items["class"].dtype, jnp.integer)
        assert case.outputs.items["Pdz"].shape == (N, case.output.width)
        np.testing.assert_allclose(case.outputs.items["Pdz"].sum(-1), 1, rtol=1e-5)


def test_the_report_shows_the_items_and_names_that_are_file_stems(case):
    report = case.module.report(case.states[2], case.outputs)

    assert set(case.outputs.items) <= set(report)
    assert all(stem.isidentifier() for stem in report)
    for stem, array in case.outputs.items.items():
        np.testing.assert_array_equal(report[stem], array)
    assert_finite(report)


def test_all_numbers_of_an_update_are_finite(case):
    assert_finite((case.states, case.outputs, case.info))


def test_categorical_messages_are_normalized(case):
    for message in (case.outputs.forward, *case.outputs.backward):
        if isinstance(message, Categorical):
            np.testing.assert_allclose(jax.nn.logsumexp(message.log_probs, axis=-1), 0, atol=1e-5)


def test_the_forward_message_does_not_contain_the_childs(case):
    other = case.inputs._replace(child=example_message(case.output, 1))

    outputs, others = (case.module.infer(case.states[2], inputs) for inputs in (case.inputs, other))

    assert contents(said(outputs.forward)) == contents(said(others.forward))
    assert contents(outputs) != contents(others)  # the child was heard


def test_the_forward_message_of_an_unknown_item_says_nothing(case):
    forward = case.module.infer(case.states[2], case.inputs).forward

    for leaf, nothing in zip(said(forward), said(neutral(case.output, N)), strict=True):
        np.testing.assert_allclose(leaf[UNKNOWN], nothing[UNKNOWN], atol=1e-5)
        assert abs(leaf[0] - nothing[0]).max() > 1e-3  # and a known one does


def test_every_item_is_inferred_on_its_own(case):
    kept = np.array([0, 2, UNKNOWN])  # their neighbours change
    changed = example_inputs(case.name, case.ports, case.output)
    shuffled = jnp.array([0, 3, 2, 4, 1, UNKNOWN])
    changed = in_form(jax.tree.map(lambda leaf: leaf[shuffled], changed), case.is_sparse)

    outputs, others = (case.module.infer(case.states[2], inputs) for inputs in (case.inputs, changed))

    for leaf, other in zip(jax.tree.leaves(outputs), jax.tree.leaves(others), strict=True):
        np.testing.assert_array_equal(leaf[kept], other[kept])
    assert contents(outputs) != contents(others)


def test_neutral_inputs_give_finite_numbers(case):
    nothing = Inputs(tuple(neutral(port, N) for port in case.ports), neutral(case.output, N))
    nothing = in_form(nothing, case.is_sparse)
    state = case.module.init(random_key(0), nothing)
    work = advanced(case.module, case.module.begin(random_key(1), state, nothing), nothing)

    assert_finite(state)
    assert_finite(case.module.end(work, nothing))
    assert_finite(case.module.infer(case.states[2], nothing))


def test_one_item_is_enough_for_more_classes(case):
    inputs = example_inputs(case.name, case.ports, case.output)
    alone = in_form(jax.tree.map(lambda leaf: leaf[:1], inputs), case.is_sparse)
    state = case.module.init(random_key(0), alone)
    work = advanced(case.module, case.module.begin(random_key(1), state, alone), alone)
    state, outputs, info = case.module.end(work, alone)

    assert_finite((state, outputs, info))
    assert all(len(array) == 1 for array in outputs.items.values())


def test_every_type_that_hears_is_tested():
    assert {name for name, *_ in cases()} == {name for name, module_type in MODULES.items() if module_type.accepts}
    for name, module_type in MODULES.items():
        heard = {port.kind for tested, ports, _ in cases() if tested == name for port in ports}
        assert heard == set(module_type.accepts)
        assert any(is_sparse for tested, _, is_sparse in cases() if tested == name) == (Kind.COUNTS in heard)


def test_zeros_are_in_every_range_so_that_what_sparse_rows_leave_out_fits():
    for module_type in MODULES.values():
        low, high = module_type.input_range(example_options(module_type)) or (0.0, 0.0)
        assert low <= 0 <= high
