"""One protocol of rows: an array, a csr_array, a file and two forms give the same rows in the same parts."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array

from mmcli.data.rows.protocol import Forms, as_block, as_rows, form_of
from mmcli.data.rows.streamed import StreamedRows

ROWS = np.random.default_rng(0).poisson(0.6, (23, 5)).astype(np.float32)
N, D = ROWS.shape


def streamed(rows):
    return StreamedRows(rows.shape, rows.dtype, lambda size: (rows[at : at + size] for at in range(0, len(rows), size)))


HOLDERS = {
    "dense": ROWS,
    "sparse": csr_array(ROWS),
    "streamed": streamed(ROWS),
    "forms": Forms(ROWS, ROWS),
    "streamed forms": Forms(streamed(ROWS), streamed(ROWS)),
}


def plain(rows):
    """An array of rows in memory."""
    return as_block(form_of(rows, standard=False)).dense


@pytest.fixture(params=HOLDERS)
def rows(request):
    return HOLDERS[request.param]


@pytest.mark.parametrize("size", [1, 7, N, N + 1])
def test_blocks_are_all_rows_in_their_order(rows, size):
    blocks = [plain(block) for block in as_rows(rows).blocks(size)]

    assert [len(block) for block in blocks] == [size] * (N // size) + [N % size] * (N % size > 0)
    np.testing.assert_array_equal(np.concatenate(blocks), ROWS)


@pytest.mark.parametrize("bounds", [[0, N], [0, 1, 2, N], [0, 20, N], [0, 5, 10, 15, 20, N]])
def test_parts_lie_between_bounds(rows, bounds):
    parts = [plain(part) for part in as_rows(rows).parts(bounds)]

    assert [len(part) for part in parts] == np.diff(bounds).tolist()
    np.testing.assert_array_equal(np.concatenate(parts), ROWS)


@pytest.mark.parametrize("num_rows", [1, 9, N, N + 5])
def test_first_rows_are_held_as_all_are(rows, num_rows):
    first = as_rows(rows).first(num_rows)

    assert type(first) is type(rows)
    (block,) = as_rows(first).blocks(N)
    np.testing.assert_array_equal(plain(block), ROWS[:num_rows])


def test_sizes():
    found = {name: as_rows(rows) for name, rows in HOLDERS.items()}

    assert {name: rows.num_bytes for name, rows in found.items() if not rows.is_sparse} == {
        "dense": ROWS.nbytes,
        "streamed": 0,
        "forms": 2 * ROWS.nbytes,
        "streamed forms": 0,
    }
    assert {name: rows.num_stored for name, rows in found.items()} == {
        name: np.count_nonzero(ROWS) if name == "sparse" else N * D for name in HOLDERS
    }
    assert [name for name, rows in found.items() if rows.is_sparse] == ["sparse"]
    assert [name for name, rows in found.items() if rows.is_streamed] == ["streamed", "streamed forms"]
    bounds = [0, 4, 20, N]
    most = max(np.count_nonzero(ROWS[a:b]) for a, b in pairwise(bounds))
    assert {name: rows.most_entries(bounds) for name, rows in found.items()} == {
        name: most if name == "sparse" else 0 for name in HOLDERS
    }


@pytest.mark.parametrize("hold", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_blocks_in_memory(hold):
    rows = ROWS.copy()
    rows[3], rows[4, 2] = np.nan, np.nan
    keep = np.arange(N) != 3
    block = as_block(hold(rows))

    assert block.all_nan().tolist() == (~keep).tolist()
    np.testing.assert_array_equal(as_block(block.masked(keep)).dense, np.where(keep[:, None], rows, 0))
    values = block.stored.ravel()
    for index in (0, len(values) // 2, len(values) - 1):
        np.testing.assert_array_equal(values[index], rows[block.position(index)])
    assert block.as_type(np.float64).dtype == np.float64
