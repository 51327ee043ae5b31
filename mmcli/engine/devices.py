"""The device that mmcli computes on, and the settings of jax that its numbers rest on."""

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax

from mmcli.engine.program_cache import keep_programs
from mmcli.errors import MemoryShortError, UsageError
from mmcli.util.asked_device import asked_device
from mmcli.util.text import shown
from mmcli.util.user_cache import keeps_programs

# Variables that name a device to compute on.
_NAMING = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_CUDA_VISIBLE_DEVICES", "JAX_ROCM_VISIBLE_DEVICES")


def start() -> jax.Device:
    """Start jax and return the device that everything is computed on.

    Raises:
        UsageError: there is no device of the kind that the command line or the environment asks for.
    """
    if (asked := asked_device.get()) is not None:
        # jax takes a GPU where it can; a list of its own with "gpu" asks for those of every maker.
        jax.config.update("jax_platforms", "cpu" if asked == "cpu" else None)
    # A program that cannot be read is compiled again, and one that cannot be written the next time.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    if keeps_programs.get():
        keep_programs()
    try:
        device = jax.devices()[0]
    except (RuntimeError, AssertionError) as error:  # jax asserts that it has the platform
        named = " ".join(f"{name}={shown(os.environ[name], 60)}" for name in _NAMING if os.environ.get(name))
        reason = f" ({shown(str(error), 200)})" if str(error) else ""
        raise UsageError(f"{named or 'jax'}: no such device can be used here; set JAX_PLATFORMS=cpu{reason}") from None
    if asked is not None and device.platform != asked:
        raise UsageError(
            f"--device {asked}: jax computes on {device.platform} here; for a GPU install its plugin (`pip install"
            " 'jax[cuda13]'`), and see that JAX_CUDA_VISIBLE_DEVICES leaves one"
        )
    return device


@contextmanager
def memory_errors(computation: str, remedy: str) -> Iterator[None]:
    """Turn errors of the allocator into one that names the computation and the remedy.

    Raises:
        MemoryShortError: memory ran out.
    """
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryShortError(f"{computation}: out of memory; {remedy} ({shown(str(error), 120)})") from None


@contextmanager
def own_settings() -> Iterator[None]:
    """Use the settings of `mmcli train` in this thread and block, whatever the calling process has set."""
    with ExitStack() as stack:
        for setting in (
            jax.enable_x64(False),
            jax.numpy_dtype_promotion("standard"),
            jax.transfer_guard("allow"),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.check_tracer_leaks(False),
            jax.debug_key_reuse(False),
            jax.disable_jit(False),
            jax.default_matmul_precision(None),
            jax.default_prng_impl("threefry2x32"),
            jax.threefry_partitionable(True),
        ):
            stack.enter_context(setting)
        yield
