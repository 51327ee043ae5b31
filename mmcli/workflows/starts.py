"""Classes that the starts of the search found, and how far they agree.

N items.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mmcli.runs.alignment import agreements

_CLASSES, _AGREEMENT = "start_classes.", "start_agreement"  # names of arrays of a checkpoint


class StartClasses:
    """Classes of each start, kept until the search ends; afterwards their agreement alone.

    Args:
        arrays: of a checkpoint, from which those of this class are removed. A checkpoint of an older version has none,
            and then the agreement stays unknown.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        names = [name for name in arrays if name.startswith(_CLASSES)]
        self._found = {int(name.removeprefix(_CLASSES)): arrays.pop(name) for name in names}
        agreement = arrays.pop(_AGREEMENT, None)
        # Adjusted Rand index of the classes of each start so far and those of the best; None where unknown.
        self.agreement: list[float] | None = None if agreement is None else agreement.tolist()

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Arrays for a checkpoint, by name."""
        found = {f"{_CLASSES}{start}": classes for start, classes in self._found.items()}
        return found if self.agreement is None else {**found, _AGREEMENT: np.array(self.agreement)}

    def add(self, start: int, classes: np.ndarray | None, scores: Sequence[float], *, is_last: bool) -> None:
        """Add a finished start.

        Args:
            start: from 1.
            classes: (N,) from 0 up; None where the start found none.
            scores: of the starts so far.
            is_last: whether the search ends.
        """
        if classes is not None:
            self._found[start] = classes.astype(np.min_scalar_type(int(classes.max())))
        self.agreement = None
        numbers = range(1, start + 1)
        if self._found.keys() == set(numbers):
            self.agreement = agreements([self._found[number] for number in numbers], scores.index(max(scores)))
        if is_last:
            self._found.clear()
