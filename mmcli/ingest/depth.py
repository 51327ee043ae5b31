"""Which value of a picture's file becomes 1: for bytes 255, for deeper ones what fits the values of all pictures.

A file says how many bits a pixel takes, not how many of them are used: a camera's 12 bits come in 16, and bytes in 32.
One white is taken for all deep pictures of a command, so that they stay comparable, and it is said and kept.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmcli.errors import DataError

BYTE, DEEPEST = 255.0, 65535.0
WHITES = (1.0, BYTE, 4095.0, DEEPEST)  # black or white, 8, 12 and 16 bits
# Whose format says that white is 65535, in any file of more than 8 bits; pillow scales PNM to it.
_DECLARED = frozenset({"PNG", "PPM"})
_DARK = 1 / 16  # of white: what is below it everywhere was probably written for another white


class Picture(NamedTuple):
    """Pixels of one file.

    Attributes:
        pixels: (H, W, 3) or (H, W, 1) float32: from 0 to 1, or from 0 to the white that is to be found.
        most: the largest of them before they were resized.
        has_white: whether they are from 0 to 1 already.
        is_whole: whether all of them were whole numbers.
    """

    pixels: NDArray[np.float32]
    most: float
    has_white: bool
    is_whole: bool


def gray_values(image: Image.Image, white: float | None) -> tuple[NDArray[np.float32], float | None, bool]:
    """The values (H, W) of a gray image of more than 8 bits a pixel.

    Args:
        image: of a mode that begins with I or F.
        white: the value that becomes 1, where that was asked for.

    Returns:
        The values, their white where it is known, and whether all are whole numbers.

    Raises:
        DataError: a value is negative, no number, or above white.
    """
    values = np.asarray(image)
    is_whole = values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
    if white is None and image.format in _DECLARED:
        white = DEEPEST
    # Fractions above 1 are of no range that is usual.
    most = white or (DEEPEST if is_whole else 1.0)
    if not ((values >= 0) & (values <= most)).all():
        remedy = "" if white is not None and values.max() <= white else "; say what is white by --white"
        raise DataError(f"pixels from {values.min():g} to {values.max():g}, where 0 to {most:g} are read{remedy}")
    return values.astype(np.float32), white, is_whole


def shared_white(pictures: Iterable[Picture]) -> float | None:
    """The white of all pictures that have none yet; None where there is no such picture.

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
    """The pixels from 0 to 1."""
    if picture.has_white or white is None:
        return picture.pixels
    return (picture.pixels / np.float32(white)).clip(0, 1)


def notes(pictures: Sequence[Picture], white: float | None) -> list[str]:
    """Lines that say which white was found, and that what was taken is dark."""
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
