"""Sparse observations from the file to the run directory: what is checked, when they stay sparse, what is learned."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse as scipy_sparse
from scipy.sparse import csr_array

from mmcli import load_run
from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.data.dataset import load_datasets, load_sources
from mmcli.data.rows import sparse
from mmcli.data.selection import Request, choose
from mmcli.errors import DataError, UsageError

CONFIG = """\
data:
  words:  {file: words.npz}
  spoken: {file: spoken.npy}
  sounds: {file: sounds.npy}
modules:
  word:  {type: observation, data: words}
  sound: {type: observation, data: sounds}
  mlda:  {type: mlda, inputs: [word, sound], num_classes: 2}
"""
WORDS = np.array([[0, 2, 0, 0, 1], [0, 0, 0, 0, 0], [3, 0, 0, 4, 0], [0, 1, 1, 0, 0]])
KNOWN = CONFIG.replace("words.npz}", "words.npz, known: spoken}")
NAN = CONFIG.replace("words.npz}", "words.npz, missing: nan}")
POINTS = CONFIG + "  gmm:  {type: gmm, inputs: [word], num_classes: 2}\n"
SHARES = CONFIG + "  vae:  {type: vae, inputs: [word], latent_dim: 2}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory; rows stay sparse however few they are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sparse, "FEW_VALUES", 0)
    monkeypatch.setattr(sparse, "MOST_SHARE", 1)
    np.save("spoken.npy", [1, 1, 0, 1])
    np.save("sounds.npy", np.ones((len(WORDS), 2)))
    return tmp_path.resolve()


def load(words, config=CONFIG):
    scipy_sparse.save_npz("words.npz", csr_array(words))
    Path("x.yaml").write_text(config)
    read = load_config("x.yaml")
    return load_datasets(read, build_graph(read))


def changed(index, value):
    words = WORDS.astype(float)
    words[index] = value
    return words


@pytest.mark.usefixtures("folder")
def test_counts_stay_sparse():
    datasets = load(WORDS)

    rows = datasets.observations["word"]
    assert isinstance(rows, csr_array)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows.toarray(), WORDS)
    assert (datasets.num_items, datasets.widths["word"], datasets.shares) == (4, 5, {"word": 0.3})
    assert datasets.known["word"].all()
    np.testing.assert_array_equal(datasets.first(2).observations["word"].toarray(), WORDS[:2])


@pytest.mark.usefixtures("folder")
def test_rows_that_are_not_known_are_empty():
    datasets = load(changed((2, 1), -np.inf), KNOWN)

    np.testing.assert_array_equal(datasets.known["word"], [True, True, False, True])
    np.testing.assert_array_equal(datasets.observations["word"].toarray(), WORDS * [[1], [1], [0], [1]])


@pytest.mark.usefixtures("folder")
def test_a_row_of_nan_alone_is_a_missing_one():
    datasets = load(changed(2, np.nan), NAN)

    np.testing.assert_array_equal(datasets.known["word"], [True, True, False, True])
    np.testing.assert_array_equal(datasets.observations["word"].toarray(), WORDS * [[1], [1], [0], [1]])


FAULTS = [
    (CONFIG, changed((2, 3), np.nan), "nan at row 2, column 3 (from 0); fill it, drop the item, or set missing: nan"),
    (NAN, changed((2, 3), np.nan), "nan at row 2, column 3 (from 0); fill it"),
    (CONFIG, changed((3, 1), np.inf), "inf at row 3, column 1 (from 0); too large for float32; scale the array"),
    (CONFIG, changed((0, 4), 1e39), "1e+39 at row 0, column 4 (from 0); too large for float32"),
    (CONFIG, -WORDS, "-2 at row 0, column 1 (from 0) and 5 more; modules.mlda takes counts, which are 0 or more"),
    (SHARES, WORDS, "2 at row 0, column 1 (from 0) and 2 more; modules.vae takes 0 to 1: scale the array"),
    (CONFIG, WORDS[:0], "empty: 0 rows of 5 columns"),
    (CONFIG, WORDS[:, :0], "empty: 4 rows of 0 columns"),
    (KNOWN, WORDS[:3], "3 rows, but spoken has 4"),
    (KNOWN.replace("spoken.npy", "words.npz"), WORDS, "2 dimensions (4, 5); a mask has 1"),
    (CONFIG.replace("{file: words.npz}", "{file: words.npz, key: word}"), WORDS, "no array word; it holds indices,"),
]


@pytest.mark.parametrize(("config", "words", "text"), FAULTS)
def test_every_check_holds_for_sparse_rows(folder, config, words, text):
    with pytest.raises(DataError) as caught:
        load(words, config)
    assert f"{folder}/words.npz: {text}" in str(caught.value)


@pytest.mark.usefixtures("folder")
def test_who_hears_points_gets_them_dense_and_so_do_all():
    datasets = load(WORDS, POINTS)

    rows = datasets.observations["word"]
    assert {form.dtype for form in rows} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(rows.plain, WORDS)
    np.testing.assert_allclose(datasets.units["word"].restored(rows.standard), WORDS, atol=1e-6)
    assert datasets.shares == {}


@pytest.mark.usefixtures("folder")
def test_what_would_fill_memory_is_not_made_dense():
    wide = csr_array((100, 9_000_000))
    np.save("sounds.npy", np.ones((100, 2)))

    assert load(wide).widths["word"] == 9_000_000
    with pytest.raises(DataError) as caught:
        load(wide, POINTS)
    assert str(caught.value).endswith(
        "modules.gmm takes points, which are dense: 100 rows of 9000000 columns would fill 3.6 GB; "
        "give it fewer columns"
    )


@pytest.mark.parametrize(
    ("shape", "num_entries", "expected"),
    [
        ((1000, 999), 0, False),  # few values
        ((1000, 1000), 50_000, True),
        ((1000, 1000), 50_001, False),  # many of them not zero
        ((1000, 1_000_000), 100_000_000, True),  # but it would fill 4 GB
    ],
)
def test_rows_stay_sparse_where_it_pays(shape, num_entries, expected):
    assert sparse.pays(shape, num_entries) == expected


RUN = """\
rounds: 1
data:
  words: {file: words.npz}
  kinds: {file: kinds.npy}
modules:
  word: {type: observation, data: words}
  mlda:
    {type: mlda, inputs: [word], num_classes: 3, beta: 0.001, anneal_sweeps: 20, sweeps: 10, restarts: 4, labels: kinds}
"""
NUM_ITEMS, NUM_WORDS = 60, 22_500  # a square, and more values than are few


def planted():
    """Items of three kinds, 30 words each of the 40 of their kind; the last item has none. And the kinds."""
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(3), NUM_ITEMS // 3)
    items = np.repeat(np.arange(NUM_ITEMS - 1), 30)
    words = 500 * kinds[items] + rng.integers(0, 40, len(items))
    return csr_array((np.ones(len(items)), (items, words)), shape=(NUM_ITEMS, NUM_WORDS)), kinds


def test_a_run_learns_from_sparse_counts_and_is_asked_about_them(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, kinds = planted()
    scipy_sparse.save_npz("words.npz", words)
    np.save("kinds.npy", kinds)
    Path("x.yaml").write_text(RUN)

    checked = command("check", "x.yaml")
    assert "word    observation  data words, 22500 columns, sparse, 0.093 % not zero\n" in checked.out
    assert command("train", "x.yaml", "-o", "run").code == 0
    learned = np.loadtxt("run/module001_mlda/class_learn.txt", dtype=int)
    np.testing.assert_array_equal(learned[:-1], kinds[:-1])
    assert "finished before" in command("train", "x.yaml", "-o", "run", "--resume").err
    assert command("report", "run").code == 0

    run = load_run("run")
    sources = choose(run.config, Request(["words=words.npz"]), without=())
    assert isinstance(load_sources(*sources, run.graph, run.widths).observations["word"], csr_array)
    np.testing.assert_array_equal(run.predict(words=words.tocoo())["mlda"].classes, learned)
    (made,) = run.generate("words", of_class=2)
    assert made.argmax() // 500 == 2
    assert made.sum() == pytest.approx(1, rel=1e-4)
    with pytest.raises(
        UsageError, match=r"^words: 100000 rows of 22500 columns would fill 9\.0 GB; make fewer at a time$"
    ):
        run.generate("words", of_class=2, num_items=100_000)
