"""The look of every figure: matplotlib's own defaults, whatever a matplotlibrc of the user or of the folder says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl


@contextmanager
def own_look(settings: Mapping[Any, Any] | None = None) -> Iterator[None]:
    """Make and save figures inside, or in the function that it decorates; `settings` are rcParams over the defaults."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings or {})
        yield
