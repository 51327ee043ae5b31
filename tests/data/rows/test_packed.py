"""Packed rows hold exactly what was given, in the fewest bytes that do, or are not packed."""

import numpy as np
import pytest

from mmcli.data.rows import packed
from mmcli.data.rows.packed import LINE, Form, PackedRows
from mmcli.data.rows.protocol import as_rows

BYTES, PIXELS, WORDS = packed.FORMS
SHARES = np.arange(256, dtype=np.float32) / np.float32(255)


def joined(*blocks):
    arrays = [np.array(block, np.float32).reshape(-1, 4) for block in blocks]
    whole = np.concatenate(arrays)
    return packed.joined(iter(arrays), whole.shape), whole


@pytest.mark.parametrize(
    ("blocks", "form"),
    [
        ([[0, 1, 2, 255]], BYTES),
        ([SHARES[:8], SHARES[248:]], PIXELS),
        ([[0, 1, 1, 0], SHARES[:4]], PIXELS),  # converted: 0 and 1 are pixels too
        ([[0, 255, 7, 0], [256, 65_535, 0, 0]], WORDS),
    ],
)
def test_rows_are_held_in_the_first_form_that_all_fit(blocks, form):
    rows, whole = joined(*blocks)

    assert isinstance(rows, PackedRows)
    assert rows.form == form
    assert (rows.shape, rows.dtype, rows.num_bytes) == (whole.shape, np.float32, whole.size * rows.codes.itemsize)
    assert rows.codes.ctypes.data % LINE == 0  # jax computes on such memory without a copy
    np.testing.assert_array_equal(rows[:], whole)
    np.testing.assert_array_equal(np.concatenate(list(as_rows(rows).blocks(1))), whole)
    np.testing.assert_array_equal(np.concatenate(list(as_rows(rows).parts([0, 1, len(whole)]))), whole)
    np.testing.assert_array_equal(as_rows(rows).first(1)[:], whole[:1])


@pytest.mark.parametrize(
    "blocks",
    [
        [[0.5, 0, 0, 0]],
        [[-1, 0, 0, 0]],
        [[65_536, 0, 0, 0]],
        [[np.nan, 0, 0, 0]],
        [[0, 1, 2, 3], [2, 0.2, 0, 0]],
        [[0, 300, 2, 3], SHARES[4:8]],
        [[0, 1, 1, 0], [np.nextafter(SHARES[3], np.float32(1)), 0, 0, 0]],  # the last bit counts
    ],
)
def test_rows_that_fit_none_are_float32(blocks):
    rows, whole = joined(*blocks)

    assert isinstance(rows, np.ndarray)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, whole)


def test_many_rows_are_converted_piece_by_piece(monkeypatch):
    monkeypatch.setattr(packed, "BLOCK_VALUES", 8)

    rows, whole = joined(np.tile([0, 1, 1, 0], 5), SHARES[:4])

    assert isinstance(rows, PackedRows)
    np.testing.assert_array_equal(rows[:], whole)


def test_a_form_gives_back_each_of_its_values():
    for form in packed.FORMS:
        codes = np.arange(np.iinfo(form.dtype).max + 1, dtype=form.dtype)[:, None]
        np.testing.assert_array_equal(form.codes(form.values(codes)), codes)
    assert Form(np.uint8, 255).codes(np.array([[0.3]], np.float32)) is None
