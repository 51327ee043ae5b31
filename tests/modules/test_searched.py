"""The part of many items that an MLDA searches, and what it finds of all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import softmax

from mmcli.data.labels import make_labels
from mmcli.modules.api import Inputs, step
from mmcli.modules.counts import on_device
from mmcli.modules.messages import Categorical, Counts, neutral, normalized
from mmcli.modules.mlda import spec
from mmcli.modules.mlda.model import build
from mmcli.modules.mlda.searched import memberships_of_all, searched, searched_places
from mmcli.modules.mlda.spec import MldaOptions, most_searched
from mmcli.modules.packed import packed
from mmcli.modules.spec import Kind, Port
from mmcli.modules.word_mixtures import Views
from mmcli.runs.metrics import evaluate

N, S, K, V = 150, 60, 3, 9
KINDS = np.random.default_rng(0).integers(0, K, N)
WORDS = np.random.default_rng(1).poisson(4 * np.kron(np.eye(K), np.ones(V // K))[KINDS] + 0.3).astype(np.uint8)
GUESSES = normalized(jnp.asarray(np.where(np.eye(K)[KINDS] > 0, 2.0, 0.0)), jnp.asarray(np.arange(N) % 5 > 0, float))
PORTS = (Port(Kind.COUNTS, V), Port(Kind.CATEGORICAL, K))


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(spec, "FEWEST_SEARCHED", S)
    monkeypatch.setattr(spec, "SEARCHED_PER_CLASS", 1)


def inputs_of(values):
    there = jnp.asarray(np.arange(N) % 7 > 0, float)
    return Inputs.of((Counts(values, there), GUESSES), neutral(Port(Kind.CATEGORICAL, K), N))


def test_few_items_are_searched_whole_and_many_in_part(monkeypatch):
    inputs = inputs_of(packed(WORDS, 1))

    places = searched_places(K, inputs)
    part = searched(K, inputs)

    assert len(places) == S == most_searched(K)
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(part.parents[0].values, WORDS[places].astype(np.float32))
    np.testing.assert_array_equal(part.parents[1].log_probs, GUESSES.log_probs[places])
    np.testing.assert_array_equal(part.child.weight, np.zeros(S))
    monkeypatch.setattr(spec, "SEARCHED_PER_CLASS", N)  # more classes need more items
    assert searched_places(K, inputs) is None
    np.testing.assert_array_equal(searched(K, inputs).parents[0].values, WORDS.astype(np.float32))


def test_sparse_counts_are_searched_whole():
    assert searched_places(K, inputs_of(on_device(csr_array(WORDS.astype(np.float32))))) is None


def test_memberships_of_all_are_the_posterior_of_the_mixture_of_the_part():
    rng, places = np.random.default_rng(2), np.arange(0, N, 3)
    memberships = rng.dirichlet(np.ones(K), len(places))
    child, beta = np.log(rng.dirichlet(np.ones(K), N))[:, None], 0.2

    with jax.enable_x64(True):
        counts = jnp.asarray(WORDS.astype(float))
        known = (jnp.ones(N),)
        views = Views((counts,), (jnp.asarray(beta),), known, jnp.asarray(child), jnp.ones(N))
        part = views._replace(words=(counts[places],), child=jnp.asarray(child[places]))
        found = memberships_of_all(jnp.asarray(memberships), part, views)

    shares = (memberships.sum(0) + 1) / (len(places) + K)
    words = memberships.T @ WORDS[places] + beta
    log_words = np.log(words / words.sum(1, keepdims=True))
    np.testing.assert_allclose(found, softmax(np.log(shares) + WORDS @ log_words.T + child[:, 0], axis=1), rtol=1e-9)


def test_an_update_finds_the_classes_of_all_items():
    module = build(MldaOptions(num_classes=K, restarts=4), PORTS, "cavity")
    inputs = inputs_of(packed(WORDS, 1))
    key = jax.random.key(0, impl="rbg")

    def updates():
        state, _, _ = step(module, key, module.init(key, inputs), inputs)
        work = jax.eval_shape(module.begin, key, state, inputs)
        assert {work.best.shape[0], *(beliefs.shape[0] for beliefs in work.beliefs)} == {S}
        return step(module, jax.random.fold_in(key, 1), state, inputs)

    state, outputs, _ = jax.jit(updates)()

    assert state.memberships.shape == (N, K)
    assert isinstance(outputs.forward, Categorical)
    assert evaluate(np.asarray(outputs.items["class"]), make_labels(KINDS)).acc > 0.98
