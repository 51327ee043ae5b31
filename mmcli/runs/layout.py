"""Names of the files of a run directory, and what marks a folder as one."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from mmcli.util import atomic

Stage: TypeAlias = Literal["learn", "first", "recog"]  # trained, after the first round, predicted for other data

CONFIG = "config.yaml"
META = "meta.json"
HISTORY = "history.jsonl"
SEARCH = "search.json"
EVALUATION: dict[Stage, str] = {"learn": "evaluation.json", "recog": "evaluation_recog.json"}
PARAMS = "params.npz"
CONFUSION: dict[Stage, str] = {"learn": "confusion.png", "recog": "confusion_recog.png"}
REPORT = "report"
PAGE = "report.html"
FIGURES = "figures"
LOCK = "lock"
RECORDS = "track.json"  # ids of the records that trackers have of the run
SUMS = "SHA256SUMS"  # of a finished run, in the format of sha256sum; meta.json is the last entry
CHECKPOINTS = "checkpoint"

RESULT = re.compile(r"(module\d{3,}_[\w-]+)/[\w-]+\.(txt|npy|npz)", re.ASCII)  # a file of a module, by its name
_OUTPUTS = (1, 2)  # the descriptors of stdout and stderr
_LOG = re.compile(r"(?:.+[._-])?(?:log|out|err)(?:\.\d+)?")  # slurm-17.out, log, train.log.1


def is_run(path: Path) -> bool:
    """Whether a folder has the files of every run; a link whose content is elsewhere counts."""
    return any(atomic.is_there(path / name) for name in (META, CONFIG))


def may_precede(path: Path) -> bool:
    """Whether a file may lie in the folder of a run that has not begun.

    That is: files of a run killed at its very start, and a log, which the shell makes first for `> DIR/log`.
    """
    if path.name == LOCK or path.suffix == atomic.TEMPORARY:
        return True
    return path.is_file() and (_LOG.fullmatch(path.name) is not None or _is_written_to(path))


def _is_written_to(path: Path) -> bool:
    """Whether stdout or stderr go to a file."""
    streams = []
    for descriptor in _OUTPUTS:
        with suppress(OSError):  # the stream is closed
            streams.append(os.fstat(descriptor))
    return any(os.path.samestat(path.stat(), stream) for stream in streams)
