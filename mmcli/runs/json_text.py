"""JSON of a run directory, which somebody may have changed."""

import json
from typing import Any


def parse_json(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: the text is none, or nested so deep that Python cannot parse it.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
