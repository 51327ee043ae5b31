"""The VAE's epochs in mmcli and in PyTorch, in turns on one core.

Both learn 784-128-18 with a Bernoulli likelihood from the 3,000 bundled images, in batches of 500, by Adam at 1e-3.
"""

import argparse
import sys
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from cores import restart_on_one_core
from timing import bundled, compile_update, ratio, take_turns

from mmcli.modules.api import Inputs
from mmcli.modules.messages import Points, neutral
from mmcli.modules.spec import Kind, Port
from mmcli.modules.vae.model import build
from mmcli.modules.vae.spec import VaeOptions

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ModuleNotFoundError:
    torch = None

BATCH_SIZE = 500
HIDDEN_DIM = 128
LATENT_DIM = 18
LEARNING_RATE = 1e-3


def mmcli_epochs(images: np.ndarray, epochs: int) -> Callable[[], float]:
    """An update of the module, from new weights; returns the loss of the last epoch, nats an item."""
    options = VaeOptions(
        latent_dim=LATENT_DIM,
        hidden_dim=HIDDEN_DIM,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
    )
    num_items, num_pixels = images.shape
    module = build(options, (Port(Kind.POINTS, num_pixels),), "cavity")
    points = Points(jnp.asarray(images), jnp.ones(num_items))
    update = compile_update("mmcli", module, Inputs.of((points,), neutral(Port(Kind.POINTS, LATENT_DIM), num_items)))
    return lambda: float(update().trace[-1])


def pytorch_epochs(images: np.ndarray, epochs: int) -> Callable[[], float]:
    """The same loop, from new weights: no loader, one gather an epoch, the update of Adam that is fastest on a core."""
    items = torch.from_numpy(images)

    def train() -> float:
        encoder = nn.Sequential(nn.Linear(items.shape[1], HIDDEN_DIM), nn.ReLU(), nn.Linear(HIDDEN_DIM, 2 * LATENT_DIM))
        decoder = nn.Sequential(nn.Linear(LATENT_DIM, HIDDEN_DIM), nn.ReLU(), nn.Linear(HIDDEN_DIM, items.shape[1]))
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=LEARNING_RATE, fused=True)
        for _ in range(epochs):
            total = torch.zeros(())
            for batch in items[torch.randperm(len(items))].split(BATCH_SIZE):
                mean, log_var = encoder(batch).chunk(2, dim=-1)
                z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
                nll = functional.binary_cross_entropy_with_logits(decoder(z), batch, reduction="sum")
                loss = nll + 0.5 * (log_var.exp() + mean.square() - 1 - log_var).sum()
                optimizer.zero_grad()
                (loss / len(batch)).backward()
                optimizer.step()
                total += loss.detach()
        return total.item() / len(items)

    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=50, help="epochs in a turn [50]")
    parser.add_argument("--turns", type=int, default=5, help="turns of each [5]")
    arguments = parser.parse_args()
    if torch is None:
        sys.exit("this benchmark compares with PyTorch: pip install torch==2.13.0")
    restart_on_one_core()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    images = bundled("images")
    jobs = {
        "mmcli": mmcli_epochs(images, arguments.epochs),
        "PyTorch": pytorch_epochs(images, arguments.epochs),
    }
    for name, job in jobs.items():  # the first run of either also allocates; and both have to learn the same
        print(f"{name}: loss {job():.1f} nats an item after {arguments.epochs} epochs")
    seconds = take_turns(jobs, arguments.turns)
    print(f"PyTorch takes {ratio(seconds['PyTorch'], seconds['mmcli'])}")


if __name__ == "__main__":
    main()
