"""Matrices that scipy saved: what is read of them, and every way in which their parts can contradict one another."""

import numpy as np
import pytest
from scipy import sparse

from mmcli.data.formats import array_names, opening, read_array
from mmcli.errors import DataError

DENSE = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 0, 4.5]])


def parts(**changes):
    """What save_npz writes of the matrix, some of it changed; None takes a part away."""
    matrix = sparse.csr_array(DENSE)
    good = {"format": b"csr", "shape": matrix.shape, "data": matrix.data}
    good |= {"indices": matrix.indices, "indptr": matrix.indptr}
    return {name: part for name, part in (good | changes).items() if part is not None}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "matrix.npz"


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", ["bool", "u1", "i8", "f4", "f8"])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_matrix_is_read_as_it_was_saved(file, kind, dtype, compressed):
    dense = DENSE.astype(dtype)
    sparse.save_npz(file, kind(dense), compressed=compressed)

    found = read_array(file, None)

    np.testing.assert_array_equal(found.toarray(), dense)
    assert found.dtype == np.float64


def test_such_a_file_holds_one_array_and_its_parts_go_by_their_names(file):
    sparse.save_npz(file, sparse.csr_array(DENSE))

    assert array_names(file) == []
    np.testing.assert_array_equal(read_array(file, "data"), [2, 1, 3, 4.5])


def test_entries_out_of_order_are_sorted_those_there_twice_summed_and_zeros_left_out(file):
    changes = {"data": np.array([1, 250, 0, 3, 10], np.uint8), "indices": [3, 1, 0, 1, 1], "indptr": [0, 2, 3, 5]}
    np.savez(file, **parts(**changes))

    found = read_array(file, None)

    np.testing.assert_array_equal(found.toarray(), [[0, 250, 0, 1], [0, 0, 0, 0], [0, 13, 0, 0]])
    assert found.indices.tolist() == [1, 3, 1]


def test_parts_in_the_byte_order_of_another_machine_are_read(file):
    np.savez(
        file, **{name: part if name == "format" else np.asarray(part).astype(">i4") for name, part in parts().items()}
    )

    np.testing.assert_array_equal(read_array(file, None).toarray(), np.trunc(DENSE))


def test_many_equal_counts_are_no_trap_but_as_many_equal_words_are(file, monkeypatch):
    monkeypatch.setattr(opening, "SUSPECT_BYTES", 1e5)
    words = np.random.default_rng(0).integers(0, 100, 20_000)
    ones = {"shape": (1, 100), "indptr": [0, len(words)], "data": np.ones(len(words))}  # packed to an 800th

    np.savez_compressed(file, **parts(**ones, indices=words))
    np.testing.assert_array_equal(read_array(file, None).toarray(), [np.bincount(words)])

    np.savez_compressed(file, **parts(**ones, indices=0 * words))
    with pytest.raises(
        DataError, match=r"if it is none, save it uncompressed, by save_npz\(\.\.\., compressed=False\)$"
    ):
        read_array(file, None)


AGAIN = "; make it again with scipy.sparse.save_npz"
DAMAGES = [
    ({"indptr": [0, 2, 1, 4]}, f"damaged sparse matrix: indptr does not ascend from 0{AGAIN}"),
    ({"indptr": [1, 2, 2, 4]}, f"damaged sparse matrix: indptr does not ascend from 0{AGAIN}"),
    ({"indptr": [0, 2, 2]}, f"damaged sparse matrix: 3 rows, but indptr has 3 values, not 4{AGAIN}"),
    ({"indptr": [0, 2, 2, 9]}, f"damaged sparse matrix: indptr ends at 9, but indices has 4 values{AGAIN}"),
    ({"indptr": [0, 2, 2, 3]}, f"damaged sparse matrix: indptr ends at 3, but indices has 4 values{AGAIN}"),
    ({"data": [1.0]}, f"damaged sparse matrix: indptr ends at 4, but data has 1 values{AGAIN}"),
    ({"data": np.ones((2, 2))}, f"damaged sparse matrix: data has 2 dimensions, not 1{AGAIN}"),
    ({"indices": [1, 3, 0, 4]}, f"damaged sparse matrix: indices holds 4 where there are columns 0 to 3{AGAIN}"),
    ({"indices": [1, 3, -1, 3]}, f"damaged sparse matrix: indices holds -1 where there are columns 0 to 3{AGAIN}"),
    (
        {"indices": np.array([1, 3, 0, 2**64 - 1], np.uint64)},
        f"damaged sparse matrix: indices holds {2**64 - 1} where there are columns 0 to 3{AGAIN}",
    ),
    ({"indices": [1.0, 3.0, 0.0, 3.0]}, "holds values of type float64; save numbers"),
    ({"data": np.array([{}] * 4)}, "holds Python objects, which mmcli never unpickles; save numbers"),
    ({"data": np.ones(4, complex)}, "holds values of type complex128; save numbers"),
    ({"shape": (3, 4, 1)}, f"damaged sparse matrix: its shape is [3, 4, 1], not rows and columns{AGAIN}"),
    ({"shape": (-3, 4)}, f"damaged sparse matrix: its shape is [-3, 4], not rows and columns{AGAIN}"),
    ({"shape": (10**12, 4)}, f"damaged sparse matrix: {10**12} rows, but indptr has 4 values, not {10**12 + 1}{AGAIN}"),
    ({"shape": (3, 10**9)}, f"{10**9} columns, 10000000 are the most; leave out those that are never used"),
    ({"indptr": np.array([0, 2, 2, 2**40])}, f"{2**40} entries, {2**31 - 1} are the most; train on fewer rows"),
    ({"indices": None}, "no array indices; it holds format, shape, data, indptr"),
    ({"format": b"\x1b[31m"}, "a scipy matrix in the format \\x1b[31m; csr is read: save_npz(file, matrix.tocsr())"),
    ({"format": np.zeros(0, "S3")}, "a scipy matrix in the format ; csr is read: save_npz(file, matrix.tocsr())"),
]


@pytest.mark.parametrize(("changes", "text"), DAMAGES)
def test_parts_that_contradict_one_another_give_one_line(file, changes, text):
    np.savez(file, **parts(**changes))

    with pytest.raises(DataError) as caught:
        read_array(file, None)
    assert str(caught.value) == text


@pytest.mark.parametrize("name", ["csc", "coo", "bsr", "dia"])
def test_the_other_formats_of_scipy_are_told_how_to_become_csr(file, name):
    sparse.save_npz(file, sparse.csr_array(DENSE).asformat(name))

    with pytest.raises(DataError, match=f"in the format {name}; csr is read: save_npz.file, matrix.tocsr"):
        read_array(file, None)


def test_other_arrays_may_stand_beside_a_matrix(file):
    sparse.save_npz(file, sparse.csr_array(DENSE))
    with np.load(file) as arrays:
        np.savez(file, **arrays, labels=np.arange(len(DENSE)))

    assert array_names(file) == ["labels"]
    np.testing.assert_array_equal(read_array(file, None).toarray(), DENSE)
    np.testing.assert_array_equal(read_array(file, "labels"), np.arange(len(DENSE)))
