"""Texts -> counts of words, sparse, with the vocabulary that gives other texts the same columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmcli.data.formats import array_names, csr
from mmcli.data.labels import LABEL_NAMES
from mmcli.data.npz import check_output, write_arrays
from mmcli.data.vocabulary import TEXT_PATHS, VOCABULARY
from mmcli.errors import DataError, UsageError
from mmcli.ingest.arrays import read_text_array
from mmcli.ingest.discover import Item, list_items, number_labels
from mmcli.ingest.places import reason, refuse_other_than_file
from mmcli.ingest.reading import gather, left_out
from mmcli.util.text import counted, shown

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SUFFIXES = ("", ".md", ".text", ".txt")
MAX_BYTES = 64 << 20  # of a text


class Choice(NamedTuple):
    """Which words of the texts become columns."""

    min_texts: int = 2  # that a word has to be in
    max_share: float = 0.5  # of the texts, that it may be in
    max_words: int | None = None  # the most frequent
    stop_words: str | None = None  # "english": those of scikit-learn are left out


def make_counts(
    named: Sequence[str],
    output: Path,
    asked: Mapping[str, Any],
    *,
    vocabulary: Path | None,
    label_by: str,
    strict: bool,
) -> list[str]:
    """Write how often each word is in each text.

    OUT.npz is a sparse matrix (N, V) as scipy.sparse.save_npz writes it, with `vocabulary` (V,), the words of the
    columns in alphabetical order, `text_paths` (N,), `labels` (N,) and `label_names` where there are labels. A word is
    two letters, digits or _ or more, in lower case.

    Args:
        named: files, folders, globs and lists, see `list_items`.
        output: OUT.npz.
        asked: fields of `Choice` that differ from their defaults; none beside a vocabulary.
        vocabulary: a file made by this function, whose columns are made; None takes the words of these texts.
        label_by: see `list_items`.
        strict: leave out no text.

    Returns:
        Lines on what was left out and what was written.

    Raises:
        UsageError: OUT.npz cannot be written, or a choice of words is asked for beside a vocabulary.
        DataError: files cannot be used, or no word is left.
    """
    check_output(output)
    words, known = (None, []) if vocabulary is None else _read_vocabulary(vocabulary)
    if words is not None and asked:
        raise UsageError(f"the words are those of {shown(str(vocabulary))}; leave out the options that choose words")
    listing = list_items(named, SUFFIXES, label_by)
    gathered = gather(listing, _read_text, "texts", strict=strict)
    counts, words = _count(gathered.values, Choice(**asked), words)
    arrays = _parts(counts) | {
        VOCABULARY: np.array(words),
        TEXT_PATHS: np.array([str(item.path) for item in gathered.items]),
    }
    labels = number_labels(gathered.items, known)
    if labels is not None:
        arrays |= labels.arrays()
    write_arrays(output, arrays)
    num_empty = int(np.count_nonzero(np.diff(counts.indptr) == 0))
    empty = [f"{counted(num_empty, 'text')} without any of the words"] if num_empty else []
    end = f"{counted(len(words), 'word')}, {labels.summary() if labels else 'no labels'}"
    return [*left_out(gathered, "texts"), *empty, f"{shown(str(output))}: {counted(counts.shape[0], 'text')}, {end}"]


def _read_vocabulary(file: Path) -> tuple[list[str], list[str]]:
    """Vocabulary and names of labels of a file made by `make_counts`.

    Raises:
        DataError: it holds no vocabulary.
    """
    try:
        refuse_other_than_file(file)
        names = array_names(file)
        words = read_text_array(file, VOCABULARY)
        if len(set(words)) < len(words) or not words:
            raise DataError(f"{VOCABULARY} holds {'a word twice' if words else 'no word'}; make the file again")
        return words, read_text_array(file, LABEL_NAMES) if LABEL_NAMES in names else []
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None


def _read_text(item: Item) -> str:
    """Read a text of UTF-8.

    Raises:
        DataError: it is too large, empty, or something else; without the name of the file.
    """
    refuse_other_than_file(item.path)
    try:
        if item.path.stat().st_size > MAX_BYTES:
            raise DataError(f"more than {MAX_BYTES >> 20} MiB; cut it into texts")
        text = item.path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read: {reason(error)}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 at byte {error.start}; convert it, as by iconv -t UTF-8") from None
    if not text.strip():
        raise DataError("empty")
    if "\0" in text:
        raise DataError("is no text: it holds bytes of 0")
    return text


def _count(texts: Sequence[str], choice: Choice, words: Sequence[str] | None) -> "tuple[csr_array, list[str]]":
    """Counts (N, V) int64 of the given words, or of those chosen, and these.

    Raises:
        DataError: no word is left.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # a second, which --help does not wait for

    if words is not None:
        vectorizer = CountVectorizer(vocabulary=list(words))
        return vectorizer.transform(texts), list(words)
    vectorizer = CountVectorizer(
        min_df=choice.min_texts, max_df=choice.max_share, max_features=choice.max_words, stop_words=choice.stop_words
    )
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # its reasons: no word at all, or none of the frequencies asked for
        raise DataError(
            f"no word is in {counted(choice.min_texts, 'text')} or more and in {choice.max_share:.0%} of "
            f"{counted(len(texts), 'text')} or less; give more texts, or other --min-texts and --max-share"
        ) from None
    return counts, vectorizer.get_feature_names_out().tolist()


def _parts(counts: "csr_array") -> dict[str, Any]:
    """Arrays of a matrix, as scipy.sparse.save_npz names them."""
    counts.sort_indices()
    return {
        csr.IS_ARRAY: np.array(True),
        "format": np.array(b"csr"),
        "shape": np.array(counts.shape),
        "data": counts.data,
        "indices": counts.indices,
        "indptr": counts.indptr,
    }
