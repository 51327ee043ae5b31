"""Training of one seed of a config by a process of its own, for the benchmarks that train many."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mmcli.config.reader import dump_config, load_config
from mmcli.errors import MmcliError
from mmcli.runs.writer import RunDirectory


def mmcli(*arguments: str) -> str:
    """What a command prints.

    Raises:
        RuntimeError: it failed; its last words.
    """
    done = subprocess.run([sys.executable, "-m", "mmcli", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        *_, last_words = done.stderr.splitlines() or [""]
        raise RuntimeError(f"mmcli {arguments[0]}: exit code {done.returncode}: {last_words}")
    return done.stdout


def has_finished(run: Path, resolved: str) -> bool:
    """Whether a run of the config `resolved` is at `run` from start to end.

    Raises:
        RuntimeError: a finished run of another config is there.
    """
    try:
        learned = RunDirectory.open(run).config.read_text(encoding="utf-8")
    except MmcliError:  # nothing there, or a run that was cut short
        return False
    if learned != resolved:
        raise RuntimeError(f"{run}: a run of another config; name another folder with -o")
    return True


def train(config: Path, overrides: Sequence[str], seed: int, run: Path) -> None:
    """Train one seed where that has not been done."""
    if not has_finished(run, dump_config(load_config(config, overrides, seed=seed))):
        options = [word for override in overrides for word in ("--set", override)]
        mmcli("train", str(config), "--seed", str(seed), "--threads", "1", "-o", str(run), "--force", *options)
