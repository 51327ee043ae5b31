"""Figures of a data file: some images of each class, or its mean row, and what its recordings are like."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mmcli.data.labels import LABEL_NAMES, LABELS
from mmcli.ingest.arrays import PAIR_ROWS, is_whole
from mmcli.ingest.sound_panels import make_sound_panels
from mmcli.plotting.panels import Panel, Pictures, Spectra, Strip
from mmcli.util.text import shown

MAX_LABELS = 200  # more distinct whole numbers are not taken for labels
MAX_CLASSES, MAX_IMAGES = 20, 16  # in a picture: classes, and images of each
MIN_SIDE = 4  # pixels; smaller squares are not taken for images


def make_panels(arrays: Mapping[str, Any]) -> list[Panel]:
    """Make a panel of each array of items by columns, and of the lengths and loudness of recordings."""
    members_of = _members(arrays)
    panels: list[Panel] = []
    for name, array in arrays.items():
        if is_whole(name) or array.ndim != 2 or array.dtype.kind == "U" or not all(array.shape) or name == PAIR_ROWS:
            continue
        values = array if issparse(array) else np.nan_to_num(array, posinf=0, neginf=0)  # missing rows look black
        members = members_of.get(array.shape[0], {"": np.arange(array.shape[0])})
        shape = _image_shape(arrays, array)
        title = f"{name or 'the array'}: {array.shape[0]} items of {array.shape[1]} columns"
        about = (name, title, f"{title}, by class.", "")
        if shape is not None:
            most = MAX_IMAGES if len(members) > 1 else MAX_IMAGES**2
            images = {group: values[rows[:most]].reshape(-1, *shape) for group, rows in members.items()}
            panels.append(Pictures(*about, strips=tuple(_strips(images)), places=MAX_IMAGES))
        else:
            means = np.stack([values[rows].mean(axis=0) for rows in members.values()])
            has_root = means.min() >= 0  # the square root shows rare columns beside frequent ones
            panels.append(
                Spectra(
                    *about,
                    values=np.sqrt(means) if has_root else means,
                    rows=tuple(members),
                    unit="square root of the mean" if has_root else "mean",
                    blocks=tuple(_blocks(arrays, array.shape[1])),
                )
            )
    return [*panels, *make_sound_panels(arrays, members_of)]


def _strips(images: Mapping[str, NDArray[Any]]) -> Iterator[Strip]:
    """Strips of images, a group each, with its name; a large group continues in further strips."""
    for group, pictures in images.items():
        for start in range(0, len(pictures), MAX_IMAGES):
            row = np.clip(pictures[start : start + MAX_IMAGES], 0, 1)
            yield Strip("", row, name="" if start else group)


def _image_shape(arrays: Mapping[str, Any], array: NDArray[Any]) -> tuple[int, ...] | None:
    """Shape of the images in the rows of an array, as stored in the file or, for values from 0 to 1, if square."""
    width = array.shape[1]
    for name, shape in arrays.items():
        if name.endswith("image_shape") and shape.ndim == 1 and shape.dtype.kind in "iu":
            sizes = tuple(shape.tolist())
            if math.prod(sizes) == width and min(sizes) > 0 and (len(sizes) == 2 or sizes[2:] == (3,)):
                return sizes
    if issparse(array):  # of many columns, most of them 0: no image
        return None
    side = math.isqrt(width)
    is_square = side**2 == width and side >= MIN_SIDE and np.nanmin(array) >= 0 and np.nanmax(array) <= 1
    return (side, side) if is_square else None


def _blocks(arrays: Mapping[str, Any], width: int) -> list[str]:
    """Names of the groups of columns of HAC features: a stream and a lag each."""
    lags, codes = arrays.get("hac_lags"), arrays.get("hac_mfcc")
    if lags is None or codes is None or lags.ndim != 1 or width != 3 * lags.size * len(codes) ** 2:
        return []
    return [f"{stream}, lag {lag}" for stream in ("mfcc", "delta", "delta-delta") for lag in lags.tolist()]


def is_whole_numbers(values: NDArray[Any]) -> bool:
    """Whether all values of an array are whole numbers."""
    return values.dtype.kind in "biu" or bool((values == np.floor(values)).all())


def is_labels(name: str, array: Any) -> bool:
    """Whether an array holds labels: whole numbers, one an item, few enough to be classes; or text named so.

    NaN and empty text stand for no label.
    """
    if array.ndim != 1 or not array.size:
        return False
    if array.dtype.kind == "U":
        return name == LABELS
    there = array[~np.isnan(array)] if array.dtype.kind == "f" else array
    if not there.size or not np.isfinite(there).all():
        return False
    return is_whole_numbers(there) and len(np.unique(there)) <= MAX_LABELS


def count_labels(array: NDArray[Any], names: Any) -> dict[str, int]:
    """Number of items of each label, by its name where it has one; those without a label last."""
    groups, without = _groups(array, names)
    counts = {text: len(rows) for text, rows in groups.items()}
    return counts | ({"no label": without} if without else {})


def _members(arrays: Mapping[str, Any]) -> dict[int, dict[str, NDArray[np.int64]]]:
    """Rows of each of the first labels, by the number of all rows; empty without labels."""
    labels = arrays.get(LABELS)
    if labels is None or not is_labels(LABELS, labels):
        return {}
    groups, _ = _groups(labels, arrays.get(LABEL_NAMES))
    return {len(labels): dict(list(groups.items())[:MAX_CLASSES])} if groups else {}


def _groups(array: NDArray[Any], names: Any) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Rows of each label by its name, in the order of labels, and the number of rows without one."""
    given = array != "" if array.dtype.kind == "U" else ~np.isnan(array)
    groups = {}
    for value in np.unique(array[given]).tolist():
        text = shown(value) if isinstance(value, str) else _label_name(int(value), names)
        groups[text] = np.flatnonzero(array == value)
    return groups, int(np.count_nonzero(~given))


def _label_name(label: int, names: Any) -> str:
    """Name of a label where it has one, in a form that can be drawn: a folder's name may not be printable."""
    has_name = names is not None and names.ndim == 1 and 0 <= label < len(names)
    return shown(str(names[label])) if has_name else str(label)
