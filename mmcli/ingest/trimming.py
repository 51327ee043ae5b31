"""Trimming: silence at the ends of a recording."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import median_filter

_CLICK = 5  # frames of the running median, which ignores a sound that touches two frames of five


def trim(sound: NDArray[np.float64], decibels: float, frame_length: int, hop_length: int) -> NDArray[np.float64]:
    """Cut the frames before the first and after the last loud one.

    A frame is loud if its power is less than `decibels` below that of the loudest frame. The power is the variance, so
    that an offset of the samples is no sound; a click of one or two frames does not count as the loudest, so that one
    in an otherwise quiet recording does not turn the speech into silence.

    Args:
        sound: (samples,), at least a frame long.
        decibels: above 0.
        frame_length: samples of a frame.
        hop_length: samples from the start of a frame to that of the next.

    Returns:
        The samples kept; those beyond the last whole frame go with that frame.
    """
    power = sliding_window_view(sound, frame_length)[::hop_length].var(axis=1)  # (T,)
    loudest = median_filter(power, size=_CLICK, mode="nearest").max()
    loud = np.flatnonzero(power >= loudest * 10 ** (-decibels / 10))
    end = len(sound) if loud[-1] == len(power) - 1 else loud[-1] * hop_length + frame_length
    return sound[loud[0] * hop_length : end]
