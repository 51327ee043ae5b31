"""Mel-frequency cepstral coefficients (MFCCs) of a recording, by librosa, which the extra `audio` installs.

Source: Davis and Mermelstein (1980), Comparison of parametric representations for monosyllabic word recognition in
continuously spoken sentences, IEEE Trans. ASSP 28(4).
"""

import importlib
import warnings
from typing import NamedTuple

import numpy as np

from mmcli.errors import UsageError

PREEMPHASIS = 0.97


class MfccSettings(NamedTuple):
    """Settings of frames and bands; the defaults are those of the bundled data and the UCI Spoken Arabic Digits."""

    rate: int = 11025  # Hz
    frame_length: int = 256  # samples, 23.2 ms
    hop_length: int = 128  # samples, 11.6 ms
    mel_bands: int = 26
    coefficients: int = 13


BUNDLED = MfccSettings()


def require_librosa() -> None:
    """Check that sounds can be read and their MFCCs computed.

    Raises:
        UsageError: librosa or soundfile is missing.
    """
    try:
        for name in ("librosa", "soundfile"):
            importlib.import_module(name)
    except (ImportError, OSError):  # OSError: soundfile without the library libsndfile
        raise UsageError("sounds need librosa and soundfile: pip install librosa soundfile") from None


def check_settings(settings: MfccSettings) -> None:
    """Refuse settings that leave no coefficients.

    Raises:
        UsageError: more coefficients than mel bands, or mel bands that no frequency of a frame falls into.
    """
    import librosa

    if settings.coefficients > settings.mel_bands:
        raise UsageError(
            f"{settings.coefficients} coefficients of {settings.mel_bands} mel bands; ask for no more than that"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa warns of empty bands, which are counted below
        bands = librosa.filters.mel(sr=settings.rate, n_fft=settings.frame_length, n_mels=settings.mel_bands)
    num_empty = np.count_nonzero(bands.max(axis=1) == 0)
    if num_empty:
        raise UsageError(
            f"{num_empty} of {settings.mel_bands} mel bands are empty with {settings.frame_length} samples a frame at "
            f"{settings.rate} Hz; take fewer bands or longer frames"
        )


def compute_mfcc(sound: np.ndarray, settings: MfccSettings = BUNDLED) -> np.ndarray:
    """MFCCs of a recording, pre-emphasised and in Hamming windows.

    Args:
        sound: (samples,) float64 at `settings.rate`, full scale being 1; at least a frame long.
        settings: the frames and bands.

    Returns:
        (T, D) float64: T = 1 + (samples - frame_length) // hop_length frames of D coefficients.
    """
    import librosa

    return librosa.feature.mfcc(
        y=librosa.effects.preemphasis(sound, coef=PREEMPHASIS),
        sr=settings.rate,
        n_mfcc=settings.coefficients,
        n_mels=settings.mel_bands,
        n_fft=settings.frame_length,
        hop_length=settings.hop_length,
        window="hamming",
        center=False,
    ).T
