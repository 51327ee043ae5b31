"""Environment variables that would change results, or end the process, kept from the libraries.

A command owns its process. What is let through to jax is a list, so that a variable that nobody thought of, or that a
later jax reads, changes nothing either. The Python API leaves the environment of its caller alone; there
`devices.own_settings` takes care.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

# Names that jax, XLA and the libraries below them read when they start.
_READ = re.compile(
    r"(JAX|JAX2TF|JAXLIB|DNNL|ONEDNN|NPY|NUMPY|LIBROSA)_.*|XLA_FLAGS|MOCK_NUM_GPU_PROCESSES|CHECK_VMA"
    r"|EAGER_CONSTANT_FOLDING|SCIPY_ARRAY_API|NPROC|PJRT_NPROC|MPLBACKEND|MATPLOTLIBRC",
)
_ANYTHING = re.compile(r".*", re.DOTALL)
_SWITCH = re.compile(r"y|yes|t|true|on|1|n|no|f|false|off|0", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(\.\d*)?")
_COUNT = re.compile(r"0*[1-9]\d{0,3}")
# Variables for the place of computation, cache and log, and the values that do not end jax.
LET_THROUGH: Mapping[str, re.Pattern[str]] = {
    "JAX_PLATFORMS": _ANYTHING,  # `devices.start` names one that is not here
    "JAX_PLATFORM_NAME": _ANYTHING,
    "JAX_CUDA_VISIBLE_DEVICES": _ANYTHING,
    "JAX_ROCM_VISIBLE_DEVICES": _ANYTHING,
    "JAX_ENABLE_COMPILATION_CACHE": _SWITCH,
    "JAX_COMPILATION_CACHE_DIR": _ANYTHING,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": _NUMBER,
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": re.compile(r"-?\d{1,18}"),
    "JAX_LOG_COMPILES": _SWITCH,
    "NPROC": _COUNT,
    "PJRT_NPROC": _COUNT,
}
# Flags of XLA_FLAGS. XLA ends the process where it does not know one, or its value.
_FLAG_LET_THROUGH = re.compile(r"--xla_(dump_to|gpu_cuda_data_dir)=\S+")
# Variables that change no result, removed without a report.
_UNREPORTED = ("MPLBACKEND", "MATPLOTLIBRC")


def settle(environ: MutableMapping[str, str]) -> list[str]:
    """Remove variables that must not reach the libraries; to be called before those are imported.

    Args:
        environ: `os.environ`, changed in place.

    Returns:
        Removed variables, as NAME=VALUE, to be reported by the commands that compute.
    """
    removed: list[str] = []
    for name in sorted(filter(_READ.fullmatch, environ)):
        value = environ[name]
        if name == "XLA_FLAGS":
            flags = value.split()
            kept = [flag for flag in flags if _FLAG_LET_THROUGH.fullmatch(flag)]
            environ[name] = " ".join(kept)
            removed += [f"{name}={flag}" for flag in flags if flag not in kept]
        elif (reason := _refused(name, value)) is not None:
            del environ[name]
            removed += [f"{name}={value}{reason}"] if name not in _UNREPORTED else []
    return removed


def _refused(name: str, value: str) -> str | None:
    """Reason for removing a variable, in brackets or empty; None where it is let through."""
    if name not in LET_THROUGH:
        return ""
    if not LET_THROUGH[name].fullmatch(value):
        return " (no such value)"
    is_local = name == "JAX_COMPILATION_CACHE_DIR" and value and "://" not in value
    return " (cannot be written to)" if is_local and not _can_write(value) else None


def _can_write(folder: str) -> bool:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError):
        return False
    return os.access(folder, os.W_OK | os.X_OK)
