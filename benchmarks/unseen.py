"""Train under several seeds, ask the graph about held-out pairs, with senses missing too, and print how well it does.

A run that is in the output folder already and has finished is not trained again.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.svm import SVC
from training import mmcli, train

from mmcli import load_run
from mmcli.config.reader import load_config

MISSING = 0.3  # of the rows of each sense; no item lacks both


def hide_rows(file: Path, num_items: int, seed: int) -> list[str]:
    """Masks of rows of images and speech, in `file`; the overrides that make a config use them."""
    order = np.random.default_rng(seed).permutation(num_items)
    count = round(MISSING * num_items)
    known = {"images": np.ones(num_items, bool), "speech": np.ones(num_items, bool)}
    known["images"][order[:count]] = False
    known["speech"][order[count : 2 * count]] = False
    np.savez(file, allow_pickle=False, **known)
    return [
        override
        for name in known
        for override in (
            f"data.{name}_known={{file: {file.resolve()}, key: {name}}}",
            f"data.{name}.known={name}_known",
        )
    ]


def acc(run: Path, output: Path, *options: str) -> dict[str, float]:
    """ACC of each module, by what `mmcli evaluate` prints."""
    to = ["-o", str(output)] if options else []
    evaluation = json.loads(mmcli("evaluate", str(run), *options, *to, "--json"))
    return {name: metrics["acc"] for name, metrics in evaluation["modules"].items()}


def measure(config: Path, output: Path, seed: int) -> dict[str, float]:
    """All figures of a seed."""
    whole, holes = output / f"seed-{seed}", output / f"missing-{seed}"
    train(config, [], seed, whole)
    learned, scratch = acc(whole, output), output / f"recog-{seed}"
    figures = {"learned, both senses": learned["mlda"]}
    for name, options in {
        "held out, both senses": [],
        "held out, speech alone": ["--without", "images"],
        "held out, images alone": ["--without", "speech"],
    }.items():
        figures[name] = acc(whole, scratch, "--test", *options)["mlda"]
    figures["digits made from held-out speech"] = read_digits(whole)

    with np.load(load_config(config).data["images"].file) as arrays:
        num_items = len(arrays["images"])
    overrides = hide_rows(output / f"missing-{seed}.npz", num_items, seed)
    train(config, overrides, seed, holes)
    figures["learned, 30 % of each sense missing"] = acc(holes, output)["mlda"]
    figures["the same, held out, both senses"] = acc(holes, scratch, "--test")["mlda"]
    return figures


def read_digits(path: Path) -> float:
    """Share of the images made from held-out speech in which a classifier of real images reads the digit spoken."""
    run = load_run(path)
    with np.load(run.config.data["images"].file) as arrays:
        reader = SVC(C=10).fit(arrays["images"], arrays["labels"])
    with np.load(run.config.test["images"].file) as arrays:
        speech, labels, images = arrays["speech"], arrays["labels"], arrays["images"]
    read = float(np.mean(reader.predict(run.generate("images", speech=speech)) == labels))
    print(f"{path}: the classifier reads {np.mean(reader.predict(images) == labels):.3f} of the real held-out images")
    return read


def table(figures: Mapping[int, Mapping[str, float]]) -> str:
    """Each figure over the seeds, in Markdown."""
    lines = ["| ACC of the MLDA | mean | minimum | maximum | standard deviation |", "| --- | --- | --- | --- | --- |"]
    for name in next(iter(figures.values())):
        values = [figures[seed][name] for seed in sorted(figures)]
        spread = (statistics.fmean(values), min(values), max(values), statistics.pstdev(values))
        lines.append(f"| {name} | {' | '.join(f'{value:.4f}' for value in spread)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/mnist_arabic_tuned.yaml"), help="[%(default)s]")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(10), metavar="SEED", help="[0 to 9]")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time, each on one thread [1]")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/unseen"), help="folder of the runs")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        measured = pool.map(lambda seed: measure(arguments.config, arguments.output, seed), arguments.seeds)
        figures = {}
        for seed, found in zip(arguments.seeds, measured, strict=True):
            figures[seed] = found
            print(f"seed {seed}  " + "  ".join(f"{name} {value:.4f}" for name, value in found.items()), flush=True)
    print(f"\n{table(figures)}")


if __name__ == "__main__":
    sys.exit(main())
