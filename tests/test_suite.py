"""benchmarks/suite.py on made-up data: sets that are found, their configs, baselines and tables."""

import json
import sys
from argparse import ArgumentTypeError
from pathlib import Path

import numpy as np
import pytest
import suite
import suite_sets
from suite_baselines import ALL_VIEWS, KMEANS, baselines, represent, side_by_side
from suite_configs import TEMPLATES, config_text, graph, template
from suite_sets import LABELS, SOURCES, DataSet, Kind, keep_first, load, read_other_speech, size_of, stored
from suite_tables import Result, Results, failures, rows, spread, table

from mmcli.config.reader import load_config, plain_config

CONFIGS = Path(__file__).parents[1] / "configs"
NUM_EACH = 20
OF_KIND = {
    Kind.PIXELS: lambda rng, means: np.clip(60 * means + rng.integers(0, 60, means.shape), 0, 255).astype(np.uint8),
    Kind.HAC: lambda rng, means: rng.poisson(means + 0.2),
    Kind.COUNTS: lambda rng, means: rng.poisson(means + 0.2),
    Kind.FEATURES: lambda rng, means: means + rng.normal(size=means.shape),
}


def arrays_of(kinds: dict[str, Kind]) -> dict[str, np.ndarray]:
    """Views of three classes, each with its own four columns of twelve, and labels 1 to 3."""
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 2, 3], NUM_EACH)
    means = np.kron(np.eye(3), np.full(4, 3.0))[labels - 1]  # (N, 12)
    return {name: OF_KIND[kind](rng, means) for name, kind in kinds.items()} | {LABELS: labels}


@pytest.fixture
def data(tmp_path):
    """Write a set as the authors of the suite's data publish it, and the file that mmcli reads."""

    def make(name: str) -> Path:
        folder = tmp_path / "published"
        folder.mkdir(exist_ok=True)
        np.savez(folder / SOURCES[name].files[0], **arrays_of(SOURCES[name].kinds))
        return stored(name, SOURCES[name].find([folder]), tmp_path / "data")

    return make


def test_a_set_is_found_in_a_folder_or_a_level_below(tmp_path):
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite/bbc.npz").touch()
    (tmp_path / "fsdd.npz").touch()

    assert SOURCES["bbc"].find([tmp_path]) == [tmp_path / "suite/bbc.npz"]
    assert SOURCES["bbc"].find([tmp_path / "suite"]) == [tmp_path / "suite/bbc.npz"]
    assert SOURCES["fsdd"].find([tmp_path / "suite", tmp_path]) == [tmp_path / "fsdd.npz"]
    assert SOURCES["iris"].find([]) == []


def test_a_set_is_not_found_unless_all_its_files_are(tmp_path):
    (tmp_path / "fsdd.npz").touch()

    assert SOURCES["tutorial"].find([tmp_path]) is None
    assert SOURCES["fsdd-normalised"].find([tmp_path]) is None


def test_unlike_sizes_keep_the_first_items_of_each_class_in_their_order():
    arrays = {"view": np.arange(12)[:, None], LABELS: np.arange(12) % 3}

    kept = keep_first(arrays, {0: 3, 1: 2, 2: 1})

    assert kept["view"][:, 0].tolist() == [0, 1, 2, 3, 4, 6]
    assert kept[LABELS].tolist() == [0, 1, 2, 0, 1, 0]


def test_the_tutorials_pairs_of_unlike_size_are_300_down_to_75(monkeypatch):
    pairs = {"images": np.zeros((3000, 1)), "speech": np.zeros((3000, 1)), LABELS: np.arange(3000) % 10}
    monkeypatch.setattr(suite_sets, "read_tutorial", lambda _path: pairs)

    labels = SOURCES["unlike"].read("data.zip")[LABELS]

    assert np.bincount(labels).tolist() == [300, 275, 250, 225, 200, 175, 150, 125, 100, 75]


def test_speech_of_another_file_is_matched_by_the_names_of_recordings(tmp_path):
    np.savez(tmp_path / "a.npz", images=[[1], [2]], speech=[[0], [0]], speech_paths=["x.wav", "y.wav"], labels=[5, 6])
    np.savez(tmp_path / "b.npz", speech=[[7], [8], [9]], speech_paths=["1/z.wav", "1/y.wav", "2/x.wav"])

    arrays = read_other_speech(tmp_path / "a.npz", tmp_path / "b.npz")

    assert arrays["speech"].tolist() == [[9], [8]]
    assert arrays[LABELS].tolist() == [5, 6]


def test_a_recording_that_the_other_file_lacks_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", speech=[[0], [0]], speech_paths=["x.wav", "y.wav"])
    np.savez(tmp_path / "b.npz", speech=[[7]], speech_paths=["x.wav"])

    with pytest.raises(ValueError, match=r"b\.npz: lacks 1 recordings of .*a\.npz, y\.wav first; add them$"):
        read_other_speech(tmp_path / "a.npz", tmp_path / "b.npz")


def test_items_are_stored_once_as_mmcli_reads_them(data):
    path = data("fsdd")
    content = path.read_bytes()

    items = load(path)
    assert {name: view.dtype.name for name, view in items.views.items()} == {"images": "float32", "speech": "uint8"}
    np.testing.assert_allclose(items.views["images"] * 255, arrays_of(SOURCES["fsdd"].kinds)["images"], rtol=1e-6)
    assert size_of(path) == (3 * NUM_EACH, 3)

    assert stored("fsdd", [Path("moved")], path.parent).read_bytes() == content


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"a": Kind.PIXELS, "b": Kind.HAC}, {"vae": ["a"], "gmm": ["vae"], "mlda": ["b", "gmm"]}),
        ({"a": Kind.COUNTS, "b": Kind.COUNTS}, {"mlda": ["a", "b"]}),
        ({"a": Kind.FEATURES, "b": Kind.FEATURES}, {"gmm": ["a", "b"]}),
        ({"a": Kind.PIXELS, "b": Kind.PIXELS}, {"vae_a": ["a"], "vae_b": ["b"], "gmm": ["vae_a", "vae_b"]}),
        ({"a": Kind.FEATURES}, {"gmm": ["a"]}),
        ({"a": Kind.PIXELS}, {"vae": ["a"], "gmm": ["vae"]}),
    ],
)
def test_a_graph_follows_from_the_kinds_of_views(kinds, expected):
    modules = graph(kinds)

    assert {name: module["inputs"] for name, module in modules.items() if "inputs" in module} == expected
    assert [name for name in modules if name in kinds] == [*kinds]


@pytest.mark.parametrize("method", TEMPLATES)
def test_pairs_have_the_settings_of_the_shipped_config(data, tmp_path, method):
    path = data("fsdd")
    settings = template(method, SOURCES["fsdd"].kinds, CONFIGS)
    (tmp_path / "made.yaml").write_text(config_text(path, SOURCES["fsdd"].kinds, 10, settings))

    made, shipped = (plain_config(load_config(config)) for config in (tmp_path / "made.yaml", settings))

    for name in ("vae", "gmm", "mlda"):
        links = {"inputs": ["images"]} if name == "vae" else {"labels": LABELS}
        assert made["modules"][name] == shipped["modules"][name] | links
    assert made["data"]["speech"] == {"file": str(path), "key": "speech"}
    same = shipped.keys() - {"data", "test", "modules"}
    assert {key: made.get(key) for key in same} == {key: shipped[key] for key in same}


@pytest.mark.parametrize("name", ["fsdd", "hw2sources", "bbc", "msrcv1"])
def test_a_config_is_one_that_mmcli_accepts(data, command, tmp_path, name):
    settings = template("recommended", SOURCES[name].kinds, CONFIGS)
    config = tmp_path / f"{name}.yaml"
    config.write_text(config_text(data(name), SOURCES[name].kinds, 3, settings))

    done = command("check", config)

    assert done.code == 0, done.err


@pytest.mark.parametrize(("name", "weights"), [("fsdd", [200, 30]), ("bbc", "auto")])
def test_an_input_takes_the_weight_of_its_type_where_types_are_alike(tmp_path, name, weights):
    text = (CONFIGS / "tiny.yaml").read_text().replace("weights: [200, 200]", "weights: [200, 30]")
    (tmp_path / "settings.yaml").write_text(text)
    (tmp_path / "made.yaml").write_text(
        config_text(tmp_path / "x.npz", SOURCES[name].kinds, 7, tmp_path / "settings.yaml")
    )

    modules = plain_config(load_config(tmp_path / "made.yaml"))["modules"]

    assert modules["mlda"]["weights"] == weights
    assert {module["num_classes"] for module in modules.values() if "num_classes" in module} == {7}


def test_settings_that_lack_a_type_are_refused(tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "data: {x: {file: x.npz, key: x}}\nmodules: {x: {type: observation, data: x},"
        " mlda: {type: mlda, inputs: [x], num_classes: 2, weights: [9]}}"
    )

    with pytest.raises(ValueError, match=r"settings\.yaml: no module of type gmm; add one, it has the settings"):
        config_text(tmp_path / "x.npz", {"a": Kind.FEATURES}, 3, settings)


def test_sounds_are_square_roots_of_shares_and_words_principal_components():
    arrays = arrays_of({"words": Kind.COUNTS, "sounds": Kind.HAC})

    assert represent(arrays["words"], Kind.COUNTS).shape == (3 * NUM_EACH, 12)
    sounds = represent(arrays["sounds"], Kind.HAC)
    np.testing.assert_allclose(np.sum(sounds**2, axis=1), 1)
    np.testing.assert_allclose(sounds[0] ** 2, arrays["sounds"][0] / arrays["sounds"][0].sum())


def test_views_side_by_side_weigh_the_same():
    rng = np.random.default_rng(0)
    together = side_by_side([rng.normal(size=(50, 3)), 100 * rng.normal(size=(50, 8))])

    np.testing.assert_allclose([np.sum(together[:, :3] ** 2), np.sum(together[:, 3:] ** 2)], 50)


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("fsdd", ["k-means, one view", KMEANS, "Gaussian mixture", "spectral"]),
        ("bbc", ["k-means, one view", KMEANS, "k-means, rows of unit length", "Gaussian mixture", "spectral"]),
        ("iris", [KMEANS, "Gaussian mixture", "Gaussian mixture, values as they come", "spectral"]),
    ],
)
def test_baselines_of_a_set(name, methods):
    kinds = SOURCES[name].kinds
    arrays = arrays_of(kinds)
    labels = arrays.pop(LABELS)

    found = baselines(DataSet(arrays, labels), kinds)

    assert list(dict.fromkeys(baseline.method for baseline in found)) == methods
    assert [baseline.views for baseline in found if baseline.method == methods[0]] in ([*kinds], [ALL_VIEWS])


def results_of(accs: dict[int, float], part: str = "mlda", method: str = "recommended") -> list[Result]:
    return [Result("bbc", method, part, seed, acc, 0.5, 0.25) for seed, acc in accs.items()]


def test_results_are_kept_one_a_line_and_replaced_by_key(tmp_path):
    path = tmp_path / "results.jsonl"
    Results(path).add([*results_of({1000: 0.5, 1001: 0.75}), *results_of({0: 0.25}, ALL_VIEWS, KMEANS)])
    Results(path).add(results_of({1000: 1.0}))

    again = Results(path)

    assert [json.loads(line)["acc"] for line in path.read_text().splitlines()] == [1.0, 0.75, 0.25]
    assert again.methods("bbc") == ["recommended", KMEANS]
    assert again.parts("bbc", "recommended", range(1001, 1010)) == {"mlda": results_of({1001: 0.75})}
    assert again.parts("ngs", "recommended", range(2000)) == {}


def test_a_row_is_of_the_joint_module_and_of_the_best():
    parts = {
        "gmm_view0": results_of({1: 0.9, 2: 0.8}, "gmm_view0"),
        "gmm_view1": results_of({1: 0.95, 2: 0.1}, "gmm_view1"),
        "mlda": results_of({1: 0.7, 2: 0.6}),
    }

    joint, best = rows("mmcli", parts, 2)

    rest = "0.500 (0.500..0.500) | 0.250 (0.250..0.250)"
    assert joint == f"mmcli | mlda | 0.650 (0.600..0.700) | {rest} | 1 of 2"
    assert best == f"mmcli | gmm_view0 (best) | 0.850 (0.800..0.900) | {rest} | 1 of 2"
    assert [row.split(" | ")[1] for row in rows("mmcli", parts | {"mlda": results_of({1: 1.0})}, 2)] == ["mlda (best)"]
    assert [*rows("mmcli", {}, 2)] == []


def test_a_seed_has_failed_below_95_of_100_of_the_best_seed():
    results = results_of({1: 1.0, 2: 0.951, 3: 0.949})

    assert failures(results, 3) == "1 of 3"
    assert failures(results, 5) == "1 of 3, 2 more without a result"
    assert spread([0.5, 1.0]) == "0.750 (0.500..1.000)"


def test_a_table_names_a_set_once():
    lines = table({"bbc: 685 items": ["a | b", "c | d"], "nothing": []}).splitlines()

    assert lines[2:] == ["| bbc: 685 items | a | b |", "|  | c | d |"]


def test_seeds_are_a_range_or_a_number():
    assert suite.parse_seeds("1000-1059") == range(1000, 1060)
    assert suite.parse_seeds("7") == range(7, 8)
    for text in ("9-1", "a", "1,2", ""):
        with pytest.raises(ArgumentTypeError, match="seeds are FIRST-LAST, as in 1000-1059, or one number"):
            suite.parse_seeds(text)


@pytest.fixture
def run_suite(monkeypatch, capsys, tmp_path):
    """Run the command on sets in tmp_path/published; its exit code, stdout and stderr."""

    def run(*options: str) -> tuple[int, str, str]:
        words = ["suite.py", "--data", str(tmp_path / "published"), "-o", str(tmp_path / "out"), *options]
        monkeypatch.setattr(sys, "argv", [*words, "--configs", str(CONFIGS)])
        with pytest.raises(SystemExit) as ended:
            suite.main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_the_command_computes_baselines_once_and_lists_what_is_not_there(data, run_suite, monkeypatch):
    data("bbc")
    options = ("--only", "bbc", "ngs", "--methods", "baselines", "--baseline-seeds", "0-1")

    code, out, err = run_suite(*options)

    assert code == 0
    assert err == "left out, not found: ngs (ngs.npz)\n[1/1] bbc: baselines: done\n"
    assert "| BBC news, four parts: 60 items, 3 classes | k-means, one view | view" in out
    assert "|  | k-means | all | 1.000 (1.000..1.000) | 1.000 (1.000..1.000) | 1.000 (1.000..1.000) | 0 of 2 |" in out

    monkeypatch.setattr(suite, "compute_baselines", None)
    assert run_suite(*options) == (0, out, "left out, not found: ngs (ngs.npz)\n")


def test_the_command_tables_the_last_round_of_runs(data, run_suite, monkeypatch, trained):
    data("fsdd")

    def link(_config: Path, _overrides: list[str], _seed: int, run: Path) -> None:
        run.parent.mkdir(exist_ok=True)
        run.symlink_to(trained.run)

    monkeypatch.setattr(suite, "train", link)

    code, out, _err = run_suite("--only", "fsdd", "--methods", "recommended", "--seeds", "1000-1001")

    assert code == 0
    acc = float((trained.run / "module004_mlda/acc_learn.txt").read_text())
    assert "| mmcli, recommended | mlda" in out
    assert f" | {acc:.3f} ({acc:.3f}..{acc:.3f}) | " in out


def test_a_run_that_fails_does_not_stop_the_others(data, run_suite, monkeypatch):
    data("fsdd")

    def fail(_config: Path, _overrides: list[str], seed: int, _run: Path) -> None:
        raise RuntimeError(f"mmcli train: exit code 3: seed {seed} diverged")

    monkeypatch.setattr(suite, "train", fail)

    code, _out, err = run_suite("--only", "fsdd", "--methods", "recommended", "--seeds", "1000-1001")

    assert code == 1
    assert err.splitlines() == [
        f"[{number}/2] fsdd: recommended, seed {seed}: mmcli train: exit code 3: seed {seed} diverged"
        for number, seed in ((1, 1000), (2, 1001))
    ]
