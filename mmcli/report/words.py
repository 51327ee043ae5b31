"""Words and texts of each class, where the columns of an observation have names.

N texts, V words, K classes.
"""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mmcli.report.findings import Classes, Findings, Words
from mmcli.report.sections import Section, Table

NUM_WORDS = 10  # of a class
NUM_TYPICAL = 3  # texts of a class
RELEVANCE = 0.6  # weight of log p(w | c), the value that agreed best with readers


def words_section(findings: Findings) -> Section:
    """Section on the words and typical texts of the classes of each module."""
    tables = []
    for source, words in findings.words.items():
        for module, classes in findings.classes.items():
            tables.append(words_table(source, words, module, classes))
    note = (
        f"The words of a class have the highest relevance, {RELEVANCE} log p(w | c) + {1 - RELEVANCE:.1f} "
        "log p(w | c) / p(w). Coherence is their mean NPMI over the texts, from -1 (never together) through 0 "
        "(independent) to 1. Typical texts have the smallest angle to the sum of their class."
    )
    return Section("words", "Words of classes", notes=(note,) if tables else (), tables=tuple(tables))


def words_table(source: str, words: Words, module: str, classes: Classes) -> Table:
    """Table of the classes of a module by the words of an observation."""
    known = np.flatnonzero(words.known)
    counts, found = words.counts[known], classes.found[known]
    ids = np.unique(found)
    sums = class_sums(counts, np.searchsorted(ids, found))
    rows, scores = [], []
    for row, number in enumerate(ids.tolist()):
        best = top_words(sums, row)
        scores.append(coherence(counts, best))
        items = known[found == number]
        typical = items[typical_rows(words.counts[items], sums[row])]
        rows.append(
            (
                classes.text(number),
                f"{len(items):,}",
                " ".join(words.names[column] for column in best.tolist()),
                _shown(scores[-1]),
                ", ".join(words.item(item) for item in typical.tolist()),
            )
        )
    present = [score for score in scores if score is not None]
    mean = _shown(float(np.mean(present)) if present else None)
    caption = f"Words of {source} in the classes of {module}: mean coherence {mean}"
    return Table(caption, ("class", "items", "words", "coherence", "typical"), rows)


def class_sums(counts: csr_array, found: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum the counts (N, V) of the texts of each class 0 to K - 1: (K, V)."""
    num_texts = len(found)
    members = csr_array(
        (np.ones(num_texts), (found, np.arange(num_texts))), shape=(found.max(initial=0) + 1, num_texts)
    )
    sums: NDArray[np.float64] = (members @ counts).toarray()
    return sums


def top_words(sums: NDArray[np.float64], row: int) -> NDArray[np.int64]:
    """Words of a class by relevance, the highest first; those that it lacks are left out.

    Source: Sievert and Shirley (2014), LDAvis, eq. 1, with frequencies for the estimates.
    """
    own = np.flatnonzero(sums[row])
    given_class = np.log(sums[row, own] / sums[row].sum())
    relevance = given_class - (1 - RELEVANCE) * np.log(sums[:, own].sum(axis=0) / sums.sum())
    return own[np.argsort(-relevance, kind="stable")[:NUM_WORDS]]


def coherence(counts: csr_array, words: NDArray[np.int64]) -> float | None:
    """Mean normalised pointwise mutual information of pairs of words, by the texts that hold them.

    A pair that is in no text has -1, one that is in every text 1.

    Returns:
        -1 to 1; None for fewer than two words.

    Source: Lau, Newman and Baldwin (2014), Machine reading tea leaves, with texts for windows; Bouma (2009).
    """
    holds = (counts[:, words] > 0).astype(np.float64)
    together: Any = (holds.T @ holds).toarray() / max(holds.shape[0], 1)  # shares of the texts
    values = []
    for one, other in combinations(range(len(words)), 2):
        both = together[one, other]
        if both in (0, 1):
            values.append(2.0 * both - 1)
        else:
            values.append(np.log(both / (together[one, one] * together[other, other])) / -np.log(both))
    return float(np.mean(values)) if values else None


def typical_rows(counts: csr_array, direction: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of the smallest angle to a direction (V,), the smallest first; empty texts are left out."""
    lengths = np.sqrt(np.asarray((counts * counts).sum(axis=1)).ravel())
    cosines = np.divide(counts @ direction, lengths, out=np.full(len(lengths), -1.0), where=lengths > 0)
    return np.argsort(-cosines, kind="stable")[: min(NUM_TYPICAL, np.count_nonzero(lengths))]


def _shown(score: float | None) -> str:
    """Coherence with three digits."""
    return "" if score is None else f"{score:.3f}"
