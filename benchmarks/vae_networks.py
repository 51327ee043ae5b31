"""Networks and output variances of the VAE: time of an epoch, and what a gmm finds in the latent space.

`time`: epochs on the 3,000 bundled images, in turns on one core. `images`: vae and gmm on these images, 100 epochs a
round, 2 rounds. `tables`: vae and gmm on tables of scikit-learn, the Gaussian output of a variance of 0.1 or learned.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from cores import restart_on_one_core
from sklearn.datasets import load_breast_cancer, load_wine
from suite import parse_seeds
from timing import bundled, compile_update, ratio, take_turns

import mmcli
from mmcli.modules.api import Inputs
from mmcli.modules.messages import Points, neutral
from mmcli.modules.spec import Kind, Port
from mmcli.modules.vae.model import build
from mmcli.modules.vae.spec import VaeOptions

LATENT_DIM = 18
NETWORKS: dict[str, dict[str, Any]] = {
    "128": {},
    "512, 256": {"encoder": {"type": "mlp", "hidden": (512, 256)}},
    "8, 16 channels": {"encoder": {"type": "conv", "channels": (8, 16), "shape": (28, 28)}},
    "16, 32 channels": {"encoder": {"type": "conv", "channels": (16, 32), "shape": (28, 28)}},
}
VARIANCES: dict[str, dict[str, Any]] = {"0.1": {}, "learned": {"variance": "learned"}}


def time_epochs(epochs: int, turns: int) -> None:
    """Print the time of some epochs of each network, and its ratio to that of one hidden layer."""
    images = bundled("images")
    points, child = Points(jnp.asarray(images), jnp.ones(len(images))), Port(Kind.POINTS, LATENT_DIM)
    inputs = Inputs.of((points,), neutral(child, len(images)))
    jobs = {}
    for name, network in NETWORKS.items():
        options = VaeOptions(latent_dim=LATENT_DIM, epochs=epochs, **network)
        module = build(options, (Port(Kind.POINTS, images.shape[1]),), "cavity")
        jobs[name] = compile_update(name, module, inputs)
        jobs[name]()
    seconds = take_turns(jobs, turns)
    for name in jobs:
        print(f"{name} takes {ratio(seconds[name], seconds['128'])}")


def run(data: Mapping[str, np.ndarray], vae: Mapping[str, Any], num_classes: int, seed: int) -> tuple[float, float]:
    """ACC of the gmm, and the last evidence lower bound of the vae, nats an item."""
    modules = {
        "seen": {"type": "observation", "data": "x"},
        "vae": {"type": "vae", "inputs": ["seen"], **vae},
        "gmm": {"type": "gmm", "inputs": ["vae"], "num_classes": num_classes, "chains": 16, "labels": "y"},
    }
    with tempfile.TemporaryDirectory() as folder:
        history = mmcli.train(
            {"rounds": 2, "modules": modules}, data=data, seed=seed, output=Path(folder) / "run"
        ).history
    return float(history["gmm"]["acc"][-1]), float(history["vae"]["bound"][-1]) / len(data["y"])


def compare(
    data: Mapping[str, np.ndarray], variants: Mapping[str, Mapping[str, Any]], seeds: range, **vae: Any
) -> None:
    """Print ACC and bound of each variant, mean (minimum..maximum) over seeds."""
    num_classes = len(np.unique(data["y"]))
    for name, variant in variants.items():
        figures = np.array([run(data, {**vae, **variant}, num_classes, seed) for seed in seeds])
        texts = [f"{column.mean():.3f} ({column.min():.3f}..{column.max():.3f})" for column in figures.T]
        print(f"{name:16}  ACC {texts[0]}  bound {texts[1]} nats an item", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["time", "images", "tables"])
    parser.add_argument("--epochs", type=int, default=5, help="of `time`, epochs in a turn [5]")
    parser.add_argument("--turns", type=int, default=5, help="of `time`, turns of each [5]")
    parser.add_argument("--seeds", type=parse_seeds, default=range(1000, 1010), metavar="A-B", help="[1000-1009]")
    arguments = parser.parse_args()
    restart_on_one_core()
    seeds = arguments.seeds
    if arguments.what == "time":
        time_epochs(arguments.epochs, arguments.turns)
    elif arguments.what == "images":
        data = {"x": bundled("images"), "y": bundled("labels").astype(int)}
        networks = {name: network for name, network in NETWORKS.items() if name != "16, 32 channels"}
        compare(data, networks, seeds, latent_dim=LATENT_DIM, epochs=100)
    else:
        for table, latent_dim in ((load_wine(), 4), (load_breast_cancer(), 8)):
            print(f"{table.data.shape[1]} columns, {len(table.data)} items, {latent_dim} latent dimensions")
            data = {"x": table.data, "y": table.target}
            compare(data, VARIANCES, seeds, latent_dim=latent_dim, likelihood="gaussian", epochs=500)


if __name__ == "__main__":
    main()
