"""Train mmcli on every data set at hand, compute baselines of scikit-learn on the same items, and print the tables.

Sets that are not found are listed and left out. What is in the output folder already is neither trained nor computed
again.
"""

import argparse
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import NamedTuple

from suite_baselines import ALL_VIEWS, KMEANS, baselines
from suite_configs import TEMPLATES, config_text, template
from suite_sets import SOURCES, load, size_of, stored
from suite_tables import FAILED, Result, Results, rows, table
from threadpoolctl import threadpool_limits
from training import train

from mmcli.errors import MmcliError
from mmcli.runs.metrics import agreement
from mmcli.runs.reader import RunFiles

FIRST_SEED = 1000  # settings are chosen on the seeds below
BASELINES = "baselines"
TITLES = {
    "recommended": "mmcli, recommended",
    "mnist_arabic": "mmcli, `mnist_arabic`",
    "serket_compat": "Serket's form, `serket_compat`",
}


class Job(NamedTuple):
    """Part of the work, named for messages; `work` returns its results."""

    name: str
    work: Callable[[], list[Result]]


def compute_baselines(name: str, data: Path, seeds: Sequence[int]) -> list[Result]:
    """Results of all baselines on a set, on one thread."""
    items, num_classes, results = load(data), size_of(data).num_classes, []
    with threadpool_limits(1):  # here and not around all jobs: OpenMP's limit is that of a thread
        for method, views, points, cluster in baselines(items, SOURCES[name].kinds):
            for seed in seeds:
                found = agreement(cluster(points, num_classes, seed), items.labels)
                results.append(Result(name, method, views, seed, found.acc, found.ari, found.nmi))
    return results


def run_mmcli(name: str, method: str, config: Path, run: Path, seed: int) -> list[Result]:
    """Results of the modules that find classes, after the last round of a run, which is trained unless it has been."""
    train(config, [], seed, run)
    last = {line.module: line for line in RunFiles.open(run).history() if line.acc is not None}
    return [Result(name, method, module, seed, line.acc, line.ari, line.nmi) for module, line in last.items()]


def plan(name: str, data: Path, results: Results, arguments: argparse.Namespace) -> Iterator[Job]:
    """Jobs on a set, the baselines first; baselines of seeds that are known are left out.

    Raises:
        MmcliError: the config of a method has a fault.
        ValueError: it lacks settings.
    """
    source, output = SOURCES[name], arguments.output
    if BASELINES in arguments.methods:
        known = {result.seed for result in results.parts(name, KMEANS, arguments.baseline_seeds).get(ALL_VIEWS, [])}
        if seeds := [seed for seed in arguments.baseline_seeds if seed not in known]:
            yield Job(f"{name}: baselines", partial(compute_baselines, name, data, seeds))
    for method in TEMPLATES:
        settings = template(method, source.kinds, arguments.configs)
        if method not in arguments.methods or settings is None:
            continue
        config = output / "configs" / f"{name}-{method}.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(config_text(data, source.kinds, size_of(data).num_classes, settings), encoding="utf-8")
        for seed in seeds_of(name, arguments):
            run = output / "runs" / f"{name}-{method}-s{seed}"
            yield Job(f"{name}: {method}, seed {seed}", partial(run_mmcli, name, method, config, run, seed))


def seeds_of(name: str, arguments: argparse.Namespace) -> Sequence[int]:
    """Seeds of mmcli on a set."""
    return arguments.seeds or range(FIRST_SEED, FIRST_SEED + SOURCES[name].num_seeds)


def do(jobs: Sequence[Job], results: Results, num_workers: int) -> bool:
    """Do all jobs, keep their results and report each; whether every job gave results."""
    all_done = True
    with ThreadPoolExecutor(num_workers) as pool:
        futures = {pool.submit(job.work): job.name for job in jobs}
        try:
            for count, future in enumerate(as_completed(futures), 1):
                outcome = "done"
                try:
                    results.add(future.result())
                except (MmcliError, RuntimeError, ValueError) as error:
                    outcome, all_done = str(error), False
                print(f"[{count}/{len(jobs)}] {futures[future]}: {outcome}", file=sys.stderr, flush=True)
        finally:
            pool.shutdown(cancel_futures=True)  # jobs under way end, no other begins
    return all_done


def tables(files: Mapping[str, Path], results: Results, arguments: argparse.Namespace) -> str:
    """The table of all sets, of the methods and seeds that the command names."""
    of_sets = {}
    for name, data in files.items():
        trained = {method: seeds_of(name, arguments) for method in TEMPLATES if method in arguments.methods}
        others = [method for method in results.methods(name) if method not in TEMPLATES]
        computed = dict.fromkeys(others if BASELINES in arguments.methods else [], arguments.baseline_seeds)
        num_items, num_classes = size_of(data)
        of_sets[f"{SOURCES[name].title}: {num_items:,} items, {num_classes} classes"] = [
            row
            for method, seeds in (trained | computed).items()
            for row in rows(TITLES.get(method, method), results.parts(name, method, seeds), len(seeds))
        ]
    return table(of_sets)


def parse_seeds(text: str) -> range:
    """Seeds FIRST-LAST, or one seed.

    Raises:
        ArgumentTypeError: it is neither.
    """
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise argparse.ArgumentTypeError(f"{text}: seeds are FIRST-LAST, as in 1000-1059, or one number")
    return range(first, last + 1)


def folder(text: str) -> Path:
    """A folder that exists.

    Raises:
        ArgumentTypeError: it does not.
    """
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder")
    return Path(text)


def parse() -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    option = parser.add_argument
    option("--data", type=folder, nargs="+", default=[], metavar="DIR", help="folders of data, or of such folders")
    option("--only", nargs="+", choices=SOURCES, default=[*SOURCES], metavar="SET", help=", ".join(SOURCES))
    option("--methods", nargs="+", choices=[*TEMPLATES, BASELINES], default=[*TEMPLATES, BASELINES], help="[all]")
    option("--seeds", type=parse_seeds, metavar="A-B", help="[from 1000, as many as the set has by default]")
    option("--baseline-seeds", type=parse_seeds, default=range(10), metavar="A-B", help="[0-9]")
    option("--configs", type=folder, default=Path("configs"), metavar="DIR", help="settings of mmcli [%(default)s]")
    option("--jobs", type=int, default=1, metavar="N", help="jobs at a time, each on one thread [1]")
    option("-o", "--output", type=Path, default=Path("runs/suite"), metavar="DIR", help="[%(default)s]")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = Results(arguments.output / "results.jsonl")
    found = {name: SOURCES[name].find(arguments.data) for name in SOURCES if name in arguments.only}
    for name in [name for name, paths in found.items() if paths is None]:
        print(f"left out, not found: {name} ({' and '.join(SOURCES[name].files)})", file=sys.stderr)
    try:
        files = {
            name: stored(name, paths, arguments.output / "data") for name, paths in found.items() if paths is not None
        }
        jobs = [job for name, data in files.items() for job in plan(name, data, results, arguments)]
    except (MmcliError, ValueError) as error:
        sys.exit(f"suite.py: {error}")
    all_done = do(jobs, results, arguments.jobs)
    print(f"    python {shlex.join(sys.argv)}\n")
    print(tables(files, results, arguments))
    print(f"\nA cell is mean (minimum..maximum) over seeds. Failed: ACC below {FAILED} of the best seed's in the row.")
    sys.exit(0 if all_done else 1)


if __name__ == "__main__":
    main()
