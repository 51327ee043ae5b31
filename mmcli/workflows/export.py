"""The predictor of a finished run -> a program for others, StableHLO or ONNX, and a description of its arguments."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mmcli.errors import UsageError
from mmcli.util import atomic
from mmcli.util.text import listed, shown
from mmcli.util.version import __version__
from mmcli.workflows.trained_run import TrainedRun, load_run

if TYPE_CHECKING:
    from mmcli.engine.exported import PredictorProgram

Format: TypeAlias = Literal["stablehlo", "onnx"]

DESCRIPTION = "model.json"
_READERS: dict[Format, str] = {
    "stablehlo": "stablehlo, as jax.export.deserialize reads it",
    "onnx": "onnx, as onnxruntime.InferenceSession reads it",
}
_LARGEST, _SMALLEST = 1e37, 1e-37  # centres and scales that float32 holds, and their products with values


def export(path: Path, output: Path | None, *, to: Format, num_items: int, trust_code: bool = False) -> Path:
    """Write the predictor of a run as a program.

    Args:
        path: of a finished run.
        output: folder to make; None is NAME-FORMAT in the working directory.
        to: format of the program.
        num_items: of a batch. StableHLO has fixed shapes; a model of ONNX goes through any number in batches.
        trust_code: as for `load_run`.

    Returns:
        The folder.

    Raises:
        UsageError: no finished run at `path`, or a model that cannot be exported; the folder exists, or cannot be
            made; or a package is not installed.
        DamagedRunError: files of the run are missing or unreadable.
    """
    name = path.resolve().name.removesuffix(".zip")
    folder = output or Path(f"{name}-{to}")
    if atomic.is_there(folder):
        raise UsageError(f"{shown(str(folder))}: exists already; remove it, or name another folder with -o")
    run = load_run(path, trust_code=trust_code)
    _refuse(run)
    serialise = _serialiser(to)
    program = serialise(run.program(num_items))
    description = json.dumps(_description(run, name, to, num_items), indent=2, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True)
        atomic.replace(folder / f"model.{to}", program)
        atomic.replace(folder / DESCRIPTION, description.encode())
    except OSError as error:
        raise atomic.unwritable(folder, error) from None
    return folder


def _serialiser(to: Format) -> "Callable[[PredictorProgram], bytes]":
    """Writer of a format.

    Raises:
        UsageError: its package is not installed.
    """
    try:
        if to == "onnx":
            from mmcli.engine.onnx_program import to_onnx as serialise
        else:
            from mmcli.engine.exported import to_stablehlo as serialise
    except ImportError as error:
        if error.name != "onnx":
            raise
        raise UsageError("--to onnx needs the package onnx: pip install '.[onnx]' in the clone") from None
    return serialise


def _refuse(run: TrainedRun) -> None:
    """Raise UsageError where the program would not give what `mmcli evaluate` gives."""
    if run.graph.sequences:
        what = f"{listed(run.graph.sequences)}: a module of sequences"
        raise UsageError(f"{what}; models whose items are independent can be exported: leave it out of the config")
    if not run.classifiers:
        raise UsageError(f"{run.directory.place}: no module finds classes; models that find some can be exported")
    for name, (centre, scale) in run.units.items():
        there = np.abs(np.concatenate([centre, scale]))
        if (there > _LARGEST).any() or ((there > 0) & (there < _SMALLEST)).any():
            raise UsageError(f"{name}: its values leave float32, which programs take; rescale the data and train again")


def _description(run: TrainedRun, name: str, to: Format, num_items: int) -> dict[str, Any]:
    """Content of model.json."""
    rows = num_items if to == "stablehlo" else "items"
    return {
        "format": _READERS[to],
        "run": name,
        "versions": {"mmcli": __version__, "jax": version("jax")},
        "platform": "cpu",
        "inputs": [
            {"name": sense, "shape": [rows, run.widths[module]], "dtype": "float32", "missing": "a row of NaN"}
            for sense, module in run.senses.items()
        ],
        "outputs": [
            {
                "name": module,
                "shape": [rows, len(run.names(module))],
                "dtype": "float32",
                "meaning": "P(class | inputs); columns are classes",
                "classes": run.names(module).tolist(),
                "class_names": [*run.texts(module)],
            }
            for module in run.classifiers
        ],
    }
