"""What a GMM sends of an item leaves the item out: against posteriors without it, in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mmcli.modules import gaussians
from mmcli.modules.api import Inputs, step
from mmcli.modules.gaussians import Own, Prior
from mmcli.modules.gmm import marginals, model
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.gmm.table import Table, prepare
from mmcli.modules.messages import Points, neutral
from mmcli.modules.spec import Kind, Port
from mmcli.runs.metrics import agreement

N, K, WIDTHS = 12, 2, (2, 1, 1)
D = sum(WIDTHS)
OWNERS = np.repeat(np.arange(len(WIDTHS)), WIDTHS)
LABELS = np.arange(N) % K


def made_table(known):
    values = np.random.default_rng(0).normal(size=(N, D)) + 3 * LABELS[:, None]
    return Table(jnp.asarray(values), jnp.asarray(known, float), jnp.asarray(OWNERS))


def predictive(niw, k, point, there, covariance):
    """Log of the Student t distribution of the known columns of a point. Murphy (2012), eq. 4.222."""
    mean, kappa, chol = (np.asarray(leaf[k]) for leaf in (niw.means, niw.kappa, niw.chol_scatters))
    spread = (kappa + 1) / kappa
    if covariance == "diagonal":
        freedom = float(niw.nu[k])
        scales = chol[there] * np.sqrt(spread / freedom)
        return stats.t(freedom, mean[there], scales).logpdf(point[there]).sum()
    freedom = float(niw.nu[k]) - D + 1
    shape = (chol @ chol.T)[np.ix_(there, there)] * spread / freedom
    return stats.multivariate_t(mean[there], shape, freedom).logpdf(point[there])


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole points", "some inputs missing"])
@pytest.mark.parametrize("is_hard", [True, False], ids=["labels", "shares"])
def test_the_density_of_an_item_is_predicted_by_the_others(covariance, is_whole, is_hard):
    known = np.ones((N, len(WIDTHS)))
    if not is_whole:
        known[::3, 0] = known[1::4, 1] = 0
        known[5] = 0
    shares = np.eye(K)[LABELS] if is_hard else np.random.default_rng(1).dirichlet(np.ones(K), N)
    shares *= known.max(1, keepdims=True)
    with jax.enable_x64(True):
        table = made_table(known)
        # Missing columns count with any values that the sampler drew for them.
        data = prepare(table._replace(known=jnp.ones_like(table.known)), Prior(jnp.full(D, 1.5), jnp.full(D, 0.3)))
        posterior = partial(gaussians.expected_posterior, data, covariance=covariance)
        own = Own(posterior(jnp.asarray(shares).T), jnp.asarray(shares))
        scores = np.asarray(marginals.log_joint(gaussians.mean_params(own.posterior), table, own))

        for item, there in enumerate(known[:, OWNERS] > 0):
            others = np.where(np.arange(N)[:, None] == item, 0, shares)
            niw = posterior(jnp.asarray(others).T)
            weights = np.log((1 + niw.counts) / (K + niw.counts.sum()))
            for k in range(K):
                density = predictive(niw, k, np.asarray(table.values[item]), there, covariance) if there.any() else 0
                assert scores[item, k] == pytest.approx(weights[k] + density, rel=1e-8)


def test_a_tied_covariance_is_without_the_item_for_its_own_class():
    shares = np.eye(K)[LABELS]
    with jax.enable_x64(True):
        table = made_table(np.ones((N, len(WIDTHS))))
        data = prepare(table, Prior(jnp.full(D, 1.5), jnp.full(D, 0.3)))
        own = Own(gaussians.expected_posterior(data, jnp.asarray(shares).T, "tied"), jnp.asarray(shares))
        scores = np.asarray(marginals.log_joint(gaussians.mean_params(own.posterior), table, own))

        for item, label in enumerate(LABELS):
            # The scatter without the item: the others' products, less those of the means without it.
            there = np.arange(N) != item
            centred = np.asarray(data.centred)[there]
            sums = np.stack([centred[LABELS[there] == k].sum(0) for k in range(K)])
            kappas = 1 + np.bincount(LABELS[there], minlength=K)
            scatter = 0.3 * np.eye(D) + centred.T @ centred - (sums / kappas[:, None]).T @ sums
            mean, kappa, freedom = 1.5 + sums[label] / kappas[label], kappas[label], N - 1 + 3
            shape = scatter * (kappa + 1) / kappa / freedom
            density = stats.multivariate_t(mean, shape, freedom).logpdf(np.asarray(table.values[item]))
            assert scores[item, label] == pytest.approx(np.log(kappa / (K + N - 1)) + density, rel=1e-8)


def test_classes_of_noise_are_not_confirmed_by_the_items_that_made_them():
    rng = np.random.default_rng(0)
    points = Points(jnp.asarray(rng.normal(size=(60, 6)), jnp.float32), jnp.ones(60))
    options = GmmOptions(num_classes=6, sweeps=20)
    module = model.build(options, (Port(Kind.POINTS, 6),), "cavity")
    labels = rng.integers(0, 6, 60)
    message = neutral(Port(Kind.CATEGORICAL, 6), 60)
    sure = message._replace(
        log_probs=jax.nn.log_softmax(9.0 * jax.nn.one_hot(labels, 6)), weight=jnp.ones_like(message.weight)
    )
    inputs = Inputs.of((points,), sure)

    _, outputs, _ = jax.jit(lambda *args: step(module, *args))(
        jax.random.key(0), module.init(jax.random.key(0), inputs), inputs
    )

    assert agreement(np.asarray(outputs.items["class"]), labels).acc == 1  # the message decides
    sent = np.exp(np.asarray(outputs.forward.log_probs))
    confirmed = np.take_along_axis(sent, np.asarray(outputs.items["class"])[:, None], axis=1).mean()
    assert confirmed < 0.25  # 1 in 6 is what noise can confirm
