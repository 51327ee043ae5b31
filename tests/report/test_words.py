"""Words of classes: relevance, coherence and typical texts by hand, and their place in the report."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from mmcli.report.findings import Classes, Words
from mmcli.report.words import class_sums, coherence, top_words, typical_rows, words_table

# Texts of two classes: the first word is in all, the second and third in those of class 0, the fourth in class 1.
COUNTS = csr_array(
    np.array(
        [
            [4.0, 2, 1, 0],
            [4, 2, 0, 0],
            [4, 0, 1, 0],
            [4, 0, 0, 6],
            [0, 0, 0, 0],
        ]
    )
)
FOUND = np.array([0, 0, 0, 1, 1])


def test_counts_of_a_class_are_summed():
    np.testing.assert_array_equal(class_sums(COUNTS, FOUND), [[12, 4, 2, 0], [4, 0, 0, 6]])


def test_words_are_ranked_by_relevance():
    sums = class_sums(COUNTS, FOUND)
    given_class, whole = sums[0, :3] / 18, sums.sum(axis=0)[:3] / 28
    expected = 0.6 * np.log(given_class) + 0.4 * np.log(given_class / whole)

    assert top_words(sums, 0).tolist() == np.argsort(-expected).tolist() == [0, 1, 2]
    assert top_words(sums, 1).tolist() == [3, 0]  # by frequency alone as well; words that it lacks are left out
    # A word that all classes share ranks below a rarer one of the class alone.
    assert top_words(np.array([[11.0, 10, 0], [99, 0, 1]]), 0).tolist() == [1, 0]


def test_coherence_is_the_mean_npmi_of_pairs():
    words = np.array([0, 1, 2])
    # Of 5 texts 4 hold the first word, 2 the second, 2 the third; pairs are in 2, 2 and 1.
    first = np.log((2 / 5) / (4 / 5 * 2 / 5)) / -np.log(2 / 5)
    third = np.log((1 / 5) / (2 / 5 * 2 / 5)) / -np.log(1 / 5)

    assert coherence(COUNTS, words) == pytest.approx((2 * first + third) / 3, rel=1e-12)
    assert coherence(COUNTS, np.array([1, 3])) == -1  # never together
    assert coherence(COUNTS[:3], np.array([0, 0])) == 1  # in every text
    assert coherence(COUNTS, np.array([0])) is None


def test_typical_texts_have_the_smallest_angle_and_empty_ones_are_left_out():
    assert typical_rows(COUNTS, np.array([12.0, 4, 2, 0])).tolist() == [0, 1, 2]
    assert typical_rows(COUNTS[3:], np.array([4.0, 0, 0, 6])).tolist() == [0]


def test_a_table_names_words_and_texts_and_leaves_out_hidden_ones():
    known = np.array([True, True, False, True, True])
    words = Words(COUNTS, known, ["the", "sea", "ship", "sky"], [f"/x/texts/{name}.txt" for name in "abcde"])
    classes = Classes(FOUND, None, None, None, 2, None, None, None)

    table = words_table("words", words, "mlda", classes)

    assert [(row[0], row[1], row[2], row[4]) for row in table.rows] == [
        ("0", "2", "the sea ship", "texts/a.txt, texts/b.txt"),
        ("1", "2", "sky the", "texts/d.txt"),
    ]
    assert table.caption.startswith("Words of words in the classes of mlda: mean coherence 0.")
    assert words._replace(paths=None).item(3) == "item 3"


def test_the_report_of_a_run_shows_them_where_there_is_a_vocabulary(written):
    data = written.run.path.parent / "pictures.npz"
    with np.load(data) as arrays:
        kept = dict(arrays)
    assert all(section.name != "words" for section in written.report().sections)

    np.savez(data, **kept, vocabulary=np.array(list("uvwxyz")))

    section = written.section("words")
    assert [table.caption.partition(":")[0] for table in section.tables] == [
        "Words of word in the classes of gmm",
        "Words of word in the classes of mlda",
    ]
    assert set(section.tables[0].rows[0][2]) <= set("uvwxyz ")
