"""`mmcli data counts`: words of texts as sparse counts, and the same columns for other texts."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, load_npz

TEXTS = {
    "sea/1.txt": "The ship, and the WAVE... the wave\n",
    "sea/2.txt": "\ufeffa wave under the ship\n",
    "sky/1": "cloud and bird over a ship\n",
    "sky/2.md": "Bird in the cloud\n",
}


@pytest.fixture(autouse=True)
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two texts of each of two labels."""
    monkeypatch.chdir(tmp_path)
    for name, text in TEXTS.items():
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(text)
    return tmp_path / "texts"


def table(file: str) -> tuple[np.ndarray, list[str]]:
    """Counts and words of a file."""
    with np.load(file) as arrays:
        return load_npz(file).toarray(), arrays["vocabulary"].tolist()


def test_words_of_some_texts_are_counted(command):
    done = command("data", "counts", "texts", "-o", "words.npz")

    assert done == (0, "words.npz\n", "words.npz: 4 texts, 4 words, 2 labels\n")
    assert isinstance(load_npz("words.npz"), csr_array)
    counts, words = table("words.npz")
    # "the" and "ship" are in 3 of 4 texts, "in", "over" and "under" in one, and "a" is a letter.
    assert words == ["and", "bird", "cloud", "wave"]
    np.testing.assert_array_equal(counts, [[1, 0, 0, 2], [0, 0, 0, 1], [1, 1, 1, 0], [0, 1, 1, 0]])
    with np.load("words.npz") as arrays:
        assert arrays["text_paths"].tolist() == [f"texts/{name}" for name in TEXTS]
        assert arrays["labels"].tolist() == [0, 0, 1, 1]
        assert arrays["label_names"].tolist() == ["sea", "sky"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--min-texts", 1], ["and", "bird", "cloud", "in", "over", "under", "wave"]),
        (["--max-share", 1], ["and", "bird", "cloud", "ship", "the", "wave"]),
        (["--max-share", 1, "--max-words", 2], ["the", "wave"]),  # 5 and 3 times; ship 3 times
        (["--stop-words", "english"], ["bird", "cloud", "wave"]),
    ],
)
def test_options_choose_the_words(command, options, words):
    (Path("texts") / "sea" / "1.txt").write_text(TEXTS["sea/1.txt"] + "wave")

    assert command("data", "counts", "texts", "-o", "words.npz", *options).code == 0

    assert table("words.npz")[1] == words


def test_a_vocabulary_gives_other_texts_its_columns_and_label_numbers(command):
    assert command("data", "counts", "texts", "-o", "words.npz").code == 0
    Path("more/sky").mkdir(parents=True)
    Path("more/sky/3.txt").write_text("a bird, a bird, a kite")
    Path("more/sky/4.txt").write_text("nothing of it")

    done = command("data", "counts", "more", "-o", "more.npz", "--vocabulary", "words.npz")

    assert done.err == "1 text without any of the words\nmore.npz: 2 texts, 4 words, 1 label\n"
    counts, words = table("more.npz")
    assert words == table("words.npz")[1]
    np.testing.assert_array_equal(counts, [[0, 2, 0, 0], [0, 0, 0, 0]])
    with np.load("more.npz") as arrays:
        assert arrays["labels"].tolist() == [1, 1]


def test_what_cannot_be_read_is_listed(command, texts):
    (texts / "sky" / "blank.txt").write_text(" \n")
    (texts / "sky" / "latin.txt").write_bytes(b"caf\xe9")
    (texts / "sky" / "zero.txt").write_bytes(b"a\0b")

    done = command("data", "counts", "texts", "-o", "words.npz")

    assert done.err.splitlines()[:4] == [
        "texts/sky/blank.txt: empty",
        "texts/sky/latin.txt: is not UTF-8 at byte 3; convert it, as by iconv -t UTF-8",
        "texts/sky/zero.txt: is no text: it holds bytes of 0",
        "3 of 7 texts left out",
    ]


def test_show_lists_the_matrix_and_what_is_beside_it(command):
    assert command("data", "counts", "texts", "-o", "words.npz").code == 0

    done = command("data", "show", "words.npz")

    assert [line.split("  ")[0] for line in done.out.splitlines()[:6]] == [
        *("array", "(one)", "vocabulary", "text_paths", "labels", "label_names")
    ]
    assert done.out.splitlines()[-1] == "labels: 2 labels (and their items): sea (2), sky (2)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["texts", "--max-share", 0.1],
            "no word is in 2 texts or more and in 10% of 4 texts or less; give more texts, or other --min-texts and",
        ),
        (["texts", "--min-texts", 5], "no word is in 5 texts or more and in 50% of 4 texts or less; give more texts,"),
        (["texts", "--vocabulary", "none.npz"], "none.npz: no array vocabulary; it holds x"),
        (["texts", "--vocabulary", "twice.npz"], "twice.npz: vocabulary holds a word twice; make the file again"),
        (
            ["texts", "--vocabulary", "good.npz", "--max-words", 3],
            "mmcli: error: the words are those of good.npz; leave out the options that choose words",
        ),
        (["bare"], "mmcli: error: bare: holds no file that ends in .md, .text, .txt"),
        (["texts", "-o", "out.txt"], "mmcli: error: out.txt: arrays go to an .npz; name it so"),
    ],
)
def test_bad_input_is_refused_in_a_line(command, arguments, message):
    Path("bare").mkdir()
    np.savez("none.npz", x=np.ones(3))
    np.savez("twice.npz", vocabulary=np.array(["a", "a"]))
    np.savez("good.npz", vocabulary=np.array(["bird", "ship"]))

    done = command("data", "counts", *arguments, *(() if "-o" in arguments else ("-o", "out.npz")))

    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("out.npz").exists()
