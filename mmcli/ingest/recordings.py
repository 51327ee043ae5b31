"""Recordings as samples, full scale being 1."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcli.errors import DataError
from mmcli.ingest.places import refuse_other_than_file
from mmcli.ingest.sound_headers import shortfall
from mmcli.util.text import counted, shown

MIN_RATE, MAX_RATE = 1000, 1_000_000  # Hz; a header with another rate is damaged
MAX_SAMPLES = 30_000_000  # over all channels, 240 MB: eleven minutes of 44,100 Hz
SILENT = 2.0**-15  # one step of 16 bits: a recording that varies less is silent
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_FEW = 2.0**-8  # of full scale: the maximum of 24 bits written into 32 without a shift


class Recording(NamedTuple):
    """Samples of a recording.

    Attributes:
        samples: (samples,) float64 at the rate asked for, channels averaged, full scale being 1.
        peak: the largest absolute value of any channel before that.
        subtype: libsndfile's name of the sample format: PCM_16, FLOAT and so on.
    """

    samples: NDArray[np.float64]
    peak: float
    subtype: str


def read_sound(path: Path, rate: int) -> Recording:
    """Read a recording, resampled to `rate` Hz.

    Raises:
        DataError: it is damaged, cut short, empty, silent or too long; without the name of the file.
    """
    import librosa
    import soundfile

    refuse_other_than_file(path)
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames * file.channels > MAX_SAMPLES:
                raise DataError(
                    f"{file.frames} samples of {file.channels} channels at {file.samplerate} Hz; cut it into utterances"
                )
            if not MIN_RATE <= file.samplerate <= MAX_RATE:
                raise DataError(f"damaged: a rate of {file.samplerate} Hz")
            channels, own_rate = file.read(dtype="float64", always_2d=True), file.samplerate  # (samples, channels)
            subtype, promised = file.subtype, file.frames
        lack = shortfall(path)
    except (soundfile.SoundFileError, OSError, RuntimeError, ValueError, MemoryError) as error:
        raise DataError(f"cannot be read as sound: {shown(getattr(error, 'error_string', str(error)), 120)}") from None
    if lack is not None:
        what = f"its header promises {lack.promised} bytes of samples, {lack.present} are there"
        raise DataError(f"cut short: {what}; copy it again")
    if len(channels) < promised:
        raise DataError(f"cut short: its header promises {promised} samples, {len(channels)} are there; copy it again")
    sound = channels.mean(axis=1)
    if not sound.size:
        raise DataError("empty")
    if not np.isfinite(sound).all():
        raise DataError("holds NaN or infinity")
    if np.ptp(sound) < SILENT:
        raise DataError("silent")
    samples = sound if own_rate == rate else librosa.resample(sound, orig_sr=own_rate, target_sr=rate)
    return Recording(samples, float(np.abs(channels).max()), subtype)


def scale_notes(peaks: Sequence[tuple[float, str]]) -> list[str]:
    """Notes on recordings whose full scale is in doubt, by their peaks and subtypes; they are used as stored.

    Loudness determines the first coefficient, so that such recordings fall into codes of their own.
    """
    beyond = [peak for peak, subtype in peaks if subtype in _FLOATS and peak > 1]
    few = [peak for peak, subtype in peaks if subtype == "PCM_32" and peak <= _FEW]
    lines = []
    if beyond:
        text = f"{counted(len(beyond), 'sound')} of floats beyond full scale, 1, up to {max(beyond):g}"
        lines.append(f"{text}; taken as written: divide the samples if their full scale is another")
    if few:
        text = f"{counted(len(few), 'sound')} of 32 bits that use no more than 24 of them"
        lines.append(f"{text}; taken as written, 48 dB too quiet if these were 24 bits: write them as such")
    return lines
