"""Words of the columns of counts, and paths of the texts that were counted, where a file has them."""

from collections.abc import Sequence
from typing import NamedTuple

from mmcli.config.model import DataSource
from mmcli.data.formats import array_names, read_array

VOCABULARY, TEXT_PATHS = "vocabulary", "text_paths"  # arrays of an .npz: words (V,) of its counts, and a path (N,) each


class Vocabulary(NamedTuple):
    """Names of columns and rows of counts (N, V)."""

    words: Sequence[str]  # (V,)
    paths: Sequence[str] | None  # (N,); None where unknown


def read_vocabulary(source: DataSource, shape: tuple[int, int]) -> Vocabulary | None:
    """Read the names of the columns and rows of a source of that shape; None where its file has none for them.

    Raises:
        DataError: the file cannot be read.
    """
    if source.array is not None:  # in memory
        return None
    names = array_names(source.file)
    found = {}
    for name, length in ((VOCABULARY, shape[1]), (TEXT_PATHS, shape[0])):
        array = read_array(source.file, name, texts=True) if name in names else None
        if array is not None and array.shape == (length,) and array.dtype.kind == "U":
            found[name] = [str(text) for text in array.tolist()]
    return Vocabulary(found[VOCABULARY], found.get(TEXT_PATHS)) if VOCABULARY in found else None
