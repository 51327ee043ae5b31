"""Train a config under several seeds, each in a process of its own, and print how well its classes agree with labels.

A run that is in the output folder already and has finished is not trained again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mmcli.config import dump_config, load_config
from mmcli.errors import MmcliError
from mmcli.store import RunDirectory


class Result(NamedTuple):
    """What came of a seed."""

    acc: dict[str, float]  # of each module that names labels
    seconds: float  # from the start of the run to its end, compiling included


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


def result_of(config: Path, overrides: Sequence[str], seed: int, run: Path) -> Result:
    """Train one seed where that has not been done, and evaluate it."""
    if not has_finished(run, dump_config(load_config(config, overrides, seed=seed))):
        options = [word for override in overrides for word in ("--set", override)]
        mmcli("train", str(config), "--seed", str(seed), "--threads", "1", "-o", str(run), "--force", *options)
    modules = json.loads(mmcli("evaluate", str(run), "--json"))["modules"]
    meta = RunDirectory.open(run).meta()
    seconds = (datetime.fromisoformat(meta["ended"]) - datetime.fromisoformat(meta["started"])).total_seconds()
    return Result({name: metrics["acc"] for name, metrics in modules.items()}, seconds)


def table(results: Sequence[Result]) -> str:
    """ACC by module over the seeds, and seconds a run, in Markdown."""
    measured = {name: [result.acc[name] for result in results] for name in results[0].acc}
    lines = ["| | mean | minimum | maximum | standard deviation |", "| --- | --- | --- | --- | --- |"]
    for name, values in measured.items():
        lines.append(f"| {name} ACC | {' | '.join(f'{value:.4f}' for value in spread(values))} |")
    lines.append(f"| seconds | {' | '.join(f'{value:.0f}' for value in spread([r.seconds for r in results]))} |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Mean, minimum, maximum and standard deviation (of the sample; 0 for one value)."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.fmean(values), min(values), max(values), deviation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(10), metavar="SEED", help="[0 to 9]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of mmcli train")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on one thread [1]")
    parser.add_argument("-o", "--output", type=Path, help="folder of the runs [runs/seeds-CONFIG]")
    arguments = parser.parse_args()
    output = arguments.output or Path("runs") / f"seeds-{arguments.config.stem}"

    results: list[Result] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        seeds = {
            pool.submit(result_of, arguments.config, arguments.set, seed, output / f"seed-{seed}"): seed
            for seed in arguments.seeds
        }
        try:
            for future in as_completed(seeds):
                try:
                    result = future.result()
                except (MmcliError, RuntimeError) as error:
                    sys.exit(f"seed {seeds[future]}: {error}")
                found = "  ".join(f"{name} ACC {acc:.4f}" for name, acc in result.acc.items())
                print(f"seed {seeds[future]}  {found}  {result.seconds:.0f} s", flush=True)
                results.append(result)
        finally:
            pool.shutdown(cancel_futures=True)  # runs under way end, no other begins
    print(f"\n{table(results)}")


if __name__ == "__main__":
    main()
