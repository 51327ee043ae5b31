"""Finished and unfinished runs written by hand, without training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmcli.runs.history import HistoryLine
from mmcli.runs.writer import RunDirectory

CONFIG = """\
seed: {seed}
rounds: 2
messages: cavity
data:
  images: {{file: a.npy}}
modules:
  image: {{type: observation, data: images}}
  gmm: {{type: gmm, inputs: [image], num_classes: {num_classes}, sweeps: {sweeps}}}
"""


def write_run(
    name: str,
    accs: Mapping[str, Sequence[float | None]],
    *,
    seed: int = 0,
    num_classes: int = 3,
    sweeps: int = 10,
    status: str = "finished",
) -> Path:
    """Write a run whose modules have these ACC, round by round."""
    run = RunDirectory.create(Path(name))
    text = CONFIG.format(seed=seed, num_classes=num_classes, sweeps=sweeps)
    run.start(text, {"seed": seed, "data": {"a.npy": "ab12"}})
    for number, values in enumerate(zip(*accs.values(), strict=True), 1):
        for module, acc in zip(accs, values, strict=True):
            half = None if acc is None else acc / 2
            run.append_history(HistoryLine(number, module, acc, half, half, -10.0 * number, 1.5, 0.5)._asdict())
    if status == "finished":
        run.finish()
    return run.path
