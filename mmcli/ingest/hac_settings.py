"""Settings and codebooks of HAC features: stored beside the counts, and read for further recordings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmcli.data.formats import array_names, read_array
from mmcli.errors import DataError, UsageError
from mmcli.ingest.arrays import read_text, read_text_array
from mmcli.ingest.hac import LAGS, NUM_CODES, Streams
from mmcli.ingest.mfcc import MfccSettings
from mmcli.ingest.places import refuse_other_than_file
from mmcli.util.text import listed, shown

# Frames over which the mean and variance of each MFCC are computed.
RECORDING, SPEAKER, NONE = "recording", "speaker", "none"
NORMALIZATIONS = (RECORDING, SPEAKER, NONE)


class HacSettings(NamedTuple):
    """Settings of the conversion of recordings to counts."""

    mfcc: MfccSettings = MfccSettings()
    codes: int = NUM_CODES
    lags: tuple[int, ...] = LAGS
    normalize: str = RECORDING  # one of NORMALIZATIONS
    trim: int = 0  # dB below the loudest frame, where silence begins; 0 trims nothing

    @property
    def num_columns(self) -> int:
        """Columns of the features."""
        return len(Streams._fields) * len(self.lags) * self.codes**2

    @property
    def min_frames(self) -> int:
        """Number of frames that an utterance needs for a pair at each lag."""
        return max(self.lags) + 1

    @property
    def min_samples(self) -> int:
        """Number of samples of that many frames."""
        return self.mfcc.frame_length + (self.min_frames - 1) * self.mfcc.hop_length

    def arrays(self, codebooks: Streams) -> dict[str, Any]:
        """Arrays that `read_codebooks` reads."""
        own = self._asdict()
        del own["codes"]  # the number of rows of a codebook
        values = codebooks._asdict() | own.pop("mfcc")._asdict() | own
        return {f"hac_{name}": np.array(value) for name, value in values.items()}


class Earlier(NamedTuple):
    """Contents of a file of codebooks."""

    codebooks: Streams
    settings: dict[str, Any]  # those that it stores
    label_names: list[str]


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
        settings = _numbers_in(file, names)
        settings["normalize"] = _normalization_in(file, names)
        settings["codes"], settings["coefficients"] = books.mfcc.shape
        label_names = read_text_array(file, "label_names") if "label_names" in names else []
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None
    return Earlier(books, settings, label_names)


def settle(asked: Mapping[str, Any], file: Path | None, earlier: Earlier | None) -> HacSettings:
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
    own = {name: values.pop(name) for name in HacSettings._fields if name in values}
    return HacSettings(MfccSettings(**values), **own)


def _numbers_in(file: Path, names: Sequence[str]) -> dict[str, Any]:
    """Settings of numbers stored in a file with its codebooks.

    Raises:
        DataError: one is not a setting that mmcli wrote.
    """
    settings: dict[str, Any] = {}
    for setting in (*MfccSettings._fields, "lags", "trim"):
        if f"hac_{setting}" in names:
            value = read_array(file, f"hac_{setting}")
            least = 0 if setting == "trim" else 1
            if (
                value.dtype.kind not in "iu"
                or not value.size
                or value.min() < least
                or value.ndim != (setting == "lags")
            ):
                raise _foreign(setting)
            settings[setting] = tuple(value.tolist()) if value.ndim else value.item()
    return settings


def _normalization_in(file: Path, names: Sequence[str]) -> str:
    """Normalisation stored in a file with its codebooks; a file without it is of unnormalised MFCCs.

    Raises:
        DataError: it is not one that mmcli wrote.
    """
    if "hac_normalize" not in names:
        return NONE
    value = read_text(file, "hac_normalize")
    if value not in NORMALIZATIONS:
        raise _foreign("normalize")
    return value


def _foreign(setting: str) -> DataError:
    """Error for a stored setting that mmcli did not write."""
    return DataError(f"hac_{setting} is no setting that mmcli wrote; make the file again")


def _plain(value: Any) -> str:
    """Setting in the form of its option."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
