"""Arrays in memory: taken as those of files are, and their identity."""

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array

from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.data.dataset import load_datasets
from mmcli.data.memory import as_rows, given_arrays, identity
from mmcli.errors import DataError

RNG = np.random.default_rng(0)
# More rows than are looked at at a time, far from 0, so that what depends on blocks would show.
DATA = {
    "points": RNG.normal(1e5, 1.0, (700_000, 3)),
    "words": RNG.poisson(0.5, (700_000, 4)).astype(np.int32),
    "kinds": np.where(np.arange(700_000) % 2, "dog", "cat"),
}
MODULES = {
    "point": {"type": "observation", "data": "points"},
    "word": {"type": "observation", "data": "words"},
    "gmm": {"type": "gmm", "inputs": ["point"], "num_classes": 2, "labels": "kinds"},
    "mlda": {"type": "mlda", "inputs": ["word", "gmm"], "num_classes": 2},
}


def test_datasets_are_those_of_files(tmp_path):
    np.savez(tmp_path / "data.npz", **DATA)
    files = {name: {"file": str(tmp_path / "data.npz"), "key": name} for name in DATA}
    given = given_arrays(DATA | {"points": np.asfortranarray(DATA["points"])})
    config = load_config({"modules": MODULES}, arrays={name: array.sha256 for name, array in given.items()})
    of_files = load_config({"modules": MODULES, "data": files})

    here, there = load_datasets(config, build_graph(config), given), load_datasets(of_files, build_graph(of_files))

    for name in ("point", "word"):
        assert here.observations[name].dtype == np.float32
        np.testing.assert_array_equal(here.observations[name], there.observations[name])
    np.testing.assert_array_equal(here.units["point"], there.units["point"])
    assert here.labels["gmm"].texts() == there.labels["gmm"].texts()
    assert here.digests == {name: array.sha256 for name, array in given.items()}


def test_identity_is_of_type_shape_and_values():
    array = np.arange(6.0)
    others = [array + 1, array.reshape(2, 3), array.astype(np.float32), array.astype(">f8"), np.arange(6)]

    assert identity(as_rows(array)) == identity(as_rows(array.tolist())) == identity(as_rows(array[::-1][::-1]))
    assert len({identity(as_rows(other)) for other in [array, *others]}) == 6


def test_sparse_matrices_of_all_formats_are_the_same():
    dense = np.array([[0, 2, 0], [1, 0, 0]])
    forms = [csr_array(dense), coo_array(dense), csc_matrix(dense.astype(float))]

    assert len({identity(as_rows(form)) for form in forms}) == 1
    assert identity(as_rows(csr_array(2 * dense))) != identity(as_rows(forms[0]))
    np.testing.assert_array_equal(as_rows(forms[1]).toarray(), dense)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.ma.masked_less(np.ones(2), 0), "a masked array, whose mask would be lost; fill it with NaN, or give"),
        ([[1, 2], [3]], "cannot be made an array: "),
        (np.array([1, None]), "holds Python objects; give numbers, or text by array.astype(str)"),
        (np.ones(2, complex), "holds values of type complex128; give numbers, or text by array.astype(str)"),
        (csr_array(np.ones((2, 2), complex)), "holds values of type complex128; give numbers"),
        (csr_array(np.array([[2**53 + 1]])), "9007199254740993 at row 0, column 0 (from 0) is beyond 2^53"),
    ],
)
def test_what_is_no_array_of_numbers_or_text_is_refused_by_name(array, text):
    with pytest.raises(DataError) as refused:
        given_arrays({"fine": np.ones(2), "a": array})

    assert str(refused.value).startswith(f'data["a"]: {text}')
