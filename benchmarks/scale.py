"""Hosts that pay in a distributed run, by the bytes of its messages: `python benchmarks/scale.py [--items N] ...`.

Simulates updates on up to 1,000 hosts. An iteration is computed by all hosts, each on its share of the items and with
some jitter, and ends with a sum over all hosts by a ring: 2 (P - 1) steps, in each of which every host sends a part of
1 / P to the next and waits for that of the one before. Sizes of messages are those of the compiled programs
(docs/scale.md); rates of hosts and network are assumptions, to be given on the command line.

P hosts, N items, D features, K classes, V words, R starts, H hidden units.

Source of the ring: Patarasuk and Yuan (2009), doi:10.1016/j.jpdc.2008.09.002.
"""

import argparse
from typing import NamedTuple

import numpy as np

HOSTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
BYTES = 4  # float32
SIMULATED = 3  # iterations of each kind; the time of all is that of these, scaled


class Kind(NamedTuple):
    """Iterations of a module's update that are alike."""

    name: str
    iterations: float  # of an update
    work: float  # floating-point operations of one iteration, all hosts together
    whole: float  # operations that every host makes itself
    message: int  # bytes summed over the hosts
    messages: int  # that these come in


class Network(NamedTuple):
    """Rates, as assumed."""

    flops: float  # of a host, a second
    bandwidth: float  # bytes a second between two hosts
    latency: float  # seconds of a step
    jitter: float  # standard deviation of the logarithm of a host's time


def kinds_of(sizes: argparse.Namespace) -> list[Kind]:
    """The kinds of iterations of the tutorial's graph, for the sizes given."""
    items, batch, pixels, hidden, latent = sizes.items, sizes.batch, sizes.pixels, sizes.hidden, sizes.latent
    classes, words, starts = sizes.classes, sizes.words + sizes.classes, sizes.restarts
    weights = 2 * pixels * hidden + 3 * hidden * latent + 2 * hidden + 2 * latent + pixels
    of_class = 1 + latent + latent**2
    return [
        # Forward and backward: six operations a weight and item. The noise of a batch is drawn by every host.
        Kind(
            "vae",
            sizes.epochs * -(-items // batch),
            6.0 * weights * batch,
            10.0 * batch * latent,
            BYTES * (weights + 1),
            2,
        ),
        # Densities of all classes, products of the own class; a draw an item by every host.
        Kind(
            "gmm",
            sizes.sweeps * sizes.chains,
            items * latent**2 * (2.0 * classes + 2),
            10.0 * items,
            BYTES * classes * of_class,
            2,
        ),
        Kind(
            "mlda: search",
            sizes.anneal,
            4.0 * items * starts * classes * words,
            0.0,
            BYTES * starts * classes * (words + 1),
            3,
        ),
        Kind("mlda: sweeps", sizes.variational, 4.0 * items * classes * words, 0.0, BYTES * classes * words, 1),
    ]


def ring_seconds(ready: np.ndarray, size: float, network: Network) -> float:
    """Time at which all hosts have the sum of a message, where each (P,) is ready for it at its own."""
    num_hosts = len(ready)
    times = ready.copy()
    for _ in range(2 * (num_hosts - 1)):
        times = np.maximum(times, np.roll(times, 1)) + network.latency + size / num_hosts / network.bandwidth
    return float(times.max())


def simulate(kind: Kind, num_hosts: int, network: Network, rng: np.random.Generator) -> float:
    """Seconds of an update's iterations of one kind."""
    share = (kind.work / num_hosts + kind.whole) / network.flops
    total = 0.0
    for _ in range(SIMULATED):
        ready = share * np.exp(network.jitter * rng.standard_normal(num_hosts))
        for _ in range(kind.messages):
            ready = np.full(num_hosts, ring_seconds(ready, kind.message / kind.messages, network))
        total += float(ready.max())
    return kind.iterations * total / SIMULATED


def main() -> None:
    """Print a table: seconds of an update on so many hosts, the speed-up, and how much of it another host adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"items": 60_000, "batch": 500, "pixels": 784, "hidden": 128, "latent": 18, "classes": 10, "words": 2400}
    sizes |= {"epochs": 200, "sweeps": 100, "chains": 4, "restarts": 13, "anneal": 40, "variational": 30}
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"[{size}]")
    parser.add_argument("--flops", type=float, default=30e9, help="operations a second of a host [30e9]")
    parser.add_argument("--bandwidth", type=float, default=1.25e9, help="bytes a second of the network [1.25e9]")
    parser.add_argument("--latency", type=float, default=30e-6, help="seconds of a step [30e-6]")
    parser.add_argument("--jitter", type=float, default=0.05, help="of a host's time, in its logarithm [0.05]")
    given = parser.parse_args()
    network = Network(given.flops, given.bandwidth, given.latency, given.jitter)
    for kind in kinds_of(given):
        rng = np.random.default_rng(0)
        seconds = [simulate(kind, hosts, network, rng) for hosts in HOSTS]
        best = HOSTS[int(np.argmin(seconds))]
        print(
            f"\n{kind.name}: {kind.message / 1e3:.1f} kB in {kind.messages} sums an iteration; fastest on {best} hosts"
        )
        print("| hosts | seconds | speed-up | efficiency |\n| --- | --- | --- | --- |")
        for hosts, time in zip(HOSTS, seconds, strict=True):
            print(f"| {hosts} | {time:.3g} | {seconds[0] / time:.1f} | {seconds[0] / time / hosts:.2f} |")


if __name__ == "__main__":
    main()
