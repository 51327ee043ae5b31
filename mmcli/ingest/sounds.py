"""Recordings -> HAC features, with the codebooks that give other recordings the same columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmcli.data.formats import array_names, read_array
from mmcli.data.npz import check_output, write_arrays
from mmcli.errors import DataError, UsageError
from mmcli.ingest.arrays import read_text_array
from mmcli.ingest.discover import Item, list_items, number_labels
from mmcli.ingest.features.hac import LAGS, NUM_CODES, Streams, fit_codebooks, hac_features
from mmcli.ingest.features.mfcc import MfccSettings, check_settings, compute_mfcc, require_librosa
from mmcli.ingest.places import refuse_other_than_file
from mmcli.ingest.reading import gather, left_out
from mmcli.ingest.recordings import read_sound, scale_notes
from mmcli.util.text import counted, listed, shown

SUFFIXES = (".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64", ".wav")
MAX_BYTES = 4 << 30  # of all counts, in memory


class HacSettings(NamedTuple):
    """Settings of the conversion of recordings to counts."""

    mfcc: MfccSettings = MfccSettings()
    codes: int = NUM_CODES
    lags: tuple[int, ...] = LAGS

    @property
    def num_columns(self) -> int:
        """Columns of the features."""
        return len(Streams._fields) * len(self.lags) * self.codes**2

    @property
    def min_frames(self) -> int:
        """Number of frames that an utterance needs for a pair at each lag."""
        return max(self.lags) + 1


class Utterance(NamedTuple):
    """MFCCs (T, D) of a recording, with the peak and subtype of its samples, see `Recording`."""

    mfcc: np.ndarray
    peak: float
    subtype: str


class Earlier(NamedTuple):
    """Contents of a file of codebooks."""

    codebooks: Streams
    settings: dict[str, Any]  # those that it stores
    label_names: list[str]


def make_hac(
    named: Sequence[str],
    output: Path,
    asked: Mapping[str, Any],
    *,
    codebooks: Path | None,
    label_by: str,
    seed: int,
    strict: bool,
) -> list[str]:
    """Write the HAC features of recordings.

    OUT.npz gets `speech` (N, V) counts in the smallest type that holds them, `speech_paths` (N,), `labels` (N,) and
    `label_names` where there are labels, and, so that the file serves as `codebooks` for others, `hac_mfcc`,
    `hac_delta` and `hac_delta_delta` (C, D), and a number for each setting.

    Args:
        named: files, folders, globs and lists, see `list_items`.
        output: OUT.npz.
        asked: the settings that differ from their defaults, by name: those of MfccSettings, codes, lags.
        codebooks: a file made by this function, or one that holds mfcc, delta and delta_delta; None fits new ones.
        label_by: see `list_items`.
        seed: of the codebooks.
        strict: leave out no recording.

    Returns:
        Lines on what was left out and what was written.

    Raises:
        UsageError: librosa is missing, settings contradict each other, or OUT.npz cannot be written.
        DataError: files or codebooks cannot be used.
    """
    check_output(output)
    require_librosa()
    earlier = None if codebooks is None else read_codebooks(codebooks)
    settings = _settle(asked, codebooks, earlier)
    check_settings(settings.mfcc)
    listing = list_items(named, SUFFIXES, label_by)
    _refuse_too_wide(settings, len(listing.items))
    gathered = gather(listing, lambda item: _read_utterance(item, settings), "sounds", strict=strict)
    mfccs = [utterance.mfcc for utterance in gathered.values]
    books = fit_codebooks(mfccs, num_codes=settings.codes, seed=seed) if earlier is None else earlier.codebooks
    counts = hac_features(mfccs, books, settings.lags)
    arrays: dict[str, Any] = {
        "speech": counts.astype(np.min_scalar_type(counts.max())),
        "speech_paths": np.array([str(item.path) for item in gathered.items]),
    }
    labels = number_labels(gathered.items, earlier.label_names if earlier else ())
    if labels is not None:
        arrays |= labels.arrays()
    write_arrays(output, arrays | _record(settings, books))
    width = f"{settings.num_columns} columns ({settings.codes} codes, lags {listed(map(str, settings.lags))})"
    made = (
        f"{shown(str(output))}: {counted(len(counts), 'sound')}, {width}, {labels.summary() if labels else 'no labels'}"
    )
    scales = scale_notes([(utterance.peak, utterance.subtype) for utterance in gathered.values])
    return [*left_out(gathered, "sounds"), *scales, made]


def read_codebooks(file: Path) -> Earlier:
    """Read the codebooks of a file, and the settings and names of labels stored with them.

    Raises:
        DataError: it holds no codebooks, or impossible ones.
    """
    try:
        refuse_other_than_file(file)
        names = array_names(file)
        prefix = "hac_" if f"hac_{Streams._fields[0]}" in names else ""
        if not {prefix + stream for stream in Streams._fields} <= set(names):
            raise DataError("holds no codebooks: neither hac_mfcc, hac_delta and hac_delta_delta, nor mfcc and so on")
        books = Streams(*(read_array(file, prefix + stream).astype(np.float64) for stream in Streams._fields))
        if books.mfcc.ndim != 2 or len({book.shape for book in books}) > 1 or not books.mfcc.size:
            raise DataError(
                f"codebooks of shapes {listed(str(book.shape) for book in books)}; all have (codes, coefficients)"
            )
        if not all(np.isfinite(book).all() for book in books):
            raise DataError("codebooks that hold NaN or infinity")
        settings = _settings_in(file, names)
        settings["codes"], settings["coefficients"] = books.mfcc.shape
        label_names = read_text_array(file, "label_names") if "label_names" in names else []
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None
    return Earlier(books, settings, label_names)


def _settings_in(file: Path, names: Sequence[str]) -> dict[str, Any]:
    """Settings stored in a file with its codebooks.

    Raises:
        DataError: one is not a setting that mmcli wrote.
    """
    settings: dict[str, Any] = {}
    for setting in (*MfccSettings._fields, "lags"):
        if f"hac_{setting}" in names:
            value = read_array(file, f"hac_{setting}")
            if value.dtype.kind not in "iu" or not value.size or value.min() < 1 or value.ndim != (setting == "lags"):
                raise DataError(f"hac_{setting} is no setting that mmcli wrote; make the file again")
            settings[setting] = tuple(value.tolist()) if value.ndim else value.item()
    return settings


def _settle(asked: Mapping[str, Any], file: Path | None, earlier: Earlier | None) -> HacSettings:
    """Settings in force: those of the earlier file, those asked for, and defaults for the rest.

    Raises:
        UsageError: one asked for contradicts the earlier file.
    """
    kept = earlier.settings if earlier else {}
    for name, value in asked.items():
        if name in kept and kept[name] != value:
            option = f"--{name.replace('_', '-')} {_plain(value)}"
            raise UsageError(
                f"{option}: the codebooks of {shown(str(file))} are for {_plain(kept[name])}; leave it out"
            )
    values = {**asked, **kept}
    own = {name: values.pop(name) for name in ("codes", "lags") if name in values}
    return HacSettings(MfccSettings(**values), **own)


def _plain(value: Any) -> str:
    """Setting in the form of its option."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


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
    recording = read_sound(item.path, settings.mfcc.rate)
    num_samples = len(recording.samples)
    least = settings.mfcc.frame_length + (settings.min_frames - 1) * settings.mfcc.hop_length  # samples
    if num_samples < least:
        raise DataError(
            f"too short: {1000 * num_samples / settings.mfcc.rate:.0f} ms, where {settings.min_frames} frames take "
            f"{1000 * least / settings.mfcc.rate:.0f} ms"
        )
    return Utterance(compute_mfcc(recording.samples, settings.mfcc), recording.peak, recording.subtype)


def _record(settings: HacSettings, books: Streams) -> dict[str, Any]:
    """Arrays that `read_codebooks` reads."""
    numbers = {**settings.mfcc._asdict(), "lags": settings.lags}
    return {f"hac_{name}": np.array(value) for name, value in (books._asdict() | numbers).items()}
