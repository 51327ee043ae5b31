"""Image files, or an IDX file of images -> a row of pixels from 0 to 1 for each."""

import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mmcli.data.formats import idx, read_array
from mmcli.data.labels import make_labels
from mmcli.data.npz import check_output, write_arrays
from mmcli.errors import DataError, UsageError
from mmcli.ingest import depth
from mmcli.ingest.depth import Picture
from mmcli.ingest.discover import Item, Labels, list_items, number_labels
from mmcli.ingest.places import place, refuse_other_than_file
from mmcli.ingest.reading import gather, left_out
from mmcli.util.text import counted, shown

# Formats that pillow reads by itself: its reader of EPS, for example, runs another program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
MAX_PIXELS = 50_000_000  # of an image; a small file that declares more is a bomb
MAX_BYTES = 8 << 30  # of all rows

# Raised by pillow for damaged files, beside OSError.
_DAMAGES = (
    *(OSError, EOFError, IndexError, KeyError, MemoryError, OverflowError, RuntimeError, SyntaxError, TypeError),
    *(ValueError, ZeroDivisionError, Image.DecompressionBombError, Image.DecompressionBombWarning, struct.error),
    zlib.error,
)


def make_images(
    named: Sequence[str],
    output: Path,
    *,
    size: tuple[int, int] | None,
    color: bool,
    white: float | None,
    labels: Path | None,
    label_by: str,
    strict: bool,
) -> list[str]:
    """Write images as rows of pixels.

    OUT.npz gets `images` (N, H W) float32, or (N, H W 3) in color, pixels row by row, from 0 to 1; `image_shape`, (H,
    W) or (H, W, 3); `image_paths` (N,) where they come from files of their own; `image_white`, the value of the files
    that became 1, where that was asked for or found; `labels` (N,) and `label_names` where there are labels.

    Args:
        named: files, folders, globs and lists, see `list_items`; or one IDX file.
        output: OUT.npz.
        size: width and height that images are stretched or shrunk to; None where all have one size.
        color: keep colors, instead of making them gray.
        white: the value of the files that becomes 1; None is 255 of bytes, and of deeper images what `depth` finds.
        labels: the labels of an IDX file.
        label_by: see `list_items`.
        strict: leave out no image.

    Returns:
        Lines on what was left out and what was written.

    Raises:
        UsageError: options contradict each other, or OUT.npz cannot be written.
        DataError: files cannot be used.
    """
    check_output(output)
    notes: list[str] = []
    arrays: dict[str, Any] = {}
    numbers: Labels | None = None
    if any(_is_idx(place(text)) for text in named):
        if len(named) > 1:
            raise UsageError(f"{len(named)} files, of which some are IDX; name one IDX file, or images of other kinds")
        pictures = _images_of_idx(place(named[0]), size, color=color, white=white)
        images = np.stack([picture.pixels for picture in pictures])
        notes = [] if white else depth.notes(pictures, None)
        if labels is not None:
            numbers = Labels(_labels_of_idx(labels, len(images)), None)
    else:
        if labels is not None:
            raise UsageError("--labels is for an IDX file; images of other kinds are labelled by folder, name or list")
        listing = list_items(named, SUFFIXES, label_by)

        def read(item: Item) -> Picture:
            """Read one image; refuse the set as soon as it would not fit in memory."""
            picture = read_image(item.path, size, color=color, white=white)
            _refuse_too_many(picture.pixels, len(listing.items))
            return picture

        gathered = gather(listing, read, "images", strict=strict)
        found = depth.shared_white(gathered.values)
        pixels = [depth.scaled(picture, found) for picture in gathered.values]
        images = _stacked(pixels, [item.path for item in gathered.items])
        arrays["image_paths"] = np.array([str(item.path) for item in gathered.items])
        numbers = number_labels(gathered.items)
        notes = [*left_out(gathered, "images"), *([] if white else depth.notes(gathered.values, found))]
        white = white or found
    shape = images.shape[1:] if color else images.shape[1:3]
    arrays = {"images": images.reshape(len(images), math.prod(shape)), "image_shape": np.array(shape)} | arrays
    if white is not None:
        arrays["image_white"] = np.array(white)
    if numbers is not None:
        arrays |= numbers.arrays()
    write_arrays(output, arrays)
    kind = f"{shape[1]}x{shape[0]} in {'color' if color else 'gray'}"
    end = f"{math.prod(shape)} columns, {numbers.summary() if numbers else 'no labels'}"
    return [*notes, f"{shown(str(output))}: {counted(len(images), 'image')} of {kind}, {end}"]


def read_image(path: Path, size: tuple[int, int] | None, *, color: bool, white: float | None = None) -> Picture:
    """Read an image as displayed: turned as its EXIF asks, first frame only, on white where transparent.

    Args:
        path: of the image.
        size: width and height of the result, by Lanczos' filter, whatever the proportions; None keeps its own.
        color: keep colors; otherwise their luminance (ITU-R 601-2).
        white: the value that becomes 1; None as in `make_images`.

    Raises:
        DataError: it is damaged or too large, without the name of the file.
    """
    refuse_other_than_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata cause warnings; missing pixels are errors
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{image.width} x {image.height} pixels; make it smaller first")
                turned = ImageOps.exif_transpose(image)
                turned.format = image.format  # lost by turning
                return _picture(turned, size, color=color, white=white)
    except _DAMAGES as error:
        reason = str(error) or type(error).__name__
        raise DataError(
            f"cannot be read as an image: {shown(reason.replace(repr(str(path)), 'the file'), 120)}"
        ) from None


def _picture(image: Image.Image, size: tuple[int, int] | None, *, color: bool, white: float | None) -> Picture:
    """Pixels of an image of any mode.

    Raises:
        DataError: a value is above white.
    """
    if image.mode[0] in "IF":  # gray, in 16 or 32 bits
        values, white, is_whole = depth.gray_values(image, white)
        pixels = np.repeat(values[:, :, None] / (white or 1), 3 if color else 1, axis=2)
        most = float(pixels.max())
        return Picture(_resized(pixels, size, 1.0 if white else most), most, white is not None, is_whole)
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), opaque)
    levels = np.asarray(image.convert("RGB" if color else "L"), dtype=np.float32)
    if white is not None and levels.max() > white:
        raise DataError(f"pixels up to {levels.max():g}, where --white {white:g} is the most")
    pixels = (levels / np.float32(white or depth.BYTE)).reshape(image.height, image.width, -1)
    return Picture(_resized(pixels, size, 1.0), float(pixels.max()), True, True)


def _resized(pixels: np.ndarray, size: tuple[int, int] | None, most: float) -> np.ndarray:
    """Resize pixels (H, W, channels); overshoot of the filter is clipped to 0 and `most`."""
    if size is None or size == pixels.shape[1::-1]:
        return pixels
    channels = [Image.fromarray(pixels[:, :, channel]) for channel in range(pixels.shape[2])]
    filtered = [np.asarray(channel.resize(size, Image.Resampling.LANCZOS)) for channel in channels]
    return np.stack(filtered, axis=2).clip(0, most)


def _stacked(images: Sequence[np.ndarray], paths: Sequence[Path]) -> np.ndarray:
    """Stack images of one size to (N, H, W, channels).

    Raises:
        DataError: sizes differ.
    """
    for image, path in zip(images, paths, strict=True):
        if image.shape != images[0].shape:
            own, first = (f"{one.shape[1]}x{one.shape[0]}" for one in (image, images[0]))
            text = f"{shown(str(path))}: {own}, but {shown(str(paths[0]))} is {first}"
            raise DataError(f"{text}; make all alike, for example by --size {first}")
    return np.stack(images)


def _refuse_too_many(pixels: np.ndarray, num_images: int) -> None:
    """Refuse images that would not fit in memory together.

    Raises:
        UsageError: they would not.
    """
    if pixels.nbytes * num_images > MAX_BYTES:
        shape = f"{pixels.shape[1]}x{pixels.shape[0]}"
        text = f"{num_images} images of {shape} need {pixels.nbytes * num_images / 1e6:.0f} MB"
        raise UsageError(f"{text}; make them smaller by --size")


def _is_idx(file: Path) -> bool:
    """Whether a file is IDX, plain or gzip; no image file begins like either."""
    try:
        refuse_other_than_file(file)
        with file.open("rb") as stream:
            start = stream.read(idx.MAGIC_SIZE)
    except (DataError, OSError):  # reading it reports why
        return False
    return idx.is_idx(start) or start.startswith(b"\x1f\x8b")


def _images_of_idx(file: Path, size: tuple[int, int] | None, *, color: bool, white: float | None) -> list[Picture]:
    """Images of an IDX file.

    Raises:
        DataError: it holds none, or cannot be read.
    """
    try:
        array = idx.read_idx(file)
        if array.dtype != np.uint8 or array.ndim not in {3, 4} or (array.ndim == 4 and array.shape[3] != 3):
            text = " x ".join(map(str, array.shape))
            raise DataError(f"{text} of {array.dtype}; images are bytes, items x rows x columns, and x 3 in color")
        if not array.size:
            raise DataError("holds no images")
        return [_picture(Image.fromarray(image), size, color=color, white=white) for image in array]
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None


def _labels_of_idx(file: Path, num_items: int) -> np.ndarray:
    """Labels of an IDX file, (N,) int64, or uint64 where larger.

    Raises:
        DataError: they are not `num_items` whole numbers, or cannot be read.
    """
    try:
        array = read_array(file, None)
        if array.ndim != 1 or array.dtype.kind not in "iu" or len(array) != num_items:
            text = " x ".join(map(str, array.shape))
            raise DataError(f"{text} of {array.dtype}; the labels of {num_items} images are as many whole numbers")
        return make_labels(array).numbers
    except DataError as error:
        raise DataError(error.of(shown(str(file)))) from None
