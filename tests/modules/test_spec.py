"""Specs: roles, and what contradicts itself."""

import dataclasses
import re

import pytest
from toys import GROUPS

from mmcli.modules.gmm.spec import SPEC as GMM
from mmcli.modules.mlda.spec import SPEC as MLDA
from mmcli.modules.observation.spec import SPEC as OBSERVATION
from mmcli.modules.spec import InputSpec, Kind, Port, Role, Trace
from mmcli.modules.vae.spec import SPEC as VAE


def test_arrays_are_found_by_their_role():
    assert GMM.classes == MLDA.classes == ("class", "Pdz")
    assert GROUPS.classes == ("group", "share")
    assert VAE.classes is None
    assert [VAE.name_of(role) for role in Role] == [None, None, "z", "x_hat", None, None, None]


def test_a_name_can_stand_for_an_array_of_each_input():
    assert MLDA.reported(2) == {
        "class": Role.CLASS,
        "Pdz": Role.PROBABILITIES,
        "Pmdw0": Role.OTHER,
        "Pmdw1": Role.OTHER,
    }


def test_reconstructions_and_centres_are_in_the_units_of_the_first_input():
    assert VAE.in_input_units == ("x_hat",)
    assert GMM.in_input_units == ("mu",)
    assert MLDA.in_input_units == ()


def test_sources_have_no_inputs():
    assert [spec.is_source for spec in (OBSERVATION, VAE, GMM, MLDA)] == [True, False, False, False]


def test_a_width_that_is_not_known_yet_is_no_number():
    with pytest.raises(ValueError, match="the width of a port is not known before the data are read"):
        _ = Port(Kind.POINTS, None).columns


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reports": {"acc": Role.OTHER}}, "acc cannot be reported: mmcli writes a file of that name; rename it"),
        ({"reports": {"name": Role.OTHER}}, "name cannot be reported: mmcli writes a file of that name; rename it"),
        ({"trace": Trace("params", "nats", "up")}, "params cannot be reported: mmcli writes a file of that name"),
        ({"reports": {"a/b": Role.OTHER}}, "'a/b' cannot be reported: a name has ASCII letters, digits and _"),
        ({"reports": {"distortion": Role.OTHER}}, "distortion is both reported and the trace; rename one"),
        ({"reports": {"x": Role.LATENT, "y": Role.LATENT}}, "2 arrays have the role latent; give all but one the role"),
        ({"reports": {"x{input}": Role.LATENT}}, "the role latent is of one array, not of one for each input"),
        ({"reports": {"x{input}": Role.CENTRES}}, "the role centres is of one array, not of one for each input"),
        ({"reports": {"x": Role.CLASS}}, "class and probabilities are reported together or not at all"),
        ({"sends": (Kind.POINTS,)}, "it reports classes, so it must be able to send categorical messages over them"),
        (
            {"inputs": InputSpec((Kind.COUNTS,), scale_option="weights")},
            "scale_option is 'weights', and there is no such",
        ),
        ({"build": "toys.build"}, "build is 'toys.build' where package.module:function is expected"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(changes, text):
    with pytest.raises(ValueError, match=re.escape(f"module type groups: {text}")):
        dataclasses.replace(GROUPS, **changes)
