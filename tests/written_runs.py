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
CHILD = "  mlda: {type: mlda, inputs: [gmm], num_classes: 3}\n"


def write_run(
    name: str,
    accs: Mapping[str, Sequence[float | None]],
    *,
    seed: int = 0,
    num_classes: int = 3,
    sweeps: int = 10,
    status: str = "finished",
    has_own: bool = False,
) -> Path:
    """Write a run whose modules have these ACC, round by round; with `has_own` a child, and 1 by their own inputs."""
    run = RunDirectory.create(Path(name))
    text = CONFIG.format(seed=seed, num_classes=num_classes, sweeps=sweeps)
    run.start(text + CHILD * has_own, {"seed": seed, "data": {"a.npy": "ab12"}})
    for number, values in enumerate(zip(*accs.values(), strict=True), 1):
        for module, acc in zip(accs, values, strict=True):
            half = None if acc is None else acc / 2
            own = (1.0, 1.0, 1.0) if has_own else (None, None, None)
            line = HistoryLine(number, module, acc, half, half, -10.0 * number, 1.5, 0.5, *own)
            run.append_history(line._asdict())
    if status == "finished":
        run.finish()
    return run.path
