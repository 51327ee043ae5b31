"""The predictor of a trained graph as one function of dense rows, and as a program that jax alone can run.

B items in a batch, D columns of a sense, K classes.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from mmcli.data.rows.given import Given
from mmcli.data.rows.protocol import Forms
from mmcli.engine.devices import own_settings
from mmcli.errors import UsageError

PLATFORM = "cpu"


class PredictorProgram(NamedTuple):
    """The function {sense: (B, D) float32} -> {module: (B, K) float32 class probabilities}; a row of NaN is missing."""

    predict: Callable[[dict[str, Array]], dict[str, Array]]
    arguments: dict[str, jax.ShapeDtypeStruct]


def predictor_program(
    infer: Callable[[Given], Mapping[str, Mapping[str, Array]]],
    widths: Mapping[str, int],
    senses: Mapping[str, str],
    units: Mapping[str, tuple[np.ndarray, np.ndarray]],
    probabilities: Mapping[str, str],
    num_items: int,
) -> PredictorProgram:
    """Make the function that a program of a predictor computes.

    Args:
        infer: arrays of items by module, of a graph whose modules take items as independent.
        widths: D of each observation.
        senses: name of the argument, by observation; one without a name is missing in all items.
        units: (D,) centre and scale, float64, of the observations in standard units.
        probabilities: name of the array of class probabilities, by module that finds classes.
        num_items: B.
    """

    def predict(given: dict[str, Array]) -> dict[str, Array]:
        rows: dict[str, Any] = {}
        known: dict[str, Array] = {}
        for name, width in widths.items():
            values = given[senses[name]] if name in senses else jnp.full((num_items, width), jnp.nan)
            known[name] = ~jnp.isnan(values).all(axis=1)
            plain = jnp.where(known[name][:, None], values, 0)
            rows[name] = Forms(plain, _standard(plain, *units[name])) if name in units else plain
        items = infer(Given(rows, known, {}))
        return {module: items[module][name] for module, name in probabilities.items()}

    shapes = {sense: jax.ShapeDtypeStruct((num_items, widths[name]), jnp.float32) for name, sense in senses.items()}
    return PredictorProgram(predict, shapes)


@own_settings()
def to_stablehlo(program: PredictorProgram) -> bytes:
    """Serialise a predictor as StableHLO.

    Raises:
        UsageError: flatbuffers is not installed.
    """
    exported = export.export(jax.jit(program.predict), platforms=[PLATFORM])(program.arguments)
    try:
        return bytes(exported.serialize())
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
