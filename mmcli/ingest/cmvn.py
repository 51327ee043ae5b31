"""Cepstral mean and variance normalisation (CMVN), which removes a voice and a microphone from MFCCs.

A channel (microphone, room, distance) multiplies a spectrum, which adds to each cepstral coefficient; noise compresses
the coefficients. Both are nearly the same in all frames of a recording, and vanish when its coefficients are centred
and scaled. So does what all frames of a short word share; statistics over all recordings of a speaker keep it.

Source: Viikki and Laurila (1998), Cepstral domain segmental feature vector normalization for noise robust speech
recognition, Speech Communication 25, with the whole recording as the segment.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float64]

_ROUNDING = 1e-12  # a deviation below this share of the largest value is rounding: the coefficient is constant


def normalize(mfccs: Sequence[Frames], groups: Sequence[Hashable]) -> list[Frames]:
    """Centre and scale each coefficient over the frames of each group of recordings.

    Args:
        mfccs: an array (T, D) for each of N recordings, T >= 1 its own number of frames.
        groups: (N,) the group of each recording: N different ones for statistics of each recording, or its speaker.

    Returns:
        Arrays of the same shapes. Over the frames of a group each coefficient has mean 0 and variance 1, or is 0 where
        it is constant.
    """
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    normalized = list(mfccs)
    for indices in members.values():
        frames = np.concatenate([mfccs[index] for index in indices])
        mean, deviation = frames.mean(axis=0), frames.std(axis=0)  # (D,)
        is_constant = deviation <= _ROUNDING * np.abs(frames).max(axis=0)
        scale = np.where(is_constant, 0, 1 / np.where(is_constant, 1, deviation))
        for index in indices:
            normalized[index] = (mfccs[index] - mean) * scale
    return normalized
