"""Recordings -> HAC features, with the codebooks that give other recordings the same columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmcli.data.npz import check_output, write_arrays
from mmcli.errors import DataError, UsageError
from mmcli.ingest.cmvn import normalize
from mmcli.ingest.discover import Item, list_items, number_labels
from mmcli.ingest.hac import fit_codebooks, hac_features
from mmcli.ingest.hac_settings import SPEAKER, HacSettings, read_codebooks, settle
from mmcli.ingest.mfcc import check_settings, compute_mfcc, require_librosa
from mmcli.ingest.reading import Gathered, gather, left_out
from mmcli.ingest.recordings import SILENT, read_sound, scale_notes
from mmcli.ingest.trimming import trim
from mmcli.util.text import counted, listed, shown

SUFFIXES = (".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64", ".wav")
MAX_BYTES = 4 << 30  # of all counts, in memory


class Utterance(NamedTuple):
    """MFCCs of a recording, and what it was like.

    Attributes:
        mfcc: (T, D) of T frames.
        seconds: its length, without what was trimmed.
        decibels: its loudness, the standard deviation of those samples against full scale.
        trimmed: seconds of silence at the ends.
        peak: see `Recording`.
        subtype: see `Recording`.
    """

    mfcc: np.ndarray
    seconds: float
    decibels: float
    trimmed: float
    peak: float
    subtype: str


def make_hac(
    named: Sequence[str],
    output: Path,
    asked: Mapping[str, Any],
    *,
    codebooks: Path | None,
    label_by: str,
    speaker_by: str,
    seed: int,
    strict: bool,
) -> list[str]:
    """Write the HAC features of recordings.

    OUT.npz gets `speech` (N, V) counts in the smallest type that holds them, `speech_paths`, `speech_seconds` and
    `speech_decibels` (N,), `labels` (N,) and `label_names` where there are labels, `speakers` (N,) where they are
    known, and, so that the file serves as `codebooks` for others, `hac_mfcc`, `hac_delta` and `hac_delta_delta` (C, D),
    and each setting.

    Args:
        named: files, folders, globs and lists, see `list_items`.
        output: OUT.npz.
        asked: the settings that differ from their defaults, by name: those of MfccSettings and HacSettings.
        codebooks: a file made by this function, or one that holds mfcc, delta and delta_delta; None fits new ones.
        label_by: see `list_items`.
        speaker_by: see `list_items`.
        seed: of the codebooks.
        strict: leave out no recording.

    Returns:
        Lines on what was left out and what was written.

    Raises:
        UsageError: librosa is missing, settings contradict each other, speakers are needed and unknown, or OUT.npz
            cannot be written.
        DataError: files or codebooks cannot be used.
    """
    check_output(output)
    require_librosa()
    earlier = None if codebooks is None else read_codebooks(codebooks)
    settings = settle(asked, codebooks, earlier)
    check_settings(settings.mfcc)
    listing = list_items(named, SUFFIXES, label_by, speaker_by)
    _require_speakers(settings, listing.items)
    _refuse_too_wide(settings, len(listing.items))
    gathered = gather(listing, lambda item: _read_utterance(item, settings), "sounds", strict=strict)
    mfccs = _normalized(gathered, settings)
    books = fit_codebooks(mfccs, num_codes=settings.codes, seed=seed) if earlier is None else earlier.codebooks
    counts = hac_features(mfccs, books, settings.lags)
    arrays: dict[str, Any] = {
        "speech": counts.astype(np.min_scalar_type(counts.max())),
        "speech_paths": np.array([str(item.path) for item in gathered.items]),
        "speech_seconds": np.array([utterance.seconds for utterance in gathered.values], np.float32),
        "speech_decibels": np.array([utterance.decibels for utterance in gathered.values], np.float32),
    }
    speakers = [item.speaker for item in gathered.items if item.speaker is not None]
    if speakers:
        arrays["speakers"] = np.array(speakers)
    labels = number_labels(gathered.items, earlier.label_names if earlier else ())
    if labels is not None:
        arrays |= labels.arrays()
    write_arrays(output, arrays | settings.arrays(books))
    width = f"{settings.num_columns} columns ({settings.codes} codes, lags {listed(map(str, settings.lags))})"
    who = [labels.summary() if labels else "no labels", *([counted(len(set(speakers)), "speaker")] if speakers else [])]
    made = f"{shown(str(output))}: {counted(len(counts), 'sound')}, {width}, {', '.join(who)}"
    scales = scale_notes([(utterance.peak, utterance.subtype) for utterance in gathered.values])
    return [*left_out(gathered, "sounds"), *scales, *_trimmed(gathered.values, settings), made]


def _require_speakers(settings: HacSettings, items: Sequence[Item]) -> None:
    """Require that speakers are known where recordings are normalised by them.

    Raises:
        UsageError: they are not.
    """
    if settings.normalize == SPEAKER and items[0].speaker is None:  # all have one, or none
        raise UsageError(
            "MFCCs are to be normalised over each speaker, and the speakers are unknown; name them by --speaker-by, or "
            "in a list of path,label,speaker"
        )


def _normalized(gathered: Gathered[Utterance], settings: HacSettings) -> list[np.ndarray]:
    """MFCCs of all recordings, normalised as the settings have it."""
    mfccs = [utterance.mfcc for utterance in gathered.values]
    match settings.normalize:
        case "recording":
            return normalize(mfccs, range(len(mfccs)))
        case "speaker":
            return normalize(mfccs, [item.speaker for item in gathered.items])
    return mfccs


def _trimmed(utterances: Sequence[Utterance], settings: HacSettings) -> list[str]:
    """Line on the silence that was cut off, where that was asked for."""
    if not settings.trim:
        return []
    cut = [utterance.trimmed for utterance in utterances if utterance.trimmed]
    return [f"{sum(cut):.1f} s of silence trimmed from {len(cut)} of {counted(len(utterances), 'sound')}"]


def _refuse_too_wide(settings: HacSettings, num_items: int) -> None:
    """Refuse features that would not fit in memory.

    Raises:
        UsageError: they would not.
    """
    num_bytes = num_items * settings.num_columns * np.dtype(np.int64).itemsize
    if num_bytes > MAX_BYTES:
        raise UsageError(
            f"--codes {settings.codes}: {num_items} sounds of {settings.num_columns} columns need "
            f"{num_bytes / 1e9:.0f} GB; take fewer codes or lags"
        )


def _read_utterance(item: Item, settings: HacSettings) -> Utterance:
    """Read a recording and compute its MFCCs.

    Raises:
        DataError: it cannot be read, or is too short.
    """
    recording, mfcc = read_sound(item.path, settings.mfcc.rate), settings.mfcc
    _refuse_too_short(recording.samples, settings)
    samples = recording.samples
    if settings.trim:
        samples = trim(samples, settings.trim, mfcc.frame_length, mfcc.hop_length)
        _refuse_too_short(samples, settings)
    return Utterance(
        compute_mfcc(samples, mfcc),
        seconds=len(samples) / mfcc.rate,
        decibels=20 * np.log10(max(samples.std(), SILENT)),  # resampling can remove all that is there
        trimmed=(len(recording.samples) - len(samples)) / mfcc.rate,
        peak=recording.peak,
        subtype=recording.subtype,
    )


def _refuse_too_short(samples: np.ndarray, settings: HacSettings) -> None:
    """Refuse a recording without a pair of frames at each lag.

    Raises:
        DataError: it is too short.
    """
    if len(samples) < settings.min_samples:
        milliseconds = [1000 * number / settings.mfcc.rate for number in (len(samples), settings.min_samples)]
        raise DataError(
            f"too short: {milliseconds[0]:.0f} ms, where {settings.min_frames} frames take {milliseconds[1]:.0f} ms"
        )
