"""Requirements on single messages and arrays of a module; each function raises AssertionError where one is not met.

N items, K classes, D features.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmcli.modules.counts import SparseRows
from mmcli.modules.messages import Categorical, Counts, Message, Points, neutral
from mmcli.modules.spec import Kind, Port, Role
from mmcli.testing.case import TOLERANCE, Case, require, signature
from mmcli.testing.examples import N

_TYPES = {Kind.POINTS: Points, Kind.CATEGORICAL: Categorical, Kind.COUNTS: Counts}


def require_fit(message: Message, port: Port, subject: str) -> None:
    """Require the kind, width and dtypes of a port of a message, or of its shapes."""
    kind = type(message).__name__
    require(isinstance(message, _TYPES[port.kind]), f"{subject} is {kind} where its port has {port.kind}")
    shape = jnp.shape(message[0]) if not isinstance(message[0], SparseRows) else "sparse"
    require(shape == (N, port.columns), f"{subject} has shape {shape} where {(N, port.columns)} is expected")
    expected = jax.eval_shape(lambda: neutral(port, N))
    require(
        signature(message) == signature(expected), f"{subject} differs in dtype, or its weight in shape, from its kind"
    )


def require_backward_fit(case: Case, messages: tuple[Message, ...]) -> None:
    """Require one backward message for each input, of its kind, width and dtypes."""
    ports = case.example.ports
    require(len(messages) == len(ports), f"{len(messages)} messages go back to {len(ports)} inputs")
    for place, (message, port) in enumerate(zip(messages, ports, strict=True)):
        require_fit(message, port, f"the message back to input {place}")


def require_sound(message: Message, port: Port, subject: str) -> None:
    """Require weights of 0 or 1, neutral missing rows, normalised distributions and counts that are not negative."""
    weight, values = np.asarray(message.weight), np.asarray(message[0])
    require(np.isin(weight, (0, 1)).all(), f"{subject} has weights other than 0 and 1")
    missing = weight == 0
    nothing = np.asarray(neutral(port, N)[0])
    require(
        np.allclose(values[missing], nothing[missing], atol=TOLERANCE),
        f"{subject} has a row of weight 0 that is not neutral",
    )
    if isinstance(message, Categorical):
        sums = jax.nn.logsumexp(message.log_probs, axis=-1)
        require(np.allclose(sums, 0, atol=TOLERANCE), f"{subject} has a distribution that does not sum to 1")
    if isinstance(message, Counts):
        require((values >= 0).all(), f"{subject} has negative counts")


def require_role(case: Case, name: str, role: Role, array: Array) -> None:
    """Require the shape and values that a role gives a reported array."""
    match role:
        case Role.CLASS:
            require(array.shape == (N,), f"{name} has shape {array.shape} where classes have {(N,)}")
            require(jnp.issubdtype(array.dtype, jnp.integer), f"{name} is {array.dtype} where classes are integers")
            within = (array >= 0) & (array < case.output.columns)
            require(within.all(), f"{name} has classes outside 0 to {case.output.columns - 1}")
        case Role.PROBABILITIES:
            shape = (N, case.output.columns)
            require(array.shape == shape, f"{name} has shape {array.shape} where {shape} is expected")
            require(np.allclose(array.sum(-1), 1, atol=TOLERANCE), f"{name} has rows that do not sum to 1")
        case Role.LATENT:
            require(array.ndim == 2, f"{name} has shape {array.shape} where a point an item is expected")
        case Role.RECONSTRUCTION:
            shape = (N, case.example.ports[0].columns)
            require(array.shape == shape, f"{name} has shape {array.shape} where {shape} is expected")
        case Role.CENTRES:
            width = case.example.ports[0].columns
            require(array.ndim == 2, f"{name} has shape {array.shape} where a point a class is expected")
            require(array.shape[1] == width, f"{name} has {array.shape[1]} columns where {width} are expected")
        case Role.PAIRS:
            shape = (len(case.example.ports),) * 2
            require(array.shape == shape, f"{name} has shape {array.shape} where {shape} is expected")


def require_info(case: Case) -> None:
    """Require objective and trace in the shapes of the contract, where the spec declares them."""
    objective, trace = case.info
    has_objective = case.spec.objective is not None
    require(
        (objective is not None) == has_objective, f"Info.objective is {objective}; the spec has {case.spec.objective}"
    )
    require(objective is None or jnp.shape(objective) == (), "Info.objective is not one number")
    require(case.spec.trace is None or trace.ndim == 1, f"Info.trace has {trace.ndim} axes where 1 is expected")
