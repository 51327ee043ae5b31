"""A trained graph asked about other items: `evaluate --data`, `generate`, `load_run`."""

import doctest
import io
import json
import re
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from tiny import TINY, tiny_arrays

import mmcli
from mmcli import load_run
from mmcli.config.reader import load_config
from mmcli.data.selection import Request, choose
from mmcli.errors import DataError, UsageError
from mmcli.plotting.draw import picture
from mmcli.runs import arrays
from mmcli.workflows.generate import image_panel

ARRAYS = tiny_arrays()
IMAGES, WORDS, LABELS = ARRAYS["images"], ARRAYS["words"], ARRAYS["labels"]
RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def run(trained):
    return load_run(trained.run)


@pytest.fixture
def copy(trained, tmp_path, monkeypatch):
    """The run, the test's own to write to, as "run" in the working directory."""
    shutil.copytree(trained.run, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return Path("run")


def learned(run, name):
    return np.loadtxt(run.directory.path / run.graph.folder(name) / "class_learn.txt", dtype=int)


def test_what_was_learned_is_predicted(run):
    said = run.predict(images=IMAGES, words=WORDS)

    assert list(said) == ["gmm", "mlda"]
    for name, prediction in said.items():
        np.testing.assert_array_equal(prediction.classes, learned(run, name))
        np.testing.assert_array_equal(prediction.classes, LABELS)
        np.testing.assert_allclose(prediction.probabilities.sum(-1), 1, rtol=1e-5)
        np.testing.assert_array_equal(prediction.names[prediction.probabilities.argmax(-1)], LABELS)


@pytest.mark.parametrize("sense", ["images", "words"])
def test_one_sense_is_enough(run, sense):
    said = run.predict(**{sense: ARRAYS[sense]})

    np.testing.assert_array_equal(said["mlda"].classes, LABELS)
    np.testing.assert_array_equal(said["gmm"].classes, LABELS)


def test_a_row_of_nan_is_a_missing_one(run):
    words = WORDS.astype(float)
    words[::2] = np.nan

    some = run.predict(images=IMAGES, words=words)["mlda"].probabilities

    both = run.predict(images=IMAGES, words=WORDS)["mlda"].probabilities
    alone = run.predict(images=IMAGES)["mlda"].probabilities
    np.testing.assert_array_equal(some[::2], alone[::2])
    np.testing.assert_array_equal(some[1::2], both[1::2])
    assert not np.array_equal(alone, both)


@pytest.mark.parametrize("senses", [("images", "words"), ("images",), ("words",)])
def test_what_is_said_of_an_item_does_not_depend_on_the_others(run, senses):
    many = np.tile(np.arange(len(IMAGES)), 10)  # more than a batch
    order = RNG.permutation(many)[:507]

    said = run.predict(**{sense: ARRAYS[sense][order] for sense in senses})

    for few in ([0], [506], order[:7]):
        alone = run.predict(**{sense: ARRAYS[sense][order[few]] for sense in senses})
        for name, prediction in said.items():
            np.testing.assert_array_equal(prediction.classes[few], alone[name].classes)
            np.testing.assert_array_equal(prediction.probabilities[few], alone[name].probabilities)


def test_a_sense_is_made_from_another(run):
    made = run.generate("images", words=WORDS)

    kinds = np.stack([IMAGES[kind == LABELS].mean(0) for kind in range(3)])
    nearest = np.square(made[:, None] - kinds).sum(-1).argmin(-1)
    np.testing.assert_array_equal(nearest, LABELS)
    words = run.generate("words", images=IMAGES)
    np.testing.assert_allclose(words.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(words.reshape(-1, 3, 4).sum(-1).argmax(-1), LABELS)


def test_a_class_is_made_by_its_label_and_samples_follow_the_seed(run):
    for kind in range(3):
        prototypes = run.generate("images", of_class=kind, num_items=2)
        samples = run.generate("images", of_class=kind, num_items=40, seed=3)

        assert prototypes[0].reshape(3, 4).sum(-1).argmax() == kind
        np.testing.assert_array_equal(prototypes[0], prototypes[1])
        assert (samples.reshape(-1, 3, 4).sum(-1).argmax(-1) == kind).mean() > 0.9
        assert len(np.unique(samples, axis=0)) == 40
        np.testing.assert_array_equal(samples, run.generate("images", of_class=kind, num_items=40, seed=3))
    words = run.generate("words", of_class=1)
    assert words.reshape(3, 4).sum(-1).argmax() == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda run: run.predict(), "no sense is given; give one of images, words"),
        (lambda run: run.predict(image=IMAGES), r"no sense image \(did you mean images\?\)"),
        (lambda run: run.generate("sound", words=WORDS), "no sense sound; there are images, words"),
        (lambda run: run.generate("images", of_class=7), "no class 7; mlda has 0, 1, 2"),
        (lambda run: run.generate("images"), "from other senses or of a class; give one of the two"),
        (lambda run: run.generate("images", images=IMAGES), "images is to be made, so it cannot be given"),
    ],
)
def test_what_cannot_be_asked(run, call, text):
    with pytest.raises(UsageError, match=text):
        call(run)


@pytest.mark.parametrize(
    ("senses", "text"),
    [
        ({"images": IMAGES[:, 1:]}, "arrays: data.images: 11 columns, but the run learned from 12"),
        ({"images": IMAGES, "words": WORDS[1:]}, "arrays: data.words: 59 rows, but data.images has 60"),
        ({"images": np.full((2, 12), np.nan)}, r"item 0 \(from 0\) has none of its senses"),
        ({"images": 2 * IMAGES}, "modules.vae takes 0 to 1"),
        ({"words": -WORDS}, "modules.mlda takes counts, which are 0 or more"),
    ],
)
def test_arrays_that_do_not_fit(run, senses, text):
    with pytest.raises(DataError, match=text):
        run.predict(**senses)


def test_the_examples_of_load_run_hold(trained, monkeypatch):
    monkeypatch.chdir(trained.run.parent.parent)

    examples = doctest.DocTestFinder(recurse=False).find(load_run, globs={})
    runner = doctest.DocTestRunner()
    for example in examples:
        runner.run(example)

    assert (runner.tries > 5, runner.failures) == (True, 0)
    assert not hasattr(mmcli, "load_nothing")
    assert (Path(mmcli.__file__).parent / "py.typed").exists()  # for the type checkers of those who import it


def test_the_example_of_the_readme_holds(trained):
    text = (Path(__file__).parents[2] / "README.md").read_text()
    lines = text.partition("ones. In Python:\n\n")[2].partition("\n\n**")[0]
    code = textwrap.dedent(lines).replace('"runs/mnist_arabic-s0-001"', f'"{trained.run}"').replace("speech=", "words=")

    exec(compile(code, "README.md", "exec"), {"speech": WORDS})

    assert code.count("words=speech") == 2


@pytest.mark.usefixtures("copy")
def test_evaluate_measures_other_data_with_the_names_of_training(command, monkeypatch):
    monkeypatch.setattr("mmcli.util.progress.SECONDS_A_LINE", float("inf"))  # however slow the machine is
    order = RNG.permutation(60)[:50]
    np.savez("other.npz", **{name: array[order] for name, array in ARRAYS.items()})

    done = command("evaluate", "run", "--data", "other.npz")
    printed = json.loads(command("evaluate", "run", "--data", "other.npz", "--json").out)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("gmm  ACC 1.000 (1.000 with classes matched anew)  ARI 1.000  NMI 1.000\n")
    assert printed == json.loads(Path("run/evaluation_recog.json").read_text())
    assert printed["items"] == 50
    assert printed["known"] == {"images": 50, "words": 50}
    np.testing.assert_array_equal(np.loadtxt("run/module004_mlda/class_recog.txt", dtype=int), LABELS[order])
    assert Path("run/module004_mlda/acc_recog.txt").read_text() == "1\n"
    assert np.loadtxt("run/module002_vae/z_recog.txt").shape == (50, 2)
    assert Path("run/module003_gmm/confusion_recog.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.usefixtures("copy")
def test_classes_are_not_matched_to_other_data_anew(command):
    np.savez("wrong.npz", **{**ARRAYS, "labels": (LABELS + 1) % 3})

    modules = json.loads(command("evaluate", "run", "--data", "wrong.npz", "--json").out)["modules"]

    assert (modules["mlda"]["acc"], modules["mlda"]["acc_rematched"]) == (0, 1)


@pytest.mark.usefixtures("copy")
def test_what_was_said_of_other_data_before_goes(command):
    np.save("images.npy", IMAGES[:7])
    Path("run/module003_gmm/mine.txt").touch()
    command("evaluate", "run", "--without", "words")

    done = command("evaluate", "run", "--data", "images=images.npy")

    assert done.code == 0
    assert sorted(path.name for path in Path("run").rglob("*_recog.*")) == sorted(
        [*["Pdz_recog.txt", "class_recog.txt"] * 2, "evaluation_recog.json", "z_recog.txt", "x_hat_recog.txt"]
    )
    assert not list(Path("run").rglob("*.tmp"))
    assert Path("run/module003_gmm/mine.txt").exists()


@pytest.mark.usefixtures("copy")
def test_rows_can_be_missing_item_by_item(command):
    np.savez("whole.npz", **ARRAYS)
    there = np.arange(60) % 3 > 0
    np.save("there.npy", there.astype(np.uint8))
    np.savez("masks.npz", words=there, images=np.ones(60, bool))
    holes = WORDS.astype(float)
    holes[~there] = np.nan
    np.savez("holes.npz", **{**ARRAYS, "words": holes})

    ways = [
        ["--data", "whole.npz", "--known", "words=there.npy"],
        ["--known", "words=masks.npz", "--known", "images=masks.npz"],  # of the data it learned from
        ["--data", "holes.npz", "--missing", "nan"],
    ]
    found = [json.loads(command("evaluate", "run", *way, "--json", "-o", f"{len(way)}").out) for way in ways]

    assert all(one["known"] == {"images": 60, "words": 40} for one in found)
    assert all(one["modules"] == found[0]["modules"] for one in found)
    probabilities = np.loadtxt("4/module004_mlda/Pdz_recog.txt")
    run = load_run("run")
    by_both, by_images = (
        run.predict(**senses)["mlda"].probabilities
        for senses in ({"images": IMAGES, "words": WORDS}, {"images": IMAGES})
    )
    np.testing.assert_array_equal(probabilities.astype(np.float32), np.where(there[:, None], by_both, by_images))


def test_a_mask_with_the_key_of_its_sense_is_not_taken_for_it(tmp_path):
    masks = "  there: {file: masks.npz, key: images}\n"
    config = TINY.replace("key: images}", "key: images, known: there}").replace("modules:\n", f"{masks}modules:\n")
    (tmp_path / "tiny.yaml").write_text(config)
    np.savez(tmp_path / "pairs.npz", images=IMAGES)
    np.savez(tmp_path / "named.npz", images=IMAGES, there=LABELS > 0)

    plain, named = (
        choose(load_config(tmp_path / "tiny.yaml"), Request([str(tmp_path / file)]), without=()).sources
        for file in ("pairs.npz", "named.npz")
    )

    assert {name: (source.key, source.known) for name, source in plain.items()} == {"images": ("images", None)}
    assert {name: (source.key, source.known) for name, source in named.items()} == {
        "images": ("images", "there"),
        "there": ("there", None),
    }


@pytest.mark.usefixtures("copy")
def test_wide_arrays_go_to_npy_batch_by_batch(monkeypatch):
    monkeypatch.setattr(arrays, "MAX_TEXT_COLUMNS", 5)
    run = load_run("run")
    rows = np.arange(40.0).reshape(4, 10)

    with run.directory.predicted(6) as append:
        for batch in (rows, rows[:2]):
            append("module002_vae", {"x_hat": batch, "z": batch[:, :2]})

    np.testing.assert_array_equal(np.load("run/module002_vae/x_hat_recog.npy"), np.concatenate([rows, rows[:2]]))
    np.testing.assert_array_equal(np.loadtxt("run/module002_vae/z_recog.txt")[4:], rows[:2, :2])


@pytest.mark.usefixtures("copy")
def test_prediction_that_breaks_off_leaves_what_was_there(command):
    command("evaluate", "run", "--without", "words")
    before = {path: path.read_bytes() for path in Path("run").rglob("*_recog.*")}

    def break_off():
        with load_run("run").directory.predicted(60) as append:
            append("module002_vae", {"z": np.zeros((2, 2))})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()

    assert {path: path.read_bytes() for path in Path("run").rglob("*_recog.*")} == before
    assert not list(Path("run").rglob("*.tmp"))


@pytest.mark.usefixtures("copy")
def test_a_place_that_cannot_be_written(command):
    Path("there").mkdir()
    Path("there/module003_gmm").touch()

    done = command("evaluate", "run", "--without", "words", "-o", "there")

    place = "there/module003_gmm: cannot be written (not a folder)"
    assert (done.code, done.out) == (2, "")
    assert done.err == f"mmcli: error: {place}; mend that, then do it again (train with --resume)\n"


@pytest.mark.usefixtures("copy")
def test_a_sense_can_be_hidden_and_files_go_elsewhere(command):
    before = sorted(Path("run").rglob("*"))

    done = command("evaluate", "run", "--without", "images", "-o", "there")

    assert done.code == 0
    assert "mlda  ACC 1.000" in done.out
    assert json.loads(Path("there/evaluation_recog.json").read_text())["known"] == {"images": 0, "words": 60}
    assert sorted(Path("run").rglob("*")) == before


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize("header", [None, "", ",".join(f"pixel{column}" for column in range(12))])
def test_one_array_is_named_and_needs_no_labels(command, header):
    if header is None:
        np.save("images", IMAGES[:7])
        Path("images.npy").rename("images")
    else:
        np.savetxt("images", IMAGES[:7], delimiter=",", header=header, comments="")

    done = command("evaluate", "run", "--data", "images=images")

    assert done.out == "7 items, no labels to compare with; predictions are in run\n"
    np.testing.assert_array_equal(np.loadtxt("run/module004_mlda/class_recog.txt", dtype=int), LABELS[:7])
    assert not Path("run/module004_mlda/acc_recog.txt").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--data", "none.npz"], "--data none.npz: no such file"),
        (["--data", "image=a.npz"], "--data image=a.npz: no data image (did you mean images?)"),
        (
            ["--data", "a.npy"],
            "--data a.npy: none of images, words, kinds in it; a file of one array needs a name: --data NAME=FILE",
        ),
        (["--data", "x.npz"], "--data x.npz: none of images, words, kinds in it; it holds x, y"),
        (["--data", "."], "--data .: not a file"),
        (
            ["--data", "images=a.npy", "--data", "images=x.npz"],
            "--data images=x.npz: images is in --data images=a.npy too; name each once, sense by sense",
        ),
        (["--data", "kinds=x.npz"], "no input sense remains; give one of images, words"),
        (["--known", "words"], "--known words: must be NAME=FILE, such as speech=has_speech.npy"),
        (["--known", "word=a.npy"], "--known word=a.npy: no data word (did you mean words?)"),
        (
            ["--data", "images=a.npy", "--known", "kinds=a.npy"],
            "--known kinds=a.npy: kinds is neither a sense nor labels of these data; leave it out",
        ),
        (["--known", "words=none.npy"], "--known words=none.npy: no such file"),
        (["--missing", "0"], "Invalid value for '--missing': '0' is not 'nan'. (see `mmcli evaluate --help`)"),
        (["--test"], "--test: the run's config names no held-out data under test:; use --data"),
        (["--test", "--data", "x.npz"], "--data and --test exclude each other; leave one out"),
        (["--without", "word"], "--without word: no data word (did you mean words?)"),
        (["--without", "words", "--without", "images"], "no input sense remains"),
        (
            ["-o", "there"],
            "-o needs other data: --data, --test or --without; classes of the training data are in RUN_DIR",
        ),
    ],
)
def test_data_that_are_not_named_rightly(copy, command, options, text):
    np.save("a.npy", IMAGES)
    np.savez("x.npz", x=IMAGES, y=WORDS)

    done = command("evaluate", copy, *options)

    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {text}\n")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["--data", "mud.npz"],
            ("--data mud.npz: neither .npz, .npy, IDX, Parquet nor text; write it with numpy.savez or numpy.save"),
        ),
        (["--data", "cut.npz"], "--data cut.npz: cannot be read: File is not a zip file"),
        (
            ["--data", "narrow.npz"],
            (
                "--data narrow.npz: data.images: {}/narrow.npz: 11 columns, but the run learned from 12; "
                "make both in the same way"
            ),
        ),
        (
            ["--known", "words=short.npy"],
            "run/config.yaml:8:10: data.words: {data}: 60 rows, but --known words has 59",
        ),
        (
            ["--known", "words=none.npy", "--known", "images=none.npy"],
            (
                "run/config.yaml:7:11: data.images: {data}: item 0 (from 0) has none of its senses; "
                "leave it out of every array"
            ),
        ),
        (
            ["--known", "words=words.npy"],
            (
                "--known words=words.npy: {}/words.npy: 2 dimensions (60, 12); "
                "a mask has 1: a value an item, as array.all(axis=1) gives"
            ),
        ),
    ],
)
def test_data_that_do_not_fit_the_run(copy, trained, command, tmp_path, options, text):
    Path("mud.npz").write_bytes(b"\0mud")
    np.savez("whole.npz", **ARRAYS)
    Path("cut.npz").write_bytes(Path("whole.npz").read_bytes()[:500])
    np.savez("narrow.npz", images=IMAGES[:, 1:], words=WORDS)
    np.save("short.npy", np.ones(59))
    np.save("none.npy", np.zeros(60))
    np.save("words.npy", WORDS)

    done = command("evaluate", copy, *options)

    data = trained.run.parent.parent / "tiny.npz"
    assert (done.code, done.out, done.err) == (2, "", text.format(tmp_path, data=data) + "\n")


@pytest.mark.parametrize(
    "arguments", [["evaluate", "run", "--without", "words"], ["generate", "run", "--to", "images"]]
)
@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"status": "running"}, "run: this run has not finished; wait for it or, if it was killed, --resume it"),
        ({"status": "stopped"}, "run: this run was stopped; let it finish with --resume"),
        ({"status": "failed", "error": "gmm: NaN"}, "run: this run failed (gmm: NaN); train again"),
    ],
)
def test_a_run_that_never_finished(copy, command, arguments, facts, text):
    meta = json.loads((copy / "meta.json").read_text())
    (copy / "meta.json").write_text(json.dumps(meta | facts))

    done = command(*arguments, "-o", "out.npz")

    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {text}\n")
    with pytest.raises(UsageError, match=re.escape(text)):
        load_run("run")


def test_parameters_that_are_not_those_of_the_run(copy, command):
    params = copy / "module003_gmm/params.npz"
    params.write_bytes(params.read_bytes()[:-1])

    done = command("evaluate", copy, "--without", "images")

    assert (done.code, done.out) == (4, "")
    assert done.err.startswith(
        "mmcli: error: run/module003_gmm/params.npz: damaged run: its SHA-256 differs from the recorded one"
    )
    assert done.err.count("\n") == 1


def test_generate_writes_arrays_and_classes(copy, command):
    one_each = command("generate", copy, "--to", "images", "-o", "each.npz")
    command("generate", copy, "--to", "images", "-n", "2", "--sample", "-o", "two_each.npz")
    some = command("generate", copy, "--to", "images", "--class", "2", "-n", "4", "--sample", "-o", "some.npz")
    from_words = command("generate", copy, "--to", "images", "--from", "words", "-n", "5", "-o", "from.npz")

    assert (one_each.out, some.out, from_words.out) == ("each.npz\n", "some.npz\n", "from.npz\n")
    with np.load("each.npz") as each, np.load("some.npz") as several, np.load("from.npz") as made:
        np.testing.assert_array_equal(each["class"], [0, 1, 2])
        np.testing.assert_array_equal(each["images"].reshape(3, 3, 4).sum(-1).argmax(-1), [0, 1, 2])
        assert several["images"].shape == (4, 12)
        assert len(np.unique(several["images"], axis=0)) == 4
        np.testing.assert_array_equal(several["class"], [2, 2, 2, 2])
        assert made["images"].shape == (5, 12)
    with np.load("two_each.npz") as each, np.load("some.npz") as several:
        np.testing.assert_array_equal(each["class"], [0, 0, 1, 1, 2, 2])
        assert not np.isclose(each["images"][4:], several["images"][:2]).all(-1).any()  # each class has its own draws
    assert not Path("each.png").exists()  # 12 columns are no square


def test_images_lie_in_a_grid_of_as_many_a_row_as_is_said():
    images = np.random.default_rng(0).random((12, 3, 3))

    wide, tall = (image_panel("images", images, [], per_row) for per_row in (None, 4))

    assert [len(strip.pictures) for strip in wide.strips] == [10, 2]
    assert [len(strip.pictures) for strip in tall.strips] == [4, 4, 4]
    small, large = (imread(io.BytesIO(picture(panel))).shape for panel in (tall, wide))
    assert small[0] > large[0]
    assert small[1] < large[1]
    titled = image_panel("images", images, [str(number) for number in range(12)], 4)
    assert [strip.captions for strip in titled.strips][1] == ("4", "5", "6", "7")


def test_of_many_images_the_first_are_shown_from_their_least_value_to_their_largest():
    panel = image_panel("images", np.linspace(-1, 3, 500 * 4).reshape(500, 2, 2), [])

    assert [len(strip.pictures) for strip in panel.strips] == [20] * 20
    assert panel.note == "The first 400 are shown."
    assert panel.bounds == (-1, np.linspace(-1, 3, 2000)[1599])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--to", "image"], "no sense image (did you mean images?)"),
        (["--to", "images", "--class", "4"], "no class 4; mlda has 0, 1, 2"),
        (
            ["--to", "images", "--class", "1", "--from", "words"],
            "--class makes a sense from nothing else; leave out --data, --test and --from, or --class",
        ),
        (
            ["--to", "images", "--class", "1", "--known", "words=x.npy"],
            "--class makes a sense from nothing else; leave out --data, --test and --from, or --class",
        ),
        (["--to", "images", "--seed", "1"], "--seed changes nothing without --sample; add it, or leave --seed out"),
        (["--to", "images", "--from", "images"], "--from images: it is to be made; name other senses"),
        (["--to", "images", "--test"], "--test: the run's config names no held-out data under test:; use --data"),
    ],
)
def test_what_cannot_be_generated(copy, command, options, text):
    done = command("generate", copy, *options, "-o", "out.npz")

    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {text}\n")
    assert not Path("out.npz").exists()


def test_a_graph_learns_with_rows_missing_and_is_asked_about_held_out_data(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, words = IMAGES.copy(), WORDS.astype(float)
    images[::5] = np.nan
    words[2::5] = np.nan
    np.savez("tiny.npz", images=images, words=words, labels=LABELS)
    np.savez("held.npz", **{name: array[5:25] for name, array in ARRAYS.items()})
    keys = {"images": "images", "words": "words", "kinds": "labels"}
    test = "".join(f"  {name}: {{file: held.npz, key: {key}}}\n" for name, key in keys.items())
    config = TINY.replace("key: images}", "key: images, missing: nan}").replace(
        "key: words}", "key: words, missing: nan}"
    )
    Path("tiny.yaml").write_text(f"{config}test:\n{test}")

    done = command("train", "tiny.yaml", "-o", "run")
    acc = {
        name: float(Path(f"run/{folder}/acc_learn.txt").read_text())
        for name, folder in (("gmm", "module003_gmm"), ("mlda", "module004_mlda"))
    }

    assert done.code == 0, done.err
    assert acc == {"gmm": 1, "mlda": 1}
    np.testing.assert_array_equal(load_run("run").predict(images=IMAGES)["mlda"].classes, LABELS)
    held_out = json.loads(command("evaluate", "run", "--test", "--json").out)
    assert held_out["items"] == 20
    assert held_out["modules"]["mlda"]["acc"] == 1


@pytest.mark.usefixtures("copy")
def test_measures_by_own_inputs_alone_of_other_data(command):
    images = IMAGES.copy()
    images[:20] = images[20:40]  # a class that the other sense alone tells apart
    images[-1] = np.nan
    np.savez("other.npz", images=images, words=WORDS, labels=LABELS)

    modules = json.loads(command("evaluate", "run", "--data", "other.npz", "--missing", "nan", "--json").out)["modules"]

    names = np.loadtxt("run/module003_gmm/name_learn.txt", dtype=int)
    own = names[np.loadtxt("run/module003_gmm/Pdz_recog.txt")[:-1].argmax(1)]
    assert modules["gmm"]["own_acc"] == pytest.approx(np.mean(own == LABELS[:-1]))  # over those that have an image
    assert modules["gmm"]["own_acc"] < modules["gmm"]["acc"]
    assert modules["mlda"]["own_acc"] == modules["mlda"]["acc"]


@pytest.mark.usefixtures("copy")
def test_without_its_own_inputs_a_module_has_no_measures_by_them(command):
    np.savez("other.npz", words=WORDS, labels=LABELS)

    arguments = ("evaluate", "run", "--data", "other.npz", "--without", "images")
    modules = json.loads(command(*arguments, "--json").out)["modules"]

    assert (modules["gmm"]["own_acc"], modules["gmm"]["own_nmi"]) == (None, None)
    assert "own" not in command(*arguments).out
