"""Units of columns: what they are taken from, and what is said of columns that cannot be told apart."""

import numpy as np
import pytest

from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.data.units import Survey, Units, in_data_units, stored_units


def surveyed(rows, known=None, size=64, dtype=None):
    """Units of rows (N, D), looked at in blocks, and the notes."""
    known = np.ones(len(rows), bool) if known is None else known
    survey = Survey(rows.shape, np.dtype(dtype or rows.dtype))
    for start in range(0, len(rows), size):
        survey.add(rows[start : start + size], known[start : start + size])
    units = survey.units()
    return units, list(survey.notes(units))


PLAIN = np.random.default_rng(0).normal(size=(500, 3)) * [1, 5, 0.2] + [0, 3, -7]


@pytest.mark.parametrize("scale", [1e-315, 1e-300, 2.0**-40, 1.0, 2.0**40, 1e38, 1e299])
def test_scale_leaves_no_trace(scale):
    plain, _ = surveyed(PLAIN)
    units, notes = surveyed(scale * PLAIN)

    np.testing.assert_allclose(units.standard(scale * PLAIN), plain.standard(PLAIN), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(units.restored(units.standard(scale * PLAIN)), scale * PLAIN, rtol=1e-4)
    assert notes == []


def test_a_power_of_two_leaves_the_same_bits():
    plain, _ = surveyed(PLAIN)
    units, _ = surveyed(2.0**30 * PLAIN)

    np.testing.assert_array_equal(units.standard(2.0**30 * PLAIN), plain.standard(PLAIN))


@pytest.mark.parametrize("offset", [1.7e9, -1e12, 2.0**45])
def test_offset_leaves_no_trace(offset):
    plain, _ = surveyed(PLAIN)
    units, notes = surveyed(offset + PLAIN)

    np.testing.assert_allclose(units.standard(offset + PLAIN), plain.standard(PLAIN), atol=0.1)
    np.testing.assert_allclose(units.restored(units.standard(offset + PLAIN)), offset + PLAIN, atol=1e-2)
    assert notes == []


def test_standard_columns_have_mean_0_and_variance_1():
    standard = surveyed(PLAIN)[0].standard(PLAIN)

    assert standard.dtype == np.float32
    np.testing.assert_allclose(standard.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(standard.std(0), 1, atol=0.05)


def test_one_wild_value_moves_no_unit():
    wild = PLAIN.copy()
    wild[17, 1] = 1e11
    plain, units = surveyed(PLAIN)[0], surveyed(wild)[0]

    np.testing.assert_allclose(units.centre, plain.centre, atol=0.1)
    np.testing.assert_allclose(units.scale, plain.scale, rtol=0.05)
    assert not units.too_far(wild).any()
    wild[17, 1] = 1e14
    assert np.argwhere(units.too_far(wild)).tolist() == [[17, 1]]


def test_rows_that_are_not_known_move_no_unit():
    known = np.arange(500) % 3 > 0
    rows = np.where(known[:, None], PLAIN, 1e9)

    np.testing.assert_array_equal(surveyed(rows, known)[0], surveyed(PLAIN[known])[0])
    nothing, notes = surveyed(rows, np.zeros(500, bool))
    np.testing.assert_array_equal(nothing.standard(rows), np.zeros((500, 3)))
    assert notes == []


def test_of_many_rows_a_sample_gives_nearly_the_same():
    rows = np.tile(np.arange(10.0), 5000)[:, None] + np.random.default_rng(0).normal(size=(50_000, 1))
    units, _ = surveyed(rows, size=7000)

    assert units.centre[0] == pytest.approx(rows.mean(), abs=0.1)
    assert units.scale[0] == pytest.approx(rows.std(), rel=0.05)


@pytest.mark.parametrize("num_rows", [240, 50_000])
def test_a_rare_value_has_a_scale(num_rows):
    rows = np.full((num_rows, 1), 5.0)
    rows[3] = 6.0
    units, notes = surveyed(rows, size=10_000)

    assert units.standard(rows)[0, 0] == pytest.approx(0, abs=1e-6)
    assert units.standard(rows)[3, 0] == pytest.approx(num_rows**0.5, rel=0.01)
    assert notes == []


def test_a_column_that_does_not_vary_says_nothing_whatever_it_holds_later():
    rows = np.column_stack([np.full(500, 1e17 + 16), PLAIN[:, 0]])
    units, notes = surveyed(rows)

    assert notes == ["column 0 (from 0) is the same in every row, so nothing is learned from it"]
    np.testing.assert_array_equal(units.standard(rows - 1e9)[:, 0], np.zeros(500))
    np.testing.assert_array_equal(units.restored(units.standard(rows))[:, 0], rows[:, 0])


def test_columns_are_counted_where_there_are_many():
    rows = np.column_stack([np.ones((500, 9)), PLAIN])

    assert surveyed(rows)[1] == [
        "columns 0, 1, 2, 3, 4, 5 and 3 more (from 0) are the same in every row, so nothing is learned from them"
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (1e17 + 20 * PLAIN, "near 1e+17 the next number in float64 is 16 away"),
        ((1.7e9 + 100 * PLAIN).astype("f4"), "near 1.7e+09 the next number in float32 is 128 away"),
        ((2**60 + 20 * PLAIN).astype("i8"), "near 1.15292e+18 the next number in float64 is 256 away"),
    ],
)
def test_what_was_stored_too_coarsely_is_said_by_column(rows, said):
    _, notes = surveyed(rows)

    assert any("stored too coarsely: " + said in note for note in notes)
    assert all("column" in note for note in notes)


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2", "f4", "f8"])
def test_small_whole_numbers_are_never_too_coarse(dtype):
    rows = (np.arange(300).reshape(100, 3) % 2).astype(dtype)

    assert surveyed(rows)[1] == []


@pytest.mark.parametrize(
    "arrays",
    [
        {"centre": np.zeros(3)},
        {"centre": np.zeros(2), "scale": np.ones(2)},
        {"centre": np.zeros(3), "scale": -np.ones(3)},
        {"centre": np.full(3, np.nan), "scale": np.ones(3)},
        {"centre": np.zeros(3, "f4"), "scale": np.ones(3)},
        {"centre": np.zeros(3), "scale": np.ones(3), "more": np.ones(3)},
    ],
)
def test_what_are_no_units_is_refused(arrays):
    with pytest.raises(ValueError, match="scale"):
        stored_units(arrays, 3)


def test_units_come_back():
    units = Units(np.arange(3.0), np.ones(3))

    assert stored_units(units._asdict(), 3) is not None


@pytest.mark.parametrize(("inputs", "restored"), [("[here, vae]", True), ("[vae, here]", False)])
def test_centres_are_in_the_units_of_the_first_input_alone(inputs, restored, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "data: {a: {file: x.npz}, b: {file: x.npz}}\n"
        "modules:\n"
        "  here: {type: observation, data: a}\n"
        "  seen: {type: observation, data: b}\n"
        "  vae: {type: vae, inputs: [seen], latent_dim: 3}\n"
        f"  gmm: {{type: gmm, inputs: {inputs}, num_classes: 2}}\n"
    )
    units = Units(np.full(3, 5.0), np.full(3, 10.0))

    found = in_data_units(build_graph(load_config(path)), "gmm", {"mu": np.ones((2, 3))}, {"here": units})

    np.testing.assert_array_equal(found["mu"], np.full((2, 3), 15.0 if restored else 1.0))
