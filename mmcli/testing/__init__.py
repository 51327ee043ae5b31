"""The contract test of module types, for mmcli's own and anybody's."""

from collections.abc import Sequence

from mmcli.modules.spec import ModuleSpec, Options, Port
from mmcli.testing.case import require, run_updates
from mmcli.testing.checked_import import check_import
from mmcli.testing.checks import CHECKS, check_spec
from mmcli.testing.examples import Example, example_options, examples


def check_module(spec: ModuleSpec, options: Options | None = None, ports: Sequence[Port] | None = None) -> None:
    """Check that a module type keeps to the contract of `mmcli.modules.api` and does what its spec declares.

    In the test file of a type, which pytest runs like any other:

        from mmcli.testing import check_module
        from my_package.spec import SPEC

        def test_contract():
            check_module(SPEC)

    A few random items go through two updates and through inference, for every kind of input that the type accepts,
    counts dense and sparse. Checked are:

    - the spec: `output` and `check` answer with and without known widths, 0 is within the bounds, and importing the
      module of the options, in a process of its own, leaves jax unimported;
    - arrays: states and work keep their structure, nothing is traced twice, all numbers are finite, also where every
      message is missing and where there is one item;
    - messages: kinds, widths and weights are those declared; missing rows are neutral, distributions normalised; the
      forward message does not contain the child's, a backward message keeps the cavity rule as the spec declares;
    - randomness: all of it comes from the keys given, and samples follow theirs;
    - updates: the result does not depend on where an update is cut, and iterations done are not done again;
    - items: no row of an independent type reads another, no sequence another sequence; the values of a missing row
      change nothing;
    - reports, trace and objective: as the spec declares them, each array in the shape of its role.

    Whether the type learns well is for tests of its own.

    Args:
        spec: of the type.
        options: an instance of `spec.options`; made up from their schema where left out.
        ports: of the inputs, with known widths; made up, every kind in turn, where left out.

    Raises:
        AssertionError: it does not; the text names the type, its inputs and the fault.
        ValueError: no options can be made up.
    """
    require(not spec.is_source, f"module type {spec.name} is a source, which has no functions to check")
    options = example_options(spec) if options is None else options
    for example in examples(spec) if ports is None else [Example(tuple(ports), is_sparse=False)]:
        try:
            check_spec(spec, options, example)
            case = run_updates(spec, options, example)
            for check in CHECKS:
                check(case)
        except AssertionError as error:
            raise AssertionError(f"module type {spec.name} (inputs: {example}): {error}") from None
    check_import(spec)
