"""Small clusters joined to classes, beside scikit-learn's, and what starts with them find."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from mmcli.modules.agglomeration import ward
from mmcli.modules.api import Inputs
from mmcli.modules.class_count import num_small_clusters
from mmcli.modules.gmm import model as gmm
from mmcli.modules.gmm.spec import GmmOptions
from mmcli.modules.gmm.starts import joined_clusters
from mmcli.modules.messages import Counts, Points, neutral
from mmcli.modules.mlda.model import begin, build, init, settle
from mmcli.modules.mlda.setting import Setting
from mmcli.modules.mlda.spec import MldaOptions
from mmcli.modules.spec import Kind, Port
from mmcli.modules.word_mixtures import class_shares, fit, fit_held_out, score
from mmcli.modules.words import joint_clusters

N, K = 60, 6


@pytest.fixture(scope="module")
def points():
    """(N, 4) of classes that overlap."""
    rng = np.random.default_rng(0)
    return (2 * rng.normal(size=(K, 4))[np.arange(N) % K] + rng.normal(size=(N, 4))).astype(np.float32)


def squared_distances(points):
    return np.square(points[:, None] - points[None]).sum(-1)


def test_classes_are_those_of_scikit_learn(points):
    classes = np.asarray(ward(squared_distances(points), jnp.ones(N), K))

    assert sorted(set(classes)) == [*range(K)]
    assert adjusted_rand_score(classes, AgglomerativeClustering(K).fit_predict(points)) == 1


def test_clusters_without_items_join_nothing(points):
    there = np.arange(N) >= 10

    classes = np.asarray(ward(squared_distances(points), there.astype(np.float32), K))

    assert adjusted_rand_score(classes[there], AgglomerativeClustering(K).fit_predict(points[there])) == 1


def test_a_cluster_of_many_items_counts_for_as_many(points):
    """Of equal items one cluster of three is as three of one, which come first as they cost nothing."""
    repeated = np.concatenate([points, points[:5], points[:5]])
    sizes = np.where(np.arange(N) < 5, 3.0, 1.0).astype(np.float32)

    classes = np.asarray(ward(squared_distances(points), sizes, K))

    assert adjusted_rand_score(classes, AgglomerativeClustering(K).fit_predict(repeated)[:N]) == 1


def test_fewer_clusters_than_classes_stay_as_they_are(points):
    classes = np.asarray(ward(squared_distances(points[:4]), jnp.ones(4), K))

    np.testing.assert_array_equal(classes, np.arange(4))


def test_points_without_weight_move_no_class(points):
    weight = (np.arange(N) % 9 > 0).astype(np.float32)
    far = np.where(weight[:, None] > 0, points, 1e4).astype(np.float32)

    found = [joined_clusters(jax.random.key(0), jnp.asarray(rows), jnp.asarray(weight), K) for rows in (points, far)]

    known = weight > 0
    assert adjusted_rand_score(np.asarray(found[0])[known], np.asarray(found[1])[known]) == 1


def words_of(probs, labels, rng):
    return np.stack([rng.multinomial(60, probs[label]) for label in labels]).astype(np.float32)


def test_items_without_a_view_are_clustered_by_the_others():
    """Each item is a centre; one without its second view is as far from its like as the first view has it."""
    rng = np.random.default_rng(1)
    views = [words_of(rng.dirichlet(np.ones(8), 3), np.arange(12) % 3, rng) for _ in range(2)]
    views[1][[2, 5]] = 0
    sizes = [jnp.float32(2), jnp.float32(3)]

    belongs, squares = joint_clusters(jax.random.key(0), [jnp.asarray(view) for view in views], sizes, 12, 0)

    item_of = np.asarray(belongs).argmax(0)  # of each cluster
    assert sorted(item_of) == [*range(12)]
    roots = [np.sqrt(view / np.maximum(view.sum(1, keepdims=True), 1)) for view in views]
    first, second = (squared_distances(rows) for rows in roots)
    known = views[1].sum(1) > 0
    expected = 2 * first + 3 * np.where(known[:, None] & known[None], second, 0)
    np.testing.assert_allclose(squares, expected[np.ix_(item_of, item_of)], atol=1e-5)


def classes_of(module, inputs):
    """Classes (N,) after the first update."""
    key = jax.random.key(0)
    work = module.begin(key, module.init(key, inputs), inputs)
    _, outputs, _ = module.end(module.advance(work, inputs, jnp.int32(module.iterations)), inputs)
    return outputs.items["class"]


def test_an_mlda_finds_ten_classes_of_five_items():
    """Where random starts join some and split others."""
    rng = np.random.default_rng(0)
    labels = np.arange(50) % 10
    views = [words_of(rng.dirichlet(np.full(60, 0.2), 10), labels, rng) for _ in range(2)]
    inputs = Inputs.of(
        tuple(Counts(jnp.asarray(view), jnp.ones(50)) for view in views), neutral(Port(Kind.CATEGORICAL, 10), 50)
    )
    module = build(MldaOptions(num_classes=10, restarts=2), (Port(Kind.COUNTS, 60),) * 2, "cavity")

    assert adjusted_rand_score(labels, classes_of(module, inputs)) == 1


def test_a_gmm_of_one_chain_finds_twenty_classes():
    """One k-means joins some of them, and sweeps do not part them again."""
    rng = np.random.default_rng(0)
    labels = np.arange(800) % 20
    points = 10 * np.stack(np.divmod(np.arange(20), 5), axis=1)[labels] + rng.normal(size=(800, 2))
    message = Points(jnp.asarray(points, jnp.float32), jnp.ones(800))
    inputs = Inputs.of((message,), neutral(Port(Kind.CATEGORICAL, 20), 800))
    options = GmmOptions(num_classes=20, chains=1, sweeps=5, prior_scale=1e-3)
    module = gmm.build(options, (Port(Kind.POINTS, 2),), "cavity")

    assert adjusted_rand_score(labels, classes_of(module, inputs)) == 1


def test_few_items_are_all_judges_of_the_starts():
    """An item that is a class of its own fits no other items, so that held out it is evidence against its class."""
    rng = np.random.default_rng(0)
    labels = np.where(np.arange(30) < 26, np.arange(30) % 4, np.arange(30) - 22)  # classes 4 to 7 are of one item
    merged = np.where(labels < 4, labels, labels % 4)
    words = words_of(rng.dirichlet(np.ones(60), 8), labels, rng)
    inputs = Inputs.of((Counts(jnp.asarray(words), jnp.ones(30)),), neutral(Port(Kind.CATEGORICAL, 8), 30))
    setting = Setting(MldaOptions(num_classes=8, restarts=2), (Kind.COUNTS,), "cavity")
    key = jax.random.key(0)
    work = begin(setting, key, init(setting, key, inputs), inputs)
    both = jnp.eye(8)[np.stack([merged, labels], axis=1)]  # (N, 2, K)
    views = setting.views(inputs, work.words)
    held_out, own = score(views, fit_held_out(views, both)), score(views, fit(views, (both,), class_shares(both)))
    assert held_out[0] > held_out[1]
    assert own[1] > own[0]

    settled = settle(setting, work._replace(best=both), inputs)

    np.testing.assert_array_equal(settled.concentrations.argmax(-1), labels)


def test_small_clusters_are_the_items_where_they_are_few():
    assert [num_small_clusters(10, items) for items in (50, 256, 3000)] == [50, 256, 256]
    assert num_small_clusters(100, 3000) == 400
