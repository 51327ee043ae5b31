"""Two agents that share a class, from a config to prediction, generation, resuming, and a child of their merge."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from stopped import contents, stopped_in

import mmcli
from mmcli import load_run

N, K = 240, 4
CONFIG = """\
rounds: 3
search: {starts: 1}
data:
  first:   {file: views.npz, key: first, known: has_first}
  second:  {file: views.npz, key: second, known: has_second}
  words:   {file: views.npz, key: words}
  classes: {file: views.npz, key: classes}
  has_first: {file: views.npz, key: has_first}
  has_second: {file: views.npz, key: has_second}
modules:
  first:  {type: observation, data: first}
  second: {type: observation, data: second}
  one:    {type: gmm, inputs: [first], num_classes: 4, chains: 2, sweeps: 20, message_weight: 1, labels: classes}
  other:  {type: gmm, inputs: [second], num_classes: 4, chains: 2, sweeps: 20, message_weight: 1, labels: classes}
  sign:   {type: merge, inputs: [one, other], how: naming_game, exchanges: 20, labels: classes}
"""
PRODUCT = ("how: naming_game, exchanges: 20", "how: product")
MLDA = """\
  word:   {type: observation, data: words}
  topic:  {type: mlda, inputs: [word, sign], num_classes: 4, sweeps: 10, restarts: 2, labels: classes}
"""
pytestmark = pytest.mark.usefixtures("here")


def planted():
    """Views that each confuse two of the classes, and words that confuse others; a tenth lacks each view."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, K, N)
    means = {"first": [[0, 0], [1, 1], [8, 0], [0, 8]], "second": [[8, 0], [0, 8], [1, 1], [0, 0]]}
    arrays = {name: np.array(rows)[classes] + rng.normal(size=(N, 2)) for name, rows in means.items()}
    known = rng.random((2, N)) > 0.1
    known[:, ~known.any(axis=0)] = True
    arrays |= {f"has_{name}": there.astype(int) for name, there in zip(means, known, strict=True)}
    words = rng.poisson(4 * np.eye(K)[classes % 3] + 0.2)
    return arrays | {"classes": classes, "words": words}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("merge")
    np.savez(folder / "views.npz", **planted())
    (folder / "model.yaml").write_text(CONFIG)
    (folder / "product.yaml").write_text(CONFIG.replace(*PRODUCT).replace("starts: 1", "starts: 2, rounds: 1"))
    (folder / "child.yaml").write_text(CONFIG.replace(*PRODUCT) + MLDA)
    (folder / "none.yaml").write_text(CONFIG.replace("exchanges: 20", "accept: none").replace("starts: 1", "starts: 2"))
    return folder


@pytest.fixture
def run(train_once):
    """The run of the naming game, trained by the first test that asks for it."""
    return train_once("model.yaml")


def ari(module):
    return adjusted_rand_score(planted()["classes"], np.loadtxt(module / "class_learn.txt"))


def test_agents_that_share_signs_find_more_than_either_alone(run):
    alone = [load_run(run).history[name]["own_ari"][0] for name in ("one", "other")]
    sign = run / "module004_sign"

    assert ari(sign) > max(alone) + 0.1
    assert ari(run / "module003_other") > alone[1] + 0.1  # by what the first agent sees
    kappa, accepted = (np.loadtxt(sign / f"{name}_learn.txt") for name in ("kappa", "accepted"))
    signs = np.array([np.loadtxt(sign / f"sign{m}_learn.txt") for m in range(2)])
    data = planted()
    np.testing.assert_array_equal(signs[1] < 0, data["has_second"] == 0)
    assert 0.7 < kappa[0, 1] <= 1
    assert np.loadtxt(sign / "agreement_learn.txt")[-1] == pytest.approx(kappa[0, 1], abs=1e-5)
    assert 0.5 < accepted.min() < 1


def test_the_report_has_the_agreement_of_the_agents(run, command):
    done = command("report", run)

    assert done.code == 0, done.err
    page = Path(done.out.strip()).read_text()
    kappa = np.loadtxt(run / "module004_sign" / "kappa_learn.txt")[0, 1]
    assert "sign: its inputs and each other" in page
    assert f"{kappa:.3f}" in page
    assert "sign: agreement of the inputs in the last update" in page


def test_prediction_joins_what_the_agents_infer_and_does_with_either_view(run):
    trained, data = load_run(run), planted()
    learned = {name: np.loadtxt(run / name / "Pdz_learn.txt") for name in ("module002_one", "module003_other")}
    both = (data["has_first"] > 0) & (data["has_second"] > 0)
    views = {name: data[name][both] for name in ("first", "second")}

    predicted = trained.predict(**views)

    agents = [predicted[name].probabilities for name in ("one", "other")]
    for found, of_training in zip(agents, learned.values(), strict=True):
        np.testing.assert_allclose(found, of_training[both], atol=1e-3)
    with np.load(run / "module004_sign" / "params.npz") as state:
        signs = np.prod(
            [
                (agent / np.exp(state[f"log_priors.{place}"])) @ state[f"tables.{place}"].T
                for place, agent in enumerate(agents)
            ],
            axis=0,
        )
    expected = signs / signs.sum(-1, keepdims=True)
    np.testing.assert_allclose(predicted["sign"].probabilities, expected, atol=1e-4)
    for name, rows in views.items():
        assert np.mean(trained.predict(**{name: rows})["sign"].classes == predicted["sign"].classes) > 0.6, name


def test_items_that_were_learned_are_predicted_alike_but_for_what_each_added_to_its_class(run):
    trained, data = load_run(run), planted()
    learned = np.loadtxt(run / "module004_sign" / "Pdz_learn.txt")
    both = (data["has_first"] > 0) & (data["has_second"] > 0)

    predicted = trained.predict(**{name: data[name][both] for name in ("first", "second")})["sign"]

    # The messages that the gmms sent in training left the item out.
    assert (np.abs(predicted.probabilities - learned[both]) < 0.02).mean() > 0.95
    assert np.mean(predicted.probabilities.argmax(1) == learned[both].argmax(1)) > 0.98


def test_one_agent_s_view_is_generated_from_the_other_s_and_from_a_class(run):
    trained, data = load_run(run), planted()
    both = (data["has_first"] > 0) & (data["has_second"] > 0)
    far = both & (data["classes"] == 2)  # which the first view shows

    made = trained.generate("second", first=data["first"][far])
    drawn = trained.generate("second", of_class=0, num_items=50, seed=0)

    np.testing.assert_allclose(np.median(made, axis=0), data["second"][far].mean(0), atol=1.0)
    assert np.isfinite(drawn).all()
    assert drawn.std(0).min() > 0.1


def test_a_run_that_was_stopped_ends_like_one_that_never_was(run, command, monkeypatch):
    with stopped_in(monkeypatch, "sign"):
        assert command("train", "model.yaml", "-o", "stopped").code == 130

    assert command("train", "model.yaml", "-o", "stopped", "--resume").code == 0
    assert contents(Path("stopped")) == contents(run)


def test_the_search_goes_by_what_agents_share_and_makes_none_of_them_finer(command):
    done = command("train", "product.yaml", "-o", "product")

    assert done.code == 0, done.err
    record = json.loads(Path("product/search.json").read_text())
    assert record["edges"] == [["one", "sign"], ["other", "sign"]]
    assert record["compared"] == "sign"
    assert min(record["starts"]) > 0.5
    sign = Path("product/module004_sign")
    assert ari(sign) > 0.7
    tables = [np.loadtxt(sign / f"table{m}_learn.txt") for m in range(2)]
    np.testing.assert_array_equal(tables[0], np.eye(K))
    np.testing.assert_array_equal(tables[1].sum(0), 1)


def test_agents_that_accept_nothing_learn_from_the_last_round(command):
    done = command("train", "none.yaml", "-o", "none")

    assert done.code == 0, done.err
    record = json.loads(Path("none/search.json").read_text())
    assert record["starts"] == [0, 0]
    assert record["kept_round"] == 3  # all share the same, nothing, and the last has learned longest
    assert np.loadtxt("none/module004_sign/kappa_learn.txt")[0, 1] < 0.5


def test_a_merge_has_a_child_of_its_own(command):
    done = command("train", "child.yaml", "-o", "child")

    assert done.code == 0, done.err
    assert ari(Path("child/module004_sign")) > 0.7
    assert ari(Path("child/module006_topic")) > 0.7


def test_the_shipped_config_is_one_of_two_agents(command):
    done = command("check", Path(mmcli.__file__).parents[1] / "configs" / "inter_gmm_vae.yaml")

    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("[one, other]", "[one]", "15:33: modules.sign.inputs: merge takes at least 2 inputs (got one)"),
        (
            "[one, other]",
            "[one, second]",
            "modules.sign.inputs[1]: second (observation) sends points, counts, but merge",
        ),
        ("how: naming_game, exchanges: 20, ", "", "modules.sign.how: missing; it must be one of naming_game, product"),
        ("naming_game, exchanges: 20", "game", "modules.sign.how: must be "),
        (
            "naming_game, exchanges: 20",
            "product, accept: all",
            "modules.sign.accept: belongs to how: naming_game; remove",
        ),
        ("naming_game", "product", "modules.sign.exchanges: belongs to how: naming_game; remove it"),
        ("exchanges: 20", "exchanges: 0", "modules.sign.exchanges: must be "),
        ("exchanges: 20", "accept: some", "modules.sign.accept: must be "),
        ("exchanges: 20", "parent_prior: flat", "modules.sign.parent_prior: must be "),
        (
            "second], num_classes: 4",
            "second], num_classes: auto",
            "modules.sign: receives classes of one, whose number is found later; give every module a number",
        ),
    ],
)
def test_configs_that_cannot_be(before, after, problem, command):
    assert before in CONFIG
    Path("bad.yaml").write_text(CONFIG.replace(before, after))

    done = command("check", "bad.yaml")

    assert done.code == 2
    assert problem in done.err
    assert all(line.startswith("bad.yaml:") for line in done.err.splitlines())


def test_a_game_has_two_agents(command):
    more = "  more:   {type: gmm, inputs: [first], num_classes: 4}\n  sign:"
    Path("bad.yaml").write_text(CONFIG.replace("  sign:", more).replace("[one, other]", "[one, other, more]"))

    done = command("check", "bad.yaml")

    problem = "naming_game is between 2 agents (got 3 inputs); take product"
    assert (done.code, done.err) == (2, f"bad.yaml:16:58: modules.sign.how: {problem}\n")


def test_a_product_takes_inputs_of_equally_many_classes(command):
    config = CONFIG.replace(*PRODUCT).replace("second], num_classes: 4", "second], num_classes: 5")
    Path("bad.yaml").write_text(config)

    done = command("check", "bad.yaml")

    problem = "product takes inputs of equally many classes (got 4, 5); give them the same number, or take naming_game"
    assert (done.code, done.err) == (2, f"bad.yaml:15:52: modules.sign.how: {problem}\n")
