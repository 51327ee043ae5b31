"""Merging against enumeration of all classes, assignments and signs, in float64; and draws against probabilities."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import log_softmax, softmax
from sklearn.metrics import cohen_kappa_score

from mmcli.modules import api
from mmcli.modules.api import Inputs
from mmcli.modules.merge import evidence, model, naming_game, product
from mmcli.modules.merge.naming_game import Game, GameState
from mmcli.modules.merge.product import ProductState
from mmcli.modules.merge.spec import SPEC, MergeOptions
from mmcli.modules.messages import normalized
from mmcli.modules.spec import Kind, Port
from mmcli.testing import check_module

FALSE_ALARM = 1e-6  # probability that a correct sampler fails
K, N = 3, 6
ORDER = [3, 2, 0, 1]  # class of the second agent that is class c of the first, in `planted_game`
KNOWN = np.array([[1, 1, 0, 1, 0, 1], [1, 0, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0]])  # of three inputs; one item lacks all
SENT = np.array([1, 1, 0, 0, 1, 1])
random_key = functools.partial(jax.random.key, impl="rbg")  # as a run has it


def random_inputs(widths, width=K, sent=SENT, seed=0):
    rng = np.random.default_rng(seed)
    known = jnp.asarray(KNOWN, float)
    parents = [
        normalized(jnp.asarray(2 * rng.normal(size=(N, columns))), known[place]) for place, columns in enumerate(widths)
    ]
    return Inputs.of(tuple(parents), normalized(jnp.asarray(rng.normal(size=(N, width))), jnp.asarray(sent, float)))


def ports(*widths):
    return [Port(Kind.CATEGORICAL, width) for width in widths]


def inferred(function, setting, state, inputs):
    outputs = jax.jit(functools.partial(function, setting))(state, inputs)
    return jax.tree.map(np.asarray, outputs)


def require_message(message, scores, there):
    """Require a message to be proportional to scores (N, K) where it is there, and neutral elsewhere."""
    np.testing.assert_array_equal(message.weight, there)
    expected = np.where(there[:, None], scores / scores.sum(-1, keepdims=True), 1 / scores.shape[1])
    np.testing.assert_allclose(np.exp(message.log_probs), expected, rtol=1e-9)


@pytest.mark.parametrize("widths", [(4, 4), (3, 3, 3)])
def test_a_product_keeps_to_the_contract(widths):
    check_module(SPEC, MergeOptions(how="product"), ports(*widths))


def test_a_product_of_messages_is_the_posterior_of_the_class():
    """Three discrete inputs, independent given the class, each with an order of its own; the prior is known."""
    rng = np.random.default_rng(1)
    prior, values = rng.dirichlet(np.ones(K)), 4
    likelihoods = rng.dirichlet(np.ones(values), (3, K))  # P(value of input m | class)
    orders = np.array([[0, 1, 2], [2, 0, 1], [1, 2, 0]])
    seen = rng.integers(0, values, (3, N))
    evidence_of = [np.where(KNOWN[m][:, None] > 0, likelihoods[m][:, seen[m]].T, 1) for m in range(3)]  # (N, K)
    with jax.enable_x64(True):
        parents = tuple(
            normalized(jnp.log(prior * evidence_of[m])[:, np.argsort(orders[m])], jnp.asarray(KNOWN[m], float))
            for m in range(3)
        )
        child = normalized(jnp.asarray(rng.normal(size=(N, K))), jnp.asarray(SENT, float))
        inputs = Inputs.of(parents, child)
        state = ProductState(jnp.asarray(orders), jnp.log(prior), jnp.zeros((3, N), int))
        cavity, serket = (inferred(product.infer, rule, state, inputs) for rule in ("cavity", "serket"))
        shared = product.shared_evidence(state.log_shares, product.evidence_of(state, inputs))
        child = jax.tree.map(np.asarray, child)

    sent = np.where(SENT[:, None] > 0, np.exp(child.log_probs), 1)
    together = prior * np.prod(evidence_of, axis=0)
    require_message(cavity.forward, together, KNOWN.max(0) > 0)
    belief = together * sent
    np.testing.assert_allclose(cavity.items["Pdz"], belief / belief.sum(-1, keepdims=True), rtol=1e-9)
    np.testing.assert_array_equal(cavity.items["class"], belief.argmax(-1))
    for m in range(3):
        others = np.prod([evidence_of[other] for other in range(3) if other != m], axis=0) * sent
        there = KNOWN.sum(0) - KNOWN[m] + SENT > 0
        in_own_order = np.argsort(orders[m])
        require_message(cavity.backward[m], others[:, in_own_order], there)
        require_message(serket.backward[m], belief[:, in_own_order], KNOWN.max(0) + SENT > 0)
    marginals = [np.log((prior * each).sum(-1)) for each in evidence_of]
    assert shared == pytest.approx((np.log(together.sum(-1)) - np.sum(marginals, axis=0)).sum(), rel=1e-9)


def learned(options, inputs, widths, rounds=1):
    module = model.build(options, tuple(ports(*widths)), "cavity")
    state = module.init(random_key(0), inputs)
    for number in range(rounds):
        state, outputs, info = jax.jit(functools.partial(api.step, module))(random_key(number), state, inputs)
    return module, *jax.tree.map(np.asarray, (state, outputs, info))


def test_no_other_order_makes_two_inputs_agree_more():
    for seed in range(5):
        inputs = random_inputs((4, 4), width=4, seed=seed)
        _, state, _, info = learned(MergeOptions(how="product"), inputs, (4, 4))

        probs = [message.weight[:, None] * np.exp(message.log_probs) for message in inputs.parents]
        table = np.asarray(probs[0].T @ probs[1])
        agreed = {order: table[range(4), order].sum() for order in itertools.permutations(range(4))}
        np.testing.assert_array_equal(state.orders[0], range(4))
        assert agreed[tuple(state.orders[1].tolist())] == pytest.approx(max(agreed.values()), rel=1e-6)
        assert info.trace.shape == (1,)


def test_three_inputs_that_number_their_classes_differently_are_aligned():
    rng, num_items = np.random.default_rng(0), 60
    classes = rng.integers(0, 5, num_items)
    orders = np.array([range(5), rng.permutation(5), rng.permutation(5)])
    # The second and third say little of the first, and more of each other.
    seen = [
        np.where(rng.random(num_items) < wrong, rng.integers(0, 5, num_items), classes) for wrong in (0.6, 0.3, 0.3)
    ]
    parents = tuple(normalized(4.0 * jnp.eye(5)[orders[m][found]], jnp.ones(num_items)) for m, found in enumerate(seen))
    inputs = Inputs.of(parents, normalized(jnp.zeros((num_items, 5)), jnp.zeros(num_items)))

    module, state, outputs, info = learned(MergeOptions(how="product"), inputs, (5, 5, 5))

    np.testing.assert_array_equal(state.orders, orders)
    np.testing.assert_array_equal(state.signs, seen)
    assert np.mean(outputs.items["class"] == classes) > np.mean(seen[1] == classes)
    params = jax.tree.map(np.asarray, module.params(state))
    np.testing.assert_array_equal(params["table2"].argmax(-1), orders[2])
    assert params["kappa"][0, 2] == pytest.approx(cohen_kappa_score(seen[0], seen[2]), abs=1e-5)
    assert info.trace[-1] == pytest.approx((params["kappa"].sum() - 3) / 6, abs=1e-6)


def test_kappa_counts_the_items_that_both_know():
    rng = np.random.default_rng(0)
    signs = rng.integers(-1, 4, (2, 200))
    both = (signs >= 0).all(0)

    found = evidence.kappas(jnp.asarray(signs), 4)

    assert found[0, 1] == pytest.approx(cohen_kappa_score(signs[0][both], signs[1][both]), abs=1e-5)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(found).T)
    assert evidence.mean_kappa(jnp.asarray([[2, 2], [-1, 2]]), 4) == 0  # agreed by chance


def game_of(accept="metropolis", rule="cavity"):
    return Game(accept, 4, "shares", rule)


def random_state(rng, widths=(3, 4)):
    tables = tuple(jnp.asarray(rng.dirichlet(np.ones(width), 4)) for width in widths)
    priors = tuple(jnp.log(rng.dirichlet(np.ones(width))) for width in widths)
    return GameState(jnp.zeros((2, N), jnp.int32), tables, priors, jnp.zeros(2))


def ratios_of(state, inputs):
    """P(item | class) of each agent, up to a factor of the item, (N, K_m)."""
    return [
        np.where(message.weight[:, None] > 0, np.exp(message.log_probs - log_prior), 1)
        for message, log_prior in zip(inputs.parents, state.log_priors, strict=True)
    ]


@pytest.mark.parametrize("accept", ["metropolis", "all", "none"])
def test_outputs_of_a_game_are_those_of_all_signs_and_classes(accept):
    with jax.enable_x64(True):
        state, inputs = random_state(np.random.default_rng(2)), random_inputs((3, 4), width=4)
        outputs = inferred(naming_game.infer, game_of(accept), state, inputs)
        serket = inferred(naming_game.infer, game_of(accept, "serket"), state, inputs)
        state, inputs = jax.tree.map(np.asarray, (state, inputs))

    known, sent = KNOWN[:2], np.where(SENT[:, None] > 0, np.exp(inputs.child.log_probs), 1)
    items = ratios_of(state, inputs)
    # By summing over the classes of a sign: P(item of m | w), (2, N, W).
    own = np.array([np.einsum("nc,wc->nw", each, table) for each, table in zip(items, state.tables, strict=True)])

    def beliefs(further):
        if accept == "metropolis":
            every = own.prod(0) * further
            return every / every.sum(-1, keepdims=True)
        alone = own * further
        alone /= alone.sum(-1, keepdims=True)
        weights = np.where(known.max(0) > 0, known, 1)[:, :, None]
        return (weights * alone).sum(0) / weights.sum(0)

    require_message(outputs.forward, beliefs(np.ones((N, 4))), known.max(0) > 0)
    np.testing.assert_allclose(outputs.items["Pdz"], beliefs(sent), rtol=1e-9)
    for m in range(2):
        other = np.zeros(N) if accept == "none" else known[1 - m]
        heard = np.where(other[:, None] > 0, own[1 - m], 1) * sent
        signs = heard / heard.sum(-1, keepdims=True)
        back = signs @ state.tables[m] / np.exp(state.log_priors[m])
        require_message(outputs.backward[m], (back / back.max()) ** (100 if accept == "all" else 1), other + SENT > 0)
        if accept == "metropolis":  # with the agent's own evidence the message is the posterior of its class
            both = items[m] * np.exp(state.log_priors[m]) * np.exp(outputs.backward[m].log_probs)
            joint = np.einsum("nw,wc,nc->nc", heard, state.tables[m], items[m])
            rows = outputs.backward[m].weight > 0
            np.testing.assert_allclose(
                (both / both.sum(-1, keepdims=True))[rows], (joint / joint.sum(-1, keepdims=True))[rows], rtol=1e-9
            )
            every = heard * np.where(known[m][:, None] > 0, own[m], 1)
            expected = every / every.sum(-1, keepdims=True) @ state.tables[m]
            require_message(serket.backward[m], expected, known.max(0) + SENT > 0)


@pytest.mark.parametrize(("accept", "places"), [("metropolis", [0, 1]), ("all", [0]), ("none", [1])])
def test_signs_are_drawn_from_the_posterior_that_both_agents_share(accept, places):
    """Many chains of one item: after many exchanges signs are draws of P(w) P(item of 0 | w) P(item of 1 | w)."""
    num_chains, num_exchanges, num_signs = 20_000, 60, 4
    scores = 1.5 * np.random.default_rng(3).normal(size=(2, num_signs))
    expected = softmax(sum(scores[place] for place in places))
    speaker, listener = (jnp.tile(jnp.asarray(row), (num_chains, 1)) for row in scores)
    heard = jnp.full(num_chains, accept != "none")

    def again(index, signs):
        key = jax.random.fold_in(random_key(0), index)
        proposer = jnp.where(heard[:, None], speaker, listener)
        return naming_game.exchange(accept, key, proposer, listener, heard, signs)[0]

    start = jnp.full(num_chains, int(expected.argmin()), jnp.int32)
    signs = np.asarray(jax.jit(lambda signs: jax.lax.fori_loop(0, num_exchanges, again, signs))(start))

    counts = np.bincount(signs, minlength=num_signs)
    assert stats.chisquare(counts, num_chains * expected).pvalue > FALSE_ALARM


def test_a_listener_accepts_by_the_ratio_of_its_own_evidence():
    num_items, listener = 20_000, np.log([0.5, 0.2, 0.3])
    certain = jnp.full((num_items, K), -100.0).at[:, 1].set(0.0)
    signs = jnp.zeros(num_items, jnp.int32)
    every = jnp.ones(num_items, bool)

    after, accepted = naming_game.exchange(
        "metropolis", random_key(1), certain, jnp.tile(jnp.asarray(listener), (num_items, 1)), every, signs
    )

    assert stats.binomtest(int(accepted.sum()), num_items, 0.2 / 0.5).pvalue > FALSE_ALARM
    np.testing.assert_array_equal(after, np.where(accepted, 1, 0))


def test_a_table_counts_the_classes_that_a_sign_stands_for():
    with jax.enable_x64(True):
        state, inputs = random_state(np.random.default_rng(4)), random_inputs((3, 4), width=4)
        signs = jnp.array([0, 2, -1, 2, -1, 1])
        found = naming_game.relearned_table(signs, inputs.parents[0], state.log_priors[0], state.tables[0])
        state, inputs, found = jax.tree.map(np.asarray, (state, inputs, found))

    counts = np.full((4, 3), naming_game.TABLE_COUNT)
    for item, sign in enumerate(signs.tolist()):
        if sign >= 0:
            scores = state.tables[0][sign] * ratios_of(state, inputs)[0][item]
            counts[sign] += scores / scores.sum()
    np.testing.assert_allclose(found, counts / counts.sum(-1, keepdims=True), rtol=1e-9)


def planted_game(num_items=400, seed=0):
    """Two agents, each unsure of a fifth of the items, and the classes as the first numbers them."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 4, num_items)
    parents = []
    for order in ([0, 1, 2, 3], ORDER):
        log_probs = 6.0 * np.eye(4)[np.array(order)[classes]]
        unsure = rng.random(num_items) < 0.2
        log_probs[unsure] = rng.normal(size=(unsure.sum(), 4))
        parents.append(normalized(jnp.asarray(log_probs), jnp.ones(num_items)))
    return Inputs.of(tuple(parents), normalized(jnp.zeros((num_items, 4)), jnp.zeros(num_items))), classes


def played(accept):
    """Results of two updates of a game over `planted_game`, and the parameters that a run shows."""
    options = MergeOptions(how="naming_game", accept=accept, exchanges=30)
    module, state, outputs, info = learned(options, planted_game()[0], (4, 4), rounds=2)
    params = jax.tree.map(np.asarray, module.params(state))
    assert params["kappa"][0, 1] == pytest.approx(cohen_kappa_score(*state.signs), abs=1e-5)
    assert info.trace[-1] == pytest.approx(params["kappa"][0, 1], abs=1e-5)
    return params, outputs


def test_agents_share_signs_and_know_more_together_than_either_alone():
    inputs, classes = planted_game()
    params, outputs = played("metropolis")

    alone = [
        np.mean(np.asarray(message.log_probs).argmax(-1) == order)
        for message, order in zip(inputs.parents, (classes, np.array(ORDER)[classes]), strict=True)
    ]
    assert np.mean(outputs.items["class"] == classes) > max(alone) + 0.05
    np.testing.assert_array_equal(params["table0"].argmax(-1), range(4))
    np.testing.assert_array_equal(params["table1"].argmax(-1), ORDER)
    assert params["kappa"][0, 1] > 0.6
    assert 0.6 < params["accepted"][0, 1] < 1
    assert 0.6 < params["accepted"][1, 0] < 1


def test_listeners_that_accept_all_lose_what_they_knew():
    params, outputs = played("all")

    np.testing.assert_array_equal(params["accepted"], 1)
    assert params["kappa"][0, 1] < played("metropolis")[0]["kappa"][0, 1]
    assert all(message.weight.all() for message in outputs.backward)


def test_listeners_that_accept_none_keep_signs_of_their_own():
    params, outputs = played("none")

    np.testing.assert_array_equal(params["accepted"], np.eye(2))
    assert params["kappa"][0, 1] < 0.1
    np.testing.assert_array_equal(params["table1"].argmax(-1), range(4))
    assert not any(message.weight.any() for message in outputs.backward)


def test_the_second_agent_begins_with_the_signs_of_the_first_unless_it_accepts_none():
    inputs = random_inputs((3, 4), width=4)
    own = [np.where(KNOWN[m] > 0, np.asarray(inputs.parents[m].log_probs).argmax(-1), -1) for m in range(2)]

    taught, alone = (naming_game.init(game_of(accept), random_key(0), inputs) for accept in ("metropolis", "none"))

    np.testing.assert_array_equal(taught.signs[0], own[0])
    np.testing.assert_array_equal(taught.signs[1], np.where(KNOWN[1] > 0, own[0], -1))
    np.testing.assert_array_equal(alone.signs, own)


@pytest.mark.parametrize("how", ["product", "naming_game"])
def test_samples_follow_the_messages(how):
    widths = (3, 3) if how == "product" else (3, 4)
    num_draws = 4000
    rng = np.random.default_rng(5)
    inputs = random_inputs(widths, width=widths[1])
    if how == "product":
        setting, state, functions = (
            "cavity",
            ProductState(
                jnp.array([[0, 1, 2], [2, 0, 1]]), jnp.log(jnp.array([0.2, 0.3, 0.5])), jnp.zeros((2, N), int)
            ),
            product,
        )
    else:
        setting, state, functions = game_of(), random_state(rng), naming_game
    keys = jax.random.split(random_key(0), num_draws)

    drawn = jax.jit(jax.vmap(lambda key: functions.sample(setting, key, state, inputs)))(keys)
    backward = inferred(functions.infer, setting, state, inputs).backward

    for m in range(2):
        prior = (
            np.asarray(state.log_priors[m])
            if how == "naming_game"
            else np.asarray(state.log_shares)[np.argsort(state.orders[m])]
        )
        # The message leaves the class probabilities out, which a draw follows.
        expected = softmax(np.float64(backward[m].log_probs) + prior, axis=-1)
        for item in np.flatnonzero(backward[m].weight):
            counts = np.bincount(np.asarray(drawn[m].log_probs)[:, item].argmax(-1), minlength=widths[m])
            assert stats.chisquare(counts, num_draws * expected[item]).pvalue > FALSE_ALARM
        np.testing.assert_array_equal(drawn[m].weight[0], backward[m].weight)


def test_shares_of_classes_are_averaged_over_the_inputs_in_one_order():
    inputs = random_inputs((3, 3))
    orders = jnp.array([[0, 1, 2], [2, 0, 1]])

    state = product.measured(MergeOptions(how="product"), orders, inputs)
    equal = product.measured(MergeOptions(how="product", parent_prior="uniform"), orders, inputs)

    shares = []
    for message, order in zip(inputs.parents, orders, strict=True):
        counts = np.asarray(message.weight @ jnp.exp(message.log_probs)) + 1
        shares.append((counts / counts.sum())[order])
    np.testing.assert_allclose(np.exp(state.log_shares), np.mean(shares, axis=0), rtol=1e-5)
    np.testing.assert_allclose(equal.log_shares, log_softmax(np.zeros(3)), rtol=1e-6)
    likeliest = np.asarray(inputs.parents[1].log_probs)[:, orders[1]].argmax(-1)
    np.testing.assert_array_equal(state.signs[1], np.where(KNOWN[1] > 0, likeliest, -1))
