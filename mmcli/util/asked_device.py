"""The kind of device that the command line asks for."""

from contextvars import ContextVar
from typing import Literal, TypeAlias

Device: TypeAlias = Literal["cpu", "gpu"]

# None: jax chooses, or the environment. Set by the command line alone: callers of the Python API have jax's settings.
asked_device: ContextVar[Device | None] = ContextVar("asked_device", default=None)
