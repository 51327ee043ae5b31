"""Train a config under several seeds, each in a process of its own, and compare the runs.

A run that is in the output folder already and has finished is not trained again.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(10), metavar="SEED", help="[0 to 9]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of mmcli train")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on one thread [1]")
    parser.add_argument("-o", "--output", type=Path, help="folder of the runs [runs/seeds-CONFIG]")
    arguments = parser.parse_args()
    output = arguments.output or Path("runs") / f"seeds-{arguments.config.stem}"

    runs = {seed: output / f"seed-{seed}" for seed in arguments.seeds}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        seeds = {pool.submit(train, arguments.config, arguments.set, seed, run): seed for seed, run in runs.items()}
        try:
            for future in as_completed(seeds):
                try:
                    future.result()
                except (MmcliError, RuntimeError) as error:
                    sys.exit(f"seed {seeds[future]}: {error}")
                print(f"seed {seeds[future]}: trained", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)  # runs under way end, no other begins
    print(f"\n{mmcli('compare', *map(str, runs.values()))}", end="")


if __name__ == "__main__":
    main()
