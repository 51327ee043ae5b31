"""The VAE against closed forms in float64 and Adam by hand."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy import integrate, stats
from scipy.special import expit

from mmcli.modules import api as contract
from mmcli.modules.api import Inputs
from mmcli.modules.messages import Points
from mmcli.modules.spec import Kind, Port
from mmcli.modules.vae import model
from mmcli.modules.vae.networks import Dense
from mmcli.modules.vae.spec import LEAST_VARIANCE, SPEC, VARIANCE, VARIANCE_RATE, VaeOptions
from mmcli.testing import check_module

FALSE_ALARM = 1e-6  # probability that correct draws fail one of these tests
random_key = functools.partial(jax.random.key, impl="rbg")  # as a run has it
X, H, D = 5, 4, 2
PORTS = (Port(Kind.POINTS, X),)
BERNOULLI = VaeOptions(latent_dim=D, hidden_dim=H)


def random_params(seed=0, latent_dim=D):
    rng = np.random.default_rng(seed)

    def layer(fan_in, fan_out):
        return Dense(rng.normal(size=(fan_in, fan_out)), rng.normal(size=fan_out))

    return model.VaeParams(layer(X, H), layer(H, 2 * latent_dim), layer(latent_dim, H), layer(H, X))


def random_inputs(num_items, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    known, prior = np.ones(num_items, dtype), rng.normal(size=(num_items, D)).astype(dtype)
    return Inputs.of(
        (Points(jnp.asarray(rng.random((num_items, X)), dtype), jnp.asarray(known)),),
        Points(jnp.asarray(prior), jnp.asarray(known)),
    )


def encode(params, x):
    """Mean and log variance, in numpy."""
    code = np.maximum(x @ params.encoder.weights + params.encoder.bias, 0) @ params.code.weights + params.code.bias
    return np.split(code, 2, axis=-1)


def decode(params, z):
    return np.maximum(z @ params.decoder.weights + params.decoder.bias, 0) @ params.output.weights + params.output.bias


VARIANCES = np.linspace(0.05, 2, X)


@pytest.mark.parametrize(
    ("likelihood", "kl_weight", "variance"),
    [("bernoulli", 1.0, VARIANCE), ("gaussian", 0.3, VARIANCE), ("gaussian", 1.0, VARIANCES[None, :])],
)
def test_loss_is_the_formula_written_out(likelihood, kl_weight, variance):
    options = BERNOULLI.model_copy(update={"likelihood": likelihood, "kl_weight": kl_weight})
    rng, params = np.random.default_rng(1), random_params()
    x, prior_mean, noise = rng.random((3, X)), rng.normal(size=(3, D)), rng.normal(size=(3, D))

    with jax.enable_x64(True):
        losses, output = model.losses(options, params, variance, x, prior_mean, noise)

    mean, log_var = encode(params, x)
    np.testing.assert_allclose(output, decode(params, mean + np.exp(log_var / 2) * noise), rtol=1e-12)
    if likelihood == "bernoulli":
        log_likelihood = (x * np.log(expit(output)) + (1 - x) * np.log(expit(-output))).sum(-1)
    else:
        log_likelihood = stats.norm(output, np.sqrt(variance)).logpdf(x).sum(-1)
    kl = -0.5 * (1 + log_var - (mean - prior_mean) ** 2 - np.exp(log_var)).sum(-1)
    np.testing.assert_allclose(losses, -log_likelihood + kl_weight * kl, rtol=1e-12)


def test_kl_is_that_of_two_gaussians():
    mean, log_var, prior_mean = np.random.default_rng(0).normal(0, 1.5, (3, 4, 1))

    with jax.enable_x64(True):
        kl = model.kl_to_prior(mean, log_var, prior_mean)

    z = np.linspace(-60, 60, 400_001)[:, None]
    q, p = stats.norm(mean[:, 0], np.exp(log_var[:, 0] / 2)), stats.norm(prior_mean[:, 0], 1)
    expected = integrate.trapezoid(q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), z, axis=0)
    np.testing.assert_allclose(kl, expected, rtol=1e-7)


def test_the_mean_loss_misses_the_evidence_by_the_kl_to_the_true_posterior():
    params, rng = random_params(latent_dim=1), np.random.default_rng(2)
    x, prior_mean = rng.random((1, X)), rng.normal(size=(1, 1))
    mean, log_var = (value.item() for value in encode(params, x))
    z = np.linspace(-15, 15, 20001)  # what is beyond weighs nothing
    log_q = stats.norm(mean, np.exp(log_var / 2)).logpdf(z)
    logits = decode(params, z[:, None])
    log_likelihood = (x * np.log(expit(logits)) + (1 - x) * np.log(expit(-logits))).sum(-1)
    log_joint = log_likelihood + stats.norm(prior_mean.item(), 1).logpdf(z)
    log_evidence = np.log(integrate.trapezoid(np.exp(log_joint), z))
    kl_to_posterior = integrate.trapezoid(np.exp(log_q) * (log_q - log_joint + log_evidence), z)

    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    with jax.enable_x64(True):
        rows = len(nodes)
        tiled = np.tile(x, (rows, 1)), np.tile(prior_mean, (rows, 1))
        losses, _ = model.losses(BERNOULLI, params, VARIANCE, *tiled, nodes[:, None])

    # Gauss-Hermite is not exact across the corners of relu: hence a tolerance of a thousandth of a nat.
    assert np.asarray(losses) @ (weights / weights.sum()) == pytest.approx(-log_evidence + kl_to_posterior, abs=1e-3)
    assert kl_to_posterior > 0.01


def flat(tree):
    """All numbers of a pytree as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def quiet(state):
    """A state whose q(z | x) has no variance to speak of, so that no noise is in the loss."""
    weights, bias = state.params.code
    code = Dense(weights.at[:, D:].set(0), bias.at[D:].set(-60))
    return state._replace(params=state.params._replace(code=code))


@jax.jit
@jax.grad
def mean_gradient(params, x, prior_mean):
    """Of the loss of a batch without noise, written out."""
    mean, log_var = model.encode(BERNOULLI, params, x)
    logits = model.decode(BERNOULLI, params, mean)
    nll = -(x * jax.nn.log_sigmoid(logits) + (1 - x) * jax.nn.log_sigmoid(-logits)).sum(-1)
    kl = 0.5 * (jnp.exp(log_var) + (mean - prior_mean) ** 2 - 1 - log_var).sum(-1)
    return (nll + kl).mean()


def adam_by_hand(params, batches, inputs, rate):
    """Parameters as one vector after a step of Adam (Kingma and Ba, 2015, algorithm 1) on each batch of items."""
    vector, unravel = ravel_pytree(params)
    first, second = np.zeros(vector.size), np.zeros(vector.size)
    for step, batch in enumerate(batches, start=1):
        rows = jnp.array(batch)
        gradient = flat(mean_gradient(unravel(vector), inputs.parents[0].values[rows], inputs.child.values[rows]))
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        vector -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return np.asarray(vector)


def test_one_batch_of_all_items_is_one_step_of_adam():
    with jax.enable_x64(True):
        options = VaeOptions(latent_dim=D, hidden_dim=H, epochs=1, batch_size=100, learning_rate=0.01)
        module, inputs = model.build(options, PORTS, "cavity"), random_inputs(3, dtype=np.float64)
        state = quiet(jax.jit(module.init)(random_key(0), inputs))
        after = jax.jit(module.advance)(module.begin(random_key(1), state, inputs), inputs, jnp.int32(1)).state
        expected = adam_by_hand(state.params, [(0, 1, 2)], inputs, 0.01)

    np.testing.assert_allclose(flat(after.params), expected, atol=1e-8)


def test_what_fills_up_the_last_batch_teaches_nothing():
    with jax.enable_x64(True):
        options = VaeOptions(latent_dim=D, hidden_dim=H, epochs=1, batch_size=2, learning_rate=0.01)
        module, inputs = model.build(options, PORTS, "cavity"), random_inputs(3, dtype=np.float64)
        state = quiet(jax.jit(module.init)(random_key(0), inputs))
        advance = jax.jit(module.advance)
        begun = [module.begin(random_key(seed), state, inputs) for seed in range(12)]
        afters = [flat(advance(work, inputs, jnp.int32(1)).state.params) for work in begun]
        # Whatever the order: two items in the first batch, the third alone in the last.
        splits = [((0, 1), (2,)), ((0, 2), (1,)), ((1, 2), (0,))]
        expected = np.stack([adam_by_hand(state.params, split, inputs, 0.01) for split in splits])

    distances = np.abs(np.stack(afters)[:, None] - expected[None]).max(-1)  # (keys, splits)
    assert distances.min(1).max() < 1e-8
    assert set(distances.argmin(1)) == {0, 1, 2}
    assert min(np.abs(one - other).max() for one, other in itertools.combinations(expected, 2)) > 1e-4


OPTIONS = VaeOptions(latent_dim=D, hidden_dim=H, epochs=30, batch_size=4, learning_rate=0.01)


@pytest.fixture(scope="module")
def module():
    built = model.build(OPTIONS, PORTS, "cavity")
    return built._replace(
        init=jax.jit(built.init), advance=jax.jit(built.advance), end=jax.jit(built.end), infer=jax.jit(built.infer)
    )


def with_unknown(inputs, row, value):
    """The inputs with the item of a row unknown, and a value where it was, here and in its prior mean."""
    points, prior = inputs.parents[0], inputs.child
    unknown = Points(points.values.at[row].set(value), points.weight.at[row].set(0))
    return Inputs.of((unknown,), prior._replace(values=prior.values.at[row].set(value)))


def test_unknown_items_teach_nothing_and_sit_at_their_prior_mean(module):
    key, inputs = random_key(0), random_inputs(10)
    state = module.init(key, inputs)
    missing, other = with_unknown(inputs, 4, 0.0), with_unknown(inputs, 4, 100.0)

    learned, outputs, info = contract.step(module, key, state, missing)
    same, others, same_info = contract.step(module, key, state, other)

    np.testing.assert_array_equal(flat(learned), flat(same))
    np.testing.assert_array_equal(info.trace, same_info.trace)
    assert (
        outputs.forward.weight.tolist() == others.forward.weight.tolist() == inputs.child.weight.at[4].set(0).tolist()
    )
    np.testing.assert_array_equal(others.items["z"][4], [100.0, 100.0])
    np.testing.assert_array_equal(outputs.items["z"][:4], others.items["z"][:4])


def test_the_loss_of_epochs_falls_and_ends_in_the_bound(module):
    inputs = with_unknown(random_inputs(10), 4, 0.0)
    state = jax.jit(module.init)(random_key(0), inputs)

    learned, _, info = contract.step(module, random_key(0), state, inputs)
    _, _, later = contract.step(module, random_key(1), learned, inputs)

    assert info.trace[:5].mean() > info.trace[-5:].mean() + 0.1
    assert later.trace[:5].mean() < info.trace[:5].mean() - 0.1  # weights go on from round to round
    assert float(info.objective) == pytest.approx(-9 * float(info.trace[-1]), rel=1e-6)


def test_backward_goes_what_the_child_expects_and_in_serkets_form_the_reconstruction(module):
    inputs = random_inputs(10)
    state = jax.jit(module.init)(random_key(0), inputs)
    other = inputs._replace(parents=random_inputs(10, seed=7).parents)
    serket = model.build(OPTIONS, PORTS, "serket")

    outputs, others = module.infer(state, inputs), module.infer(state, other)
    contained = jax.jit(serket.infer)(state, inputs)

    params = jax.tree.map(np.asarray, state.params)
    expected = expit(decode(params, np.asarray(inputs.child.values)))
    np.testing.assert_allclose(outputs.backward[0].values, expected, rtol=1e-4)
    np.testing.assert_array_equal(outputs.backward[0].values, others.backward[0].values)
    reconstructed = expit(decode(params, encode(params, np.asarray(inputs.parents[0].values))[0]))
    np.testing.assert_allclose(contained.backward[0].values, reconstructed, rtol=1e-4)
    np.testing.assert_allclose(outputs.items["x_hat"], reconstructed, rtol=1e-4)
    np.testing.assert_array_equal(contained.forward.values, outputs.forward.values)


def test_samples_are_drawn_from_the_posterior():
    inputs = with_unknown(random_inputs(2000), 4, 0.25)
    module = model.build(OPTIONS.model_copy(update={"sends": "sample", "likelihood": "gaussian"}), PORTS, "cavity")
    state = jax.jit(module.init)(random_key(0), inputs)

    _, outputs, _ = jax.jit(module.end)(module.begin(random_key(3), state, inputs), inputs)

    mean, log_var = encode(jax.tree.map(np.asarray, state.params), np.asarray(inputs.parents[0].values))
    known = np.arange(2000) != 4
    noise = ((outputs.forward.values - mean) / np.exp(log_var / 2))[known]
    for column in noise.T:
        assert stats.kstest(column, stats.norm.cdf).pvalue > FALSE_ALARM
    assert stats.pearsonr(*noise.T).pvalue > FALSE_ALARM
    np.testing.assert_array_equal(outputs.forward.values[4], [0.0, 0.0])
    np.testing.assert_allclose(outputs.items["z"][known], mean[known], atol=1e-5)
    np.testing.assert_allclose(
        outputs.items["x_hat"][known], decode(jax.tree.map(np.asarray, state.params), mean)[known], atol=1e-4
    )


def test_the_variance_goes_towards_the_mean_square_of_each_columns_error():
    options = OPTIONS.model_copy(update={"likelihood": "gaussian", "variance": "learned", "batch_size": 100})
    with jax.enable_x64(True):
        module, inputs = (
            model.build(options, PORTS, "cavity"),
            with_unknown(random_inputs(10, dtype=np.float64), 4, 9.0),
        )
        state = quiet(jax.jit(module.init)(random_key(0), inputs))
        after = jax.jit(module.advance)(module.begin(random_key(1), state, inputs), inputs, jnp.int32(1)).state

    known, x = np.arange(10) != 4, np.asarray(inputs.parents[0].values)
    params = jax.tree.map(np.asarray, state.params)
    errors = x - decode(params, encode(params, x)[0])
    expected = VARIANCE + VARIANCE_RATE * (np.square(errors[known]).mean(0) - VARIANCE)
    np.testing.assert_allclose(state.params.variance, VARIANCE)
    np.testing.assert_allclose(after.params.variance, expected, rtol=1e-9)


def test_the_noise_of_each_column_is_found_and_one_without_any_has_the_least_variance():
    rng, noise = np.random.default_rng(0), np.array([0.2, 0.5, 0.8, 0.3, 0.6, 0.4, 0.3, 0.7])
    loadings = [[1.0, 1, -1, 0, 1, 0, -1, 1], [1, -1, 0, 1, 0, 1, -1, -1]]
    x = rng.normal(size=(1000, 2)) @ loadings + noise * rng.normal(size=(1000, 8))
    points = Points(jnp.asarray(np.c_[x, np.zeros(1000)], np.float32), jnp.ones(1000))
    inputs = Inputs.of((points,), Points(jnp.zeros((1000, D)), jnp.zeros(1000)))
    options = OPTIONS.model_copy(update={"likelihood": "gaussian", "variance": "learned", "hidden_dim": 32})
    options = options.model_copy(update={"batch_size": 100, "epochs": 200, "learning_rate": 0.003})

    module = model.build(options, PORTS, "cavity")
    learned, _, _ = contract.step(module, random_key(1), jax.jit(module.init)(random_key(0), inputs), inputs)

    np.testing.assert_allclose(np.sqrt(learned.params.variance[:8]), noise, atol=0.06)
    assert float(learned.params.variance[8]) == pytest.approx(LEAST_VARIANCE)


@pytest.mark.parametrize(
    ("width", "options"),
    [
        (4, {"encoder": {"type": "mlp", "hidden": (5, 4)}, "likelihood": "gaussian", "variance": "learned"}),
        (30, {"encoder": {"type": "conv", "channels": (2, 3), "shape": (5, 2, 3)}, "sends": "sample"}),
    ],
    ids=["layers", "images"],
)
def test_variants_keep_to_the_contract(width, options):
    check_module(SPEC, VaeOptions(latent_dim=D, epochs=2, batch_size=4, **options), (Port(Kind.POINTS, width),))
