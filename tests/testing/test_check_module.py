"""The contract test finds every fault it is there for, and lets through types that have none."""

import dataclasses

import pytest
from toys import CHAIN, GROUPS, LINEAR, RUNNING, GroupsOptions

from mmcli.modules.registry import find_spec
from mmcli.modules.spec import InputSpec, Kind, Objective, Port, Role
from mmcli.testing import check_module
from mmcli.testing.checked_import import check_import


@pytest.mark.parametrize("spec", [GROUPS, RUNNING, CHAIN, LINEAR], ids=lambda spec: spec.name)
def test_a_type_that_keeps_to_the_contract_passes(spec):
    check_module(spec)


def test_a_message_to_a_row_of_a_sequence_may_contain_the_parents_other_rows():
    check_module(dataclasses.replace(RUNNING, build="broken:build_of_neighbours"))


def test_one_iteration_is_enough():
    check_module(GROUPS, GroupsOptions(num_groups=2, steps=1))


def test_ports_of_ones_own():
    check_module(GROUPS, GroupsOptions(num_groups=2), [Port(Kind.POINTS, 6)])


def test_a_source_has_nothing_to_check():
    with pytest.raises(AssertionError, match="module type observation is a source, which has no functions to check"):
        check_module(find_spec("observation"))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "import jax\nfrom toys import GroupsOptions\n",
            "importing its spec, of_jax, imports jax; import jax in the module of `build` alone",
        ),
        (
            "import nowhere\n",
            "its spec, of_jax, cannot be imported alone: ModuleNotFoundError: No module named 'nowhere'",
        ),
    ],
)
def test_a_spec_that_imports_jax_is_named(code, text, tmp_path, monkeypatch):
    (tmp_path / "of_jax.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    options = type("OwnOptions", (GroupsOptions,), {"__module__": "of_jax"})

    with pytest.raises(AssertionError) as found:
        check_import(dataclasses.replace(GROUPS, options=options))

    assert str(found.value) == f"module type groups: {text}"


@pytest.mark.parametrize("module", ["toys", "__main__"])
def test_a_spec_without_jax_or_of_a_notebook_is_let_through(module):
    check_import(dataclasses.replace(GROUPS, options=type("OwnOptions", (GroupsOptions,), {"__module__": module})))


class UnclearOptions(GroupsOptions):
    names: dict[str, str]


def test_options_that_cannot_be_made_up_are_asked_for():
    with pytest.raises(ValueError, match="no example of the option names follows from its type; pass options"):
        check_module(dataclasses.replace(GROUPS, options=UnclearOptions))


def fault(build, **changes):
    return dataclasses.replace(GROUPS, build=f"broken:{build}", **changes)


def spec_fault(**changes):
    return dataclasses.replace(GROUPS, **changes)


def wider_later(options, ports):
    return Port(Kind.CATEGORICAL, 7 if ports[0].width is None else options.num_groups)


FAULTS = {
    "cut": (fault("cut"), "the result depends on where an update is cut"),
    "iterations done again": (fault("repeated"), "advance does iterations again that are done, or too many"),
    "no iteration": (fault("idle"), "an update has 0 iterations, and needs at least 1"),
    "state of another dtype": (fault("retyped"), "end gives a state of other structure, shapes or dtypes"),
    "state of weak type": (fault("weak"), "advance changes the structure, shapes or dtypes of the work"),
    "randomness of numpy": (fault("unseeded"), "advance differs from one trace to the next"),
    "a key of its own": (fault("own_key"), "advance makes a random key of its own"),
    "global state": (fault("counting"), "advance differs from one trace to the next"),
    "calls to the host": (fault("calling"), "advance calls back to the host"),
    "a missing row learned from": (fault("counting_missing"), "the values of a missing row change other results"),
    "rows that read others": (fault("between"), "a row reads another; the spec has independent items"),
    "too few rows": (fault("too_few_rows"), "place is among the items but has no row an item"),
    "NaN without a child": (fault("undefined"), "an update from neutral messages: outputs.backward.0.values holds NaN"),
    "a wide message": (fault("too_wide"), "the forward message has shape (9, 4) where (9, 3) is expected"),
    "a message of another kind": (fault("wrong_kind"), "the forward message is Points where its port has categorical"),
    "a message of another dtype": (fault("wrong_dtype"), "the forward message differs in dtype, or its weight in"),
    "too many messages": (fault("extra_message"), "2 messages go back to 1 inputs"),
    "the child's message sent to it": (fault("echo_to_child"), "the forward message contains the child's"),
    "the parent's message sent to it": (
        fault("echo_to_parent"),
        "under the cavity rule the message back to input 0 contains what that input sent",
    ),
    "a cavity that is denied": (spec_fault(keeps_cavity=False), "keeps the cavity rule; the spec denies it"),
    "missing items that are there": (fault("no_missing"), "an item that all parents miss has weight 1"),
    "items that are never there": (fault("all_missing"), "the forward row of an item that is there has weight 0"),
    "weights between": (fault("fractional"), "the forward message has weights other than 0 and 1"),
    "missing rows that are not neutral": (fault("loud_missing"), "a row of weight 0 that is not neutral"),
    "no distribution": (fault("no_distribution"), "a distribution that does not sum to 1"),
    "negative counts": (
        fault("negative_counts", inputs=InputSpec((Kind.COUNTS,), maximum=1)),
        "the message back to input 0 has negative counts",
    ),
    "a narrow sample": (fault("wrong_sample"), "the message back to input 0 has shape (9, 3) where (9, 4)"),
    "no sample": (fault("no_sample"), "0 messages go back to 1 inputs"),
    "samples that ignore the key": (fault("fixed_sample"), "samples of different keys are the same"),
    "undeclared reports": (fault("undeclared"), "reported but not declared: colour"),
    "declared and not reported": (fault("unreported"), "declared but not reported: centres"),
    "an item and a parameter": (fault("twice"), "both items and params: share"),
    "other items of infer": (fault("fewer_inferred"), "infer reports other items than end"),
    "classes that are no integers": (fault("real_classes"), "group is float32 where classes are integers"),
    "classes beyond the last": (fault("classes_from_one"), "group has classes outside 0 to 2"),
    "shares beyond 1": (fault("bare_shares"), "share has rows that do not sum to 1"),
    "points on a line": (fault("flat_place"), "place has shape (9,) where a point an item is expected"),
    "a role of items for parameters": (
        spec_fault(reports={**GROUPS.reports, "place": Role.OTHER, "centres": Role.LATENT}),
        "centres has the role latent, so it belongs among the items",
    ),
    "a reconstruction of another width": (
        fault("narrow_place", reports={**GROUPS.reports, "place": Role.RECONSTRUCTION}),
        "place has shape (9, 3) where (9, 4) is expected",
    ),
    "centres of another width": (
        fault("narrow_centres"),
        "centres has 3 columns where 4 are expected",
    ),
    "a trace of vectors": (fault("vector_trace"), "Info.trace has 2 axes where 1 is expected"),
    "an objective that is not there": (spec_fault(objective=Objective("x", "nats")), "Info.objective is None"),
    "sequences that read others": (
        dataclasses.replace(RUNNING, build="broken:build_deaf"),
        "a sequence reads another; the spec has sequence items",
    ),
    "a row of a sequence sent back to its parent": (
        dataclasses.replace(RUNNING, build="broken:build_echoing"),
        "under the cavity rule the message back to input 0 contains what that input sent",
    ),
    "sequences declared independent": (
        dataclasses.replace(RUNNING, items="independent"),
        "the forward row of an item that all parents miss has weight 1",
    ),
    "output of an undeclared kind": (spec_fault(output=lambda *_: Port(Kind.POINTS, 3)), "not among `sends`"),
    "output without a width": (spec_fault(output=lambda *_: Port(Kind.CATEGORICAL, None)), "output gives no width"),
    "output of changing width": (spec_fault(output=wider_later), "output gives another width once"),
    "bounds without 0": (
        spec_fault(inputs=InputSpec((Kind.POINTS,), maximum=1, bounds=lambda _: (1.0, 2.0))),
        "bounds exclude 0",
    ),
    "pictures of other rows": (spec_fault(picture=lambda _: (2, 3)), "picture gives the shape (2, 3) for rows of"),
    "a check that refuses": (spec_fault(check=lambda *_: [(None, "never")]), "check refuses the example"),
}


@pytest.mark.parametrize(("spec", "text"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_and_named(spec, text):
    with pytest.raises(AssertionError) as found:
        check_module(spec)

    assert text in str(found.value)
    assert str(found.value).startswith(f"module type {spec.name} (inputs: 4 {spec.inputs.kinds[0]}): ")
