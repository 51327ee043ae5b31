"""A model that learns in seconds, from three clusters made up here."""

import numpy as np

NUM_ITEMS = 60
TINY = """\
seed: 0
rounds: 2
search: {starts: 1}
data:
  images: {file: tiny.npz, key: images}
  words:  {file: tiny.npz, key: words}
  kinds:  {file: tiny.npz, key: labels}
modules:
  image: {type: observation, data: images}
  word:  {type: observation, data: words}
  vae:   {type: vae, inputs: [image], latent_dim: 2, hidden_dim: 8, epochs: 200, batch_size: 20, learning_rate: 0.01}
  gmm:   {type: gmm, inputs: [vae], num_classes: 3, sweeps: 10, chains: 2, labels: kinds}
  mlda:  {type: mlda, inputs: [word, gmm], num_classes: 3, weights: [20, 20], sweeps: 10, labels: kinds}
"""


def tiny_arrays() -> dict[str, np.ndarray]:
    """Three kinds of items, each with its own bright pixels and its own words."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), NUM_ITEMS // 3)  # (N,)
    shown = np.kron(np.eye(3), np.ones(4))[labels]  # (N, 12)
    return {
        "images": np.clip(0.8 * shown + 0.2 * rng.random(shown.shape), 0, 1).astype(np.float32),
        "words": rng.poisson(3 * shown + 0.2),
        "labels": labels,
    }
