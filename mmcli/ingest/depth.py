"""White level of pictures, the value that becomes 1: 255 for bytes; for deeper ones the level that fits all pictures.

A file declares how many bits a pixel takes, not how many are used: a camera's 12 bits are stored in 16, and bytes in
32. All deep pictures of a command share one white, so that they stay comparable; it is reported and stored.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmcli.errors import DataError

BYTE, DEEPEST = 255.0, 65535.0
WHITES = (1.0, BYTE, 4095.0, DEEPEST)  # black or white, 8, 12 and 16 bits
# Formats in which white is 65535 in any file of more than 8 bits; pillow scales PNM to it.
_DECLARED = frozenset({"PNG", "PPM"})
_DARK = 1 / 16  # of white: a picture below it everywhere was probably written for another white


class Picture(NamedTuple):
    """Pixels of one file.

    Attributes:
        pixels: (H, W, 3) or (H, W, 1) float32: from 0 to 1, or from 0 to a white still unknown.
        most: the largest value before resizing.
        has_white: whether pixels are from 0 to 1 already.
        is_whole: whether all values were whole numbers.
    """

    pixels: NDArray[np.float32]
    most: float
    has_white: bool
    is_whole: bool


def gray_values(image: Image.Image, white: float | None) -> tuple[NDArray[np.float32], float | None, bool]:
    """Values (H, W) of a gray image of more than 8 bits a pixel.

    Args:
        image: of a mode that begins with I or F.
        white: the value that becomes 1, where given.

    Returns:
        The values, their white where known, and whether all are whole numbers.

    Raises:
        DataError: a value is negative, no number, or above white.
    """
    values = np.asarray(image)
    is_whole = values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
    if white is None and image.format in _DECLARED:
        white = DEEPEST
    # Fractions above 1 are in no usual range.
    most = white or (DEEPEST if is_whole else 1.0)
    if not ((values >= 0) & (values <= most)).all():
        remedy = "" if white is not None and values.max() <= white else "; set white by --white"
        raise DataError(f"pixels from {values.min():g} to {values.max():g}, where 0 to {most:g} are read{remedy}")
    return values.astype(np.float32), white, is_whole


def shared_white(pictures: Iterable[Picture]) -> float | None:
    """Common white of all pictures without one; None where there is no such picture.

    Raises:
        DataError: some are fractions from 0 to 1, and others are not.
    """
    open_ones = [picture for picture in pictures if not picture.has_white]
    if not open_ones:
        return None
    most = max(picture.most for picture in open_ones)
    if not all(picture.is_whole for picture in open_ones) and most > 1:
        raise DataError(
            f"some pictures hold fractions from 0 to 1 and others whole numbers up to {most:g}; make a file of each"
        )
    return next(white for white in WHITES if most <= white)


def scaled(picture: Picture, white: float | None) -> NDArray[np.float32]:
    """Pixels from 0 to 1."""
    if picture.has_white or white is None:
        return picture.pixels
    return (picture.pixels / np.float32(white)).clip(0, 1)


def notes(pictures: Sequence[Picture], white: float | None) -> list[str]:
    """Notes on the white that was found, and on pictures that are dark under the given one."""
    found = [picture for picture in pictures if not picture.has_white]
    lines = []
    if white is not None:
        most = max(picture.most for picture in found)
        range_of = f"{len(found)} of {len(pictures)} images are deeper than 8 bits and hold 0 to {most:g}"
        lines.append(f"{range_of}: {white:g} is white; for the same of other images, --white {white:g}")
    brightest = max(float(picture.most) / (1 if picture.has_white else white or 1) for picture in pictures)
    if 0 < brightest <= _DARK:
        lines.append(f"the brightest pixel of all is {brightest:.2g} of white; if that is wrong, name white by --white")
    return lines
