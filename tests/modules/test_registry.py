"""Types of installed packages and by import path: found, loaded when used, and named where they are broken."""

import re
import sys

import numpy as np
import pytest
from plugins import offer

from mmcli.modules.registry import (
    BUILT_IN,
    UnknownTypeError,
    UnusableTypeError,
    find_spec,
    hidden_types,
    list_types,
    type_names,
)
from mmcli.modules.spec import Origin

GOOD = """
import dataclasses
import toys
SPEC = dataclasses.replace(toys.GROUPS, name="kind")
"""


BOUNDED = """
import dataclasses
import toys
INPUTS = dataclasses.replace(toys.GROUPS.inputs, bounds=lambda options: (0, options.num_groups))
SPEC = dataclasses.replace(toys.GROUPS, name="kind", inputs=INPUTS)
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that packages are installed in; what is imported from it is forgotten afterwards."""
    folder, before = tmp_path / "site", set(sys.modules)
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def test_a_package_offers_a_type_and_its_origin_is_known(site):
    offer(site, "good-one", "kind = good_one:SPEC", GOOD)

    assert type_names() == [*BUILT_IN, "kind"]
    assert find_spec("kind").origin == Origin("good-one", "1.0")
    assert find_spec("gmm").origin is None


def test_a_package_is_imported_when_its_type_is_used_and_not_before(site):
    offer(site, "good-one", "kind = good_one:SPEC", GOOD)

    find_spec("gmm")
    with pytest.raises(UnknownTypeError):
        find_spec("other")
    assert "kind" in type_names()
    assert "good_one" not in sys.modules
    find_spec("kind")
    assert "good_one" in sys.modules


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("raise SystemExit('usage: kind')", "SystemExit: usage: kind"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "AttributeError: module 'bad_one' has no attribute 'SPEC'"),
        ("SPEC = 'gmm'", "TypeError: str where a ModuleSpec is expected"),
        (
            "from toys import GROUPS as SPEC",
            "ValueError: the spec is called groups where its entry point is called kind",
        ),
        (
            "import dataclasses, toys\nSPEC = dataclasses.replace(toys.GROUPS, name='kind', reports={'acc': 'other'})",
            "ValueError: module type kind: acc cannot be reported: mmcli writes a file of that name; rename it",
        ),
        (
            "import dataclasses, toys\nSPEC = dataclasses.replace(toys.GROUPS, name='kind', options=dict)",
            "ValueError: module type kind: options is not a subclass of mmcli.modules.spec.Options",
        ),
        (
            "import dataclasses, toys\nSPEC = dataclasses.replace(toys.GROUPS, name='kind', build='bad_model:build')",
            "ModuleNotFoundError: build is bad_model:build, and there is no module bad_model",
        ),
    ],
)
def test_a_broken_package_is_named_with_its_error_and_stops_nothing_else(site, code, reason):
    offer(site, "bad-one", "kind = bad_one:SPEC", code)
    offer(site, "good-one", "good = good_one:SPEC", GOOD.replace("kind", "good"))

    text = f"bad-one 1.0: bad_one:SPEC: {reason}; mend or uninstall it"
    with pytest.raises(UnusableTypeError, match=f"^{re.escape(text)}$"):
        find_spec("kind")
    usable, unusable = list_types()
    assert [*usable] == [*BUILT_IN, "good"]
    assert unusable == {"kind": text}


def test_bounds_that_need_an_option_leave_only_the_advice_out(site, tmp_path, command):
    offer(site, "good-one", "kind = good_one:SPEC", BOUNDED)
    np.savez(tmp_path / "a.npz", a=np.full((3, 2), 0.5))

    done = command("data", "show", tmp_path / "a.npz")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1].endswith("0 to 1: vae, gmm, mlda, mixture")


def test_a_type_of_two_packages_is_refused(site):
    offer(site, "one", "kind = one:SPEC", GOOD)
    offer(site, "two", "kind = two:SPEC", GOOD)

    with pytest.raises(UnusableTypeError, match=r"^offered by \w+ 1\.0 and by \w+ 1\.0; uninstall all but one$"):
        find_spec("kind")


def test_mmclis_own_type_hides_that_of_a_package(site):
    offer(site, "bold", "gmm = bold:SPEC", "raise RuntimeError")

    assert find_spec("gmm").build == "mmcli.modules.gmm.model:build"
    assert type_names() == [*BUILT_IN]
    assert hidden_types() == {"gmm": [Origin("bold", "1.0")]}


def test_code_named_by_its_path_is_not_imported_unless_it_is_trusted(site):
    (site / "loose.py").write_text(GOOD)

    with pytest.raises(UnusableTypeError, match="--trust-code imports and runs it"):
        find_spec("loose:SPEC")
    assert "loose" not in sys.modules
    spec = find_spec("loose:SPEC", trust_code=True)
    assert (spec.name, spec.origin) == ("kind", Origin("loose", None))
    assert str(spec.origin) == "loose (not installed)"
    assert find_spec("mmcli.modules.gmm.spec:SPEC", trust_code=True).name == "gmm"


@pytest.mark.parametrize("path", ["loose", "loose:", ":SPEC", "../loose:SPEC", "loose:SPEC()", "os:system x", "a..b:c"])
def test_what_is_no_path_is_no_type(path):
    with pytest.raises(UnknownTypeError):
        find_spec(path, trust_code=True)


def test_code_that_is_trusted_and_broken_is_named():
    with pytest.raises(
        UnusableTypeError,
        match=r"^ModuleNotFoundError: No module named 'nowhere'; mend it, or add its folder to PYTHONPATH$",
    ):
        find_spec("nowhere:SPEC", trust_code=True)
