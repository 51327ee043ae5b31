"""The predictor of a trained graph as one StableHLO program, which jax alone can run.

B items in a batch, D columns of a sense, K classes.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from mmcli.data.rows.given import Given
from mmcli.data.rows.protocol import Forms
from mmcli.engine.devices import own_settings
from mmcli.engine.predictor import Predictor
from mmcli.errors import UsageError

PLATFORM = "cpu"


class Observed(NamedTuple):
    """An observation of the program.

    Attributes:
        sense: name of the argument; None where no prediction reads it.
        width: D.
        units: (D,) centre and scale, float64; None where modules take it as it is.
    """

    sense: str | None
    width: int
    units: tuple[np.ndarray, np.ndarray] | None


@own_settings()
def export_predictor(
    predictor: Predictor, observed: Mapping[str, Observed], probabilities: Mapping[str, str], num_items: int
) -> bytes:
    """Serialise the program {sense: (B, D) float32} -> {module: (B, K) float32 class probabilities}.

    A row of NaN is a missing one.

    Args:
        predictor: of a graph whose modules take items as independent.
        observed: by name of the observation.
        probabilities: name of the array of class probabilities, by module that finds classes.
        num_items: B.

    Raises:
        UsageError: flatbuffers is not installed.
    """

    def predict(senses: dict[str, Array]) -> dict[str, Array]:
        rows, known = {}, {}
        for name, (sense, width, units) in observed.items():
            given = jnp.full((num_items, width), jnp.nan) if sense is None else senses[sense]
            is_there = ~jnp.isnan(given).all(axis=1)
            plain = jnp.where(is_there[:, None], given, 0)
            rows[name] = plain if units is None else Forms(plain, _standard(plain, *units))
            known[name] = is_there
        items = predictor.infer_items(Given(rows, known, {}))
        return {module: items[module][name] for module, name in probabilities.items()}

    shapes = {
        sense: jax.ShapeDtypeStruct((num_items, width), jnp.float32)
        for sense, width, _ in observed.values()
        if sense is not None
    }
    program = export.export(jax.jit(predict), platforms=[PLATFORM])(shapes)
    try:
        return bytes(program.serialize())
    except ImportError:  # of flatbuffers, which jax does not require
        raise UsageError("mmcli export needs the package flatbuffers: pip install '.[export]' in the clone") from None


def _standard(rows: Array, centre: np.ndarray, scale: np.ndarray) -> Array:
    """Rows (B, D) in standard units, 0 where a column does not vary.

    The centre is the sum of two float32, so that a large one costs no digits of the difference.
    """
    centre, scale = centre[None], scale[None]  # (1, D)
    high = centre.astype(np.float32)
    low = (centre - high).astype(np.float32)
    varies = scale > 0
    divisor = np.where(varies, scale, 1).astype(np.float32)
    return jnp.where(varies, ((rows - high) - low) / divisor, 0)
