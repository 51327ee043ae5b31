"""The estimator of scikit-learn: its conventions, and a model that learns."""

import io
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmcli
from mmcli import MultimodalClusterer
from mmcli.errors import UsageError
from mmcli.workflows import clusterer
from mmcli.workflows.pack import pack

KINDS = np.repeat([0, 1], 20)
TOUCH, SMELL = (np.random.default_rng(seed).normal(10.0 * KINDS[:, None], 1.0, (40, 2)) for seed in (0, 1))
ITEMS = np.hstack([TOUCH, SMELL])
COLUMNS = {"touch": 2, "smell": 2}
ONE_SENSE = {
    "rounds": 1,
    "modules": {
        "felt": {"type": "observation", "data": "touch"},
        "groups": {"type": "gmm", "inputs": ["felt"], "num_classes": 2, "sweeps": 20, "chains": 1},
    },
}


class StandIn:
    """A model of one sense in no time: k-means, and a softmax of distances."""

    classifiers = ("gmm_X",)

    def __init__(self, centres):
        self._centres = centres

    def texts(self, _module):
        return tuple(map(str, range(len(self._centres))))

    def predict(self, **senses):
        distances = np.square(senses["X"][:, None].astype(np.float64) - self._centres).sum(-1)
        shares = np.exp(distances.min(axis=1, keepdims=True) - distances)
        return {"gmm_X": SimpleNamespace(probabilities=shares / shares.sum(axis=1, keepdims=True))}


@pytest.fixture
def stand_in(monkeypatch):
    """Have the estimator keep its conventions around a model that is not compiled: a check fits up to ten of them."""

    def learn(config, *, data, seed, output, **_):
        num_clusters = min(config["modules"]["gmm_X"]["num_classes"], len(data["X"]))
        means = KMeans(num_clusters, random_state=seed, n_init=1).fit(data["X"]).cluster_centers_
        return SimpleNamespace(directory=SimpleNamespace(path=output), centres=means)

    learned = []

    def learn_and_keep(*arguments, **options):
        learned.append(learn(*arguments, **options))
        return learned[-1]

    def write(_run, file):
        np.save(buffer := io.BytesIO(), learned[-1].centres)
        file.write_bytes(buffer.getvalue())
        return file

    monkeypatch.setattr(clusterer, "train", learn_and_keep)
    monkeypatch.setattr(clusterer, "pack", write)
    monkeypatch.setattr(clusterer, "load_run", lambda file: StandIn(np.load(io.BytesIO(Path(file).read_bytes()))))


@parametrize_with_checks([MultimodalClusterer()])
@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.SkipTestWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)
@pytest.mark.usefixtures("stand_in")
def test_the_estimator_keeps_the_conventions_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted():
    """The default model of two senses."""
    return MultimodalClusterer(2, columns=COLUMNS, random_state=3).fit(ITEMS)


def test_clusters_that_the_senses_share_are_found(fitted):
    assert adjusted_rand_score(KINDS, fitted.labels_) == 1
    np.testing.assert_array_equal(fitted.predict(ITEMS), fitted.labels_)
    np.testing.assert_allclose(fitted.predict_proba(ITEMS).sum(axis=1), 1)


def test_transform_gives_the_probabilities_of_every_module(fitted):
    made = fitted.transform(ITEMS)

    assert made.shape == (40, 6)  # of two mixtures and the MLDA
    np.testing.assert_array_equal(made[:, 4:], fitted.predict_proba(ITEMS))
    assert fitted.get_feature_names_out().tolist() == [f"multimodalclusterer{number}" for number in range(6)]


def test_a_fitted_estimator_is_pickled_with_its_model(fitted):
    copy = pickle.loads(pickle.dumps(fitted))

    np.testing.assert_array_equal(copy.transform(ITEMS), fitted.transform(ITEMS))


def test_it_works_in_a_pipeline_with_a_config_of_its_own():
    pipeline = make_pipeline(StandardScaler(), MultimodalClusterer(columns={"touch": 2}, config=ONE_SENSE))

    found = pipeline.fit(TOUCH).predict(TOUCH)

    assert adjusted_rand_score(KINDS, found) == 1
    assert pipeline.transform(TOUCH).shape == (40, 2)


@pytest.fixture(scope="module")
def from_run(trained):
    return MultimodalClusterer.from_run(trained.run)


@pytest.fixture(scope="module")
def trained_items(trained):
    with np.load(trained.run.parents[1] / "tiny.npz") as data:
        return np.hstack([data["images"], data["words"]]).astype(np.float32)


def test_a_run_becomes_a_fitted_estimator(trained, from_run, trained_items):
    run = mmcli.load_run(trained.run)
    predicted = run.predict(images=trained_items[:, :12], words=trained_items[:, 12:])

    assert from_run.columns == {"images": 12, "words": 12}
    assert (from_run.n_clusters, from_run.n_features_in_, from_run.cluster_names_) == (3, 24, predicted["mlda"].texts)
    made = from_run.transform(trained_items)
    np.testing.assert_allclose(made[:, :3], predicted["gmm"].probabilities, atol=1e-6)
    np.testing.assert_allclose(made[:, 3:], predicted["mlda"].probabilities, atol=1e-6)
    np.testing.assert_array_equal(from_run.predict_proba(trained_items), made[:, 3:])
    classes = predicted["mlda"].names[from_run.predict(trained_items)]
    np.testing.assert_array_equal(classes, predicted["mlda"].classes)
    np.testing.assert_array_equal(predicted["mlda"].names[from_run.labels_], run.classes["mlda"])
    assert len(from_run.get_feature_names_out()) == 6


def test_the_estimator_of_a_run_works_without_it_in_a_pipeline(trained, from_run, trained_items, tmp_path):
    pack(trained.run, tmp_path / "run.zip")
    of_packed = MultimodalClusterer.from_run(tmp_path / "run.zip")
    (tmp_path / "run.zip").unlink()
    pipeline = make_pipeline(FunctionTransformer(), of_packed)

    copy = pickle.loads(pickle.dumps(pipeline))

    np.testing.assert_array_equal(copy.predict(trained_items), from_run.predict(trained_items))
    np.testing.assert_array_equal(copy.transform(trained_items), from_run.transform(trained_items))


def test_the_estimator_of_a_run_learns_anew_without_its_labels(from_run, trained_items):
    again = clone(from_run)
    assert again.get_params()["random_state"] == 0

    again.fit(trained_items[::2])

    assert again.labels_.shape == (30,)
    assert again.cluster_names_ == ("0", "1", "2")  # no labels: numbers
    assert adjusted_rand_score(from_run.predict(trained_items[::2]), again.labels_) > 0.5


def test_runs_that_give_no_estimator_are_refused(trained, monkeypatch):
    with pytest.raises(UsageError, match="elsewhere: no such directory"):
        MultimodalClusterer.from_run("elsewhere")
    run = mmcli.load_run(trained.run)
    monkeypatch.setattr(clusterer, "load_run", lambda _: run)
    monkeypatch.setattr(type(run.graph), "sequences", {"chain": None})
    with pytest.raises(UsageError, match="chain: a module of sequences; the items of an estimator are independent"):
        MultimodalClusterer.from_run("run")
    monkeypatch.setattr(type(run.graph), "sequences", {})
    monkeypatch.setattr(run, "classifiers", {})
    with pytest.raises(UsageError, match="no module finds classes; add a gmm or an mlda"):
        MultimodalClusterer.from_run("run")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"columns": {"touch": 2, "smell": 3}}, "columns: 5 in all where X has 4"),
        ({"n_clusters": 0}, r"modules\.gmm_X\.num_classes: "),
        ({"columns": COLUMNS, "config": ONE_SENSE}, r"data\[\"smell\"\]: no module uses data of this name"),
    ],
)
def test_what_does_not_fit_is_a_value_error(options, error):
    with pytest.raises(ValueError, match=error):
        MultimodalClusterer(**options).fit(ITEMS)


def test_a_model_without_classes_is_refused():
    modules = {
        "sense": {"type": "observation", "data": "X"},
        "vae": {"type": "vae", "inputs": ["sense"], "latent_dim": 1, "hidden_dim": 2, "epochs": 1},
    }

    with pytest.raises(ValueError, match="config: no module finds classes; add a gmm or an mlda"):
        MultimodalClusterer(config={"rounds": 1, "modules": modules}).fit(np.abs(ITEMS) / 100)
