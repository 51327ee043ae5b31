"""Check that a spec can be imported without jax, so that a config is checked and `mmcli modules` prints at once."""

import json
import subprocess
import sys

from mmcli.modules.spec import ModuleSpec, Options

_REPORT = """
import importlib, json, sys
module, sys.path[:] = json.loads(sys.argv[1])
importlib.import_module(module)
sys.exit(3 if "jax" in sys.modules else 0)
"""


def check_import(spec: ModuleSpec) -> None:
    """Import the module that defines a spec in a process of its own.

    Raises:
        AssertionError: it cannot be imported there, or imports jax.
    """
    # A spec does not know its module; its options are written beside it.
    module = (spec.output if spec.options is Options else spec.options).__module__
    if module == "__main__":  # of a script or notebook, which no other process can import
        return
    command = [sys.executable, "-c", _REPORT, json.dumps([module, sys.path])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        remedy = "import jax in the module of `build` alone"
        raise AssertionError(f"module type {spec.name}: importing its spec, {module}, imports jax; {remedy}")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise AssertionError(f"module type {spec.name}: its spec, {module}, cannot be imported alone: {reason}")
