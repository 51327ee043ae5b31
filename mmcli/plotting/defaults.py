"""Matplotlib's own defaults for every figure, whatever a matplotlibrc of the user or of the folder sets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl


@contextmanager
def own_look(settings: Mapping[Any, Any] | None = None) -> Iterator[None]:
    """Make and save figures with the defaults and `settings`, rcParams over them; a context manager and a decorator."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings or {})
        yield
