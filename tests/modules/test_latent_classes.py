"""Latent classes of views of one word each, on planted classes."""

import jax
import jax.numpy as jnp
import numpy as np

from mmcli.modules.latent_classes import latent_classes, views_of
from mmcli.runs.metrics import agreement

K, N = 4, 400
TRUTH = np.arange(N) % K


def test_latent_classes_are_those_that_two_views_have_in_common():
    """Each view knows the class, and a kind of its own that is as plain: only the class is shared."""
    rng = np.random.default_rng(2)
    views = [np.eye(3 * K, dtype=np.float32)[3 * TRUTH + rng.integers(3, size=N)] for _ in range(2)]
    for view in views:  # a tenth of the items are in a wrong cluster
        view[rng.choice(N, N // 10, replace=False)] = np.eye(3 * K, dtype=np.float32)[rng.integers(3 * K, size=N // 10)]
    child = jnp.full((N, 1, K), -jnp.log(K))

    found = latent_classes(jax.random.key(0), views_of([jnp.asarray(view) for view in views], child), 20)

    accs = [agreement(np.asarray(found[:, start].argmax(-1)), TRUTH).acc for start in range(20)]
    assert np.median(accs) > 0.9
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
