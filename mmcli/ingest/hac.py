"""Histogram of acoustic co-occurrence (HAC): a row of counts of fixed width for an utterance of any length.

A frame is described three times: by its MFCCs, by their change in time (delta) and by the change of that. Each
description is replaced by the nearest code of its own codebook, and pairs of codes a fixed number of frames apart are
counted.

Source: Van hamme (2008), HAC-models: a novel approach to continuous speech recognition, Interspeech.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.cluster.vq import kmeans2, vq
from scipy.ndimage import correlate1d

from mmcli.errors import DataError

NUM_CODES = 20
LAGS = (5, 2)  # frames between the two codes of a pair, in the order of the columns: those of the bundled data
KMEANS_SWEEPS = 50
DELTA_WEIGHTS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) / 10.0


class Streams(NamedTuple):
    """Descriptions of an utterance, in the order of the columns: (T, D) of T frames, or (C, D) of the codes."""

    mfcc: np.ndarray
    delta: np.ndarray
    delta_delta: np.ndarray


def fit_codebooks(mfccs: Sequence[np.ndarray], *, num_codes: int = NUM_CODES, seed: int = 0) -> Streams:
    """Fit a codebook for each stream, by k-means over the frames of all utterances.

    Args:
        mfccs: an array (T, D) for each utterance, T its own number of frames.
        num_codes: codes a codebook, C.
        seed: the same seed and utterances give the same codebooks.

    Returns:
        Codebooks (C, D), float64.

    Raises:
        DataError: the arrays do not fit together, or hold fewer distinct frames than codes.
    """
    utterances = _checked(mfccs)
    rng = np.random.default_rng(seed)
    codebooks = []
    for name, parts in zip(Streams._fields, zip(*map(compute_streams, utterances), strict=True), strict=True):
        frames = np.concatenate(parts)
        num_distinct = len(np.unique(frames, axis=0))
        if num_distinct < num_codes:
            raise DataError(
                f"HAC codebook of stream {name}: {num_distinct} distinct frames for {num_codes} codes; "
                "give more utterances or fewer codes"
            )
        codebooks.append(kmeans2(frames, num_codes, iter=KMEANS_SWEEPS, minit="++", rng=rng)[0])
    return Streams(*codebooks)


def hac_features(mfccs: Sequence[np.ndarray], codebooks: Streams, lags: Sequence[int] = LAGS) -> np.ndarray:
    """Count the pairs of codes in each utterance.

    With C codes and L lags, column ((stream * L + lag) * C + a) * C + b counts the frames t with code a at t and code b
    at t + lags[lag]. With the default lags the row of an utterance of T >= 5 frames sums to 6 T - 21; one no longer
    than a lag has zeros there.

    Args:
        mfccs: an array (T, D) for each of N utterances, T its own number of frames.
        codebooks: from `fit_codebooks`, on the training utterances.
        lags: frames between the two codes of a pair, each 1 or more.

    Returns:
        (N, 3 L C^2) int64; 2,400 columns for 20 codes and 2 lags.

    Raises:
        DataError: the arrays do not fit together, or not to the codebooks.
    """
    utterances = _checked(mfccs, num_coefficients=codebooks.mfcc.shape[1])
    rows = [_count_pairs(compute_streams(utterance), codebooks, lags) for utterance in utterances]
    return np.stack(rows)


def compute_streams(mfcc: np.ndarray) -> Streams:
    """MFCCs (T, D) of an utterance, their deltas, and the deltas of those."""
    delta = compute_deltas(mfcc)
    return Streams(mfcc, delta, compute_deltas(delta))


def compute_deltas(frames: np.ndarray) -> np.ndarray:
    """Slope of the least-squares line through the 5 frames around each frame.

    Beyond the ends the first and the last frame are repeated, so an utterance of any length has deltas.

    Args:
        frames: (T, D) float64.

    Returns:
        (T, D), change a frame.

    Source: Young et al. (2006), The HTK Book, eq. 5.16 with a window of 2.
    """
    if len(frames) == 0:  # nothing to repeat
        return frames
    return correlate1d(frames, DELTA_WEIGHTS, axis=0, mode="nearest")


def _count_pairs(streams: Streams, codebooks: Streams, lags: Sequence[int]) -> np.ndarray:
    """One row of `hac_features`: (3 L C^2,) int64."""
    num_codes = len(codebooks.mfcc)
    histograms = []
    for frames, codebook in zip(streams, codebooks, strict=True):
        codes = vq(frames, codebook)[0]  # (T,)
        for lag in lags:
            pairs = codes[:-lag] * num_codes + codes[lag:]  # (max(T - lag, 0),)
            histograms.append(np.bincount(pairs, minlength=num_codes**2))
    return np.concatenate(histograms)


def _checked(mfccs: Sequence[np.ndarray], num_coefficients: int | None = None) -> list[np.ndarray]:
    """Utterances as float64 (T, D), D being `num_coefficients` or, where not given, the first utterance's.

    Raises:
        DataError: there are none, or one has another shape or values that are not finite.
    """
    if len(mfccs) == 0:
        raise DataError("HAC: no utterances; give at least one array of MFCCs")
    utterances = [np.asarray(mfcc, dtype=np.float64) for mfcc in mfccs]
    for index, utterance in enumerate(utterances):
        if utterance.ndim != 2:
            raise DataError(f"HAC: utterance {index} has shape {utterance.shape}; give (frames, coefficients)")
        if num_coefficients is None:
            num_coefficients = utterance.shape[1]
        if utterance.shape[1] != num_coefficients:
            raise DataError(
                f"HAC: utterance {index} has {utterance.shape[1]} coefficients a frame where {num_coefficients} are "
                "expected; compute all MFCCs alike"
            )
        if not np.isfinite(utterance).all():
            raise DataError(f"HAC: utterance {index} holds NaN or infinity; check the recording for silence or damage")
    return utterances
