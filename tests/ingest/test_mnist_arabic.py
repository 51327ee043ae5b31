"""`mmcli data fetch mnist-arabic`: what is made of files on disk and on the web, and what is left alone."""

import gzip
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from recordings import frames, mfccs, num_frames, write_mnist, write_spoken_digits
from web import answers, gives, served

from mmcli.data.formats.idx import read_idx
from mmcli.ingest import hac
from mmcli.ingest.fetch import mnist_arabic, sources
from mmcli.ingest.fetch.download import Fetcher, Patience
from mmcli.ingest.fetch.mnist import Images
from mmcli.ingest.fetch.spoken_digits import ARCHIVE, TEST, TRAIN, read_spoken_digits
from mmcli.ingest.fetch.transfer import Resource
from mmcli.ingest.hac import Streams, hac_features
from mmcli.util.user_cache import cache_folder

CONFIG = Path(__file__).parents[2] / "configs" / "mnist_arabic_uci.yaml"


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    """MNIST's files and UCI's, in two folders."""
    folder = tmp_path_factory.mktemp("on_disk")
    for name, write in (("mnist", write_mnist), ("arabic", write_spoken_digits)):
        (folder / name).mkdir()
        write(folder / name)
    return folder


@pytest.fixture(scope="module")
def parsed(on_disk):
    return read_spoken_digits(on_disk / "arabic")


@pytest.fixture
def fetch(parsed, command, on_disk, monkeypatch, tmp_path):
    """`mmcli data fetch mnist-arabic` of what is on disk, in a folder and with a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist_arabic, "PATIENCE", Patience(stall=20, pauses=(0, 0)))
    # These two texts are read once for all tests.
    read = {on_disk / "arabic": lambda _place: parsed}
    monkeypatch.setattr(sources, "read_spoken_digits", lambda place: read.get(place, read_spoken_digits)(place))

    def fetch(*options, mnist_dir=on_disk / "mnist", arabic_dir=on_disk / "arabic"):
        disk = [f"--mnist-dir={mnist_dir}"] if mnist_dir else []
        disk += [f"--arabic-dir={arabic_dir}"] if arabic_dir else []
        return command("data", "fetch", "mnist-arabic", *disk, *options)

    return fetch


@pytest.fixture(scope="module")
def made(on_disk, tmp_path_factory):
    """The tutorial's recipe, with rough codebooks, for tests that do not change it."""
    folder = tmp_path_factory.mktemp("made")
    told = []
    folders = {"mnist_dir": on_disk / "mnist", "arabic_dir": on_disk / "arabic"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hac, "KMEANS_SWEEPS", 3)  # they would be most of the time
        mnist_arabic.make(folder / "uci", "tutorial", 0, told.append, **folders, force=False)
    count = num_frames(TRAIN).reshape(10, 660)[:, :300].sum()
    assert told == [
        f"fitting codebooks to {count:,} frames of 3,000 training utterances",
        "3,000 training pairs, 1,000 held out, by other speakers and of other images",
    ]
    return folder / "uci"


@pytest.fixture
def quick(made, monkeypatch):
    """Codebooks that are there already, instead of fitted ones; what was to be fitted: seeds and utterances."""
    asked = []
    codebooks = Streams(**load(made / "codebooks.npz"))

    def remember(utterances, *, seed):
        asked.append((seed, utterances))
        return codebooks

    monkeypatch.setattr(mnist_arabic, "fit_codebooks", remember)
    return asked


@pytest.fixture
def mine(made, tmp_path):
    """A copy of what was made, the test's own to change."""
    return shutil.copytree(made, tmp_path / "uci")


def load(path):
    with np.load(path) as arrays:
        return dict(arrays)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


PARTS = [
    ("train", TRAIN, "train", 300, 0, 30),
    ("test", TEST, "t10k", 100, 66, 10),
]


# what is made


@pytest.mark.parametrize(("name", "text", "stem", "num_each", "first_speaker", "num_speakers"), PARTS)
def test_a_part_is_as_the_tutorial_has_it(made, on_disk, name, text, stem, num_each, first_speaker, num_speakers):
    part = load(made / f"{name}.npz")

    num_items = 10 * num_each
    item = np.arange(num_items)
    assert {key: (array.shape, array.dtype.str[1:]) for key, array in part.items()} == {
        "images": ((num_items, 784), "f4"),
        "speech": ((num_items, 2400), "u1"),
        "labels": ((num_items,), "i8"),
        "speakers": ((num_items,), "i8"),
        "utterance_indices": ((num_items,), "i8"),
        "image_indices": ((num_items,), "i8"),
    }
    np.testing.assert_array_equal(part["labels"], item % 10)
    np.testing.assert_array_equal(part["utterance_indices"], item % 10 * text.num_each + item // 10)
    np.testing.assert_array_equal(part["speakers"], first_speaker + item // 100)
    assert len(set(part["speakers"])) == num_speakers
    lengths = num_frames(text)[part["utterance_indices"]]
    np.testing.assert_array_equal(part["speech"].sum(axis=1)[lengths > 4], 6 * lengths[lengths > 4] - 21)
    # An image shows the bits of its index; it is of the digit that its utterance says.
    bits = part["images"][:, :16] @ 2 ** np.arange(16)
    np.testing.assert_array_equal(bits, part["image_indices"])
    assert set(np.unique(part["images"])) == {0, 1}
    assert len(set(part["image_indices"])) == num_items
    labels = read_idx(on_disk / "mnist" / f"{stem}-labels-idx1-ubyte")
    np.testing.assert_array_equal(labels[part["image_indices"]], part["labels"])


def test_speech_counts_the_codes_of_the_utterance(made):
    codebooks = Streams(**load(made / "codebooks.npz"))
    assert [codebook.shape for codebook in codebooks] == [(20, 13)] * 3
    lengths = num_frames(TRAIN)
    begun = lengths.cumsum() - lengths
    for row in (0, 1, 17, 2999):
        utterance = row % 10 * 660 + row // 10
        spoken = mfccs()[frames(TRAIN)[begun[utterance] : begun[utterance] + lengths[utterance]]]
        expected = hac_features([spoken], codebooks)[0]
        np.testing.assert_array_equal(load(made / "train.npz")["speech"][row], expected)


def test_the_folder_says_where_it_comes_from(made):
    facts = json.loads((made / "provenance.json").read_text())
    assert (facts["data"], facts["recipe"], facts["seed"], facts["zip"]) == ("mnist-arabic", "tutorial", 0, None)
    assert set(facts["sources"]) == {"mnist", "spoken_arabic_digit"}
    assert set(facts["made_with"]) == {"mmcli", "numpy", "scipy", "python"}
    readme = (made / "README.md").read_text()
    assert "--recipe tutorial --seed 0" in readme
    for licence in ("CC BY-SA 3.0", "CC BY 4.0", "10.24432/C52C9Q"):
        assert licence in readme
    listed = dict(reversed(line.split("  ")) for line in (made / "SHA256SUMS").read_text().splitlines())
    assert listed == {name: digest for name, digest in digests(made).items() if name != "SHA256SUMS"}


def test_the_shipped_config_takes_it(made, command, tmp_path):
    shutil.copytree(made, tmp_path / "data" / "mnist_arabic_uci")
    (tmp_path / "configs").mkdir()
    shutil.copy(CONFIG, tmp_path / "configs")

    done = command("check", tmp_path / "configs" / CONFIG.name)

    assert (done.code, done.err) == (0, "")


def test_all_utterances(fetch, quick, tmp_path, made):
    done = fetch("-o", "deep/full", "--recipe=full")

    assert (done.code, done.out) == (0, "deep/full\n")
    assert done.err.splitlines()[-1] == "6,600 training pairs, 2,200 held out, by other speakers and of other images"
    train, test = (load(tmp_path / "deep" / "full" / f"{name}.npz") for name in ("train", "test"))
    for part, text, first_speaker in ((train, TRAIN, 0), (test, TEST, 66)):
        assert sorted(part["utterance_indices"]) == list(range(text.num_utterances))
        assert len(set(part["image_indices"])) == text.num_utterances
        assert set(part["speakers"]) == set(range(first_speaker, first_speaker + text.num_each // 10))
    # Codebooks are fitted to all training utterances and no other.
    assert [len(utterance) for utterance in quick[0][1]] == num_frames(TRAIN)[train["utterance_indices"]].tolist()
    # The same seed pairs what both recipes have in the same way.
    tutorial = load(made / "train.npz")
    np.testing.assert_array_equal(train["image_indices"][:3000], tutorial["image_indices"])
    np.testing.assert_array_equal(train["speech"][:3000], tutorial["speech"])


def test_another_seed_pairs_otherwise(made):
    part, codebooks = load(made / "train.npz"), Streams(**load(made / "codebooks.npz"))
    labels = np.repeat(np.arange(10, dtype=np.uint8), 3)
    images = Images(np.zeros((30, 28, 28), np.uint8), labels)
    drawn = [
        mnist_arabic.make_part(TRAIN, part["utterance_indices"][:30], [mfccs()[:9]] * 30, images, codebooks, seed)
        for seed in (0, 0, 1)
    ]

    first, again, other = (part["image_indices"] for part in drawn)
    assert sorted(first) == sorted(other) == list(range(30))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# what is there already


def test_made_already(fetch, mine, tmp_path):
    before = digests(mine)

    for options in ({}, {"mnist_dir": None, "arabic_dir": None}):
        assert fetch("-o", mine, **options) == (0, f"{mine}\n", "made already, and intact\n")
    assert digests(mine) == before
    assert [path.name for path in tmp_path.iterdir()] == ["uci"]


REMEDY = "name another folder with -o, or set this one aside with --force"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--seed=1"], "holds data of another seed (0, not 1)"),
        (["--recipe=full"], "holds data of another recipe (tutorial, not full)"),
    ],
)
def test_made_in_another_way(options, reason, fetch, mine):
    # Said before the network is asked, which there is none of.
    done = fetch("-o", mine, *options, mnist_dir=None, arabic_dir=None)

    assert done == (2, "", f"mmcli: error: {mine}: {reason}; {REMEDY}\n")


def test_made_of_other_sources(fetch, mine):
    text = (mine / "provenance.json").read_text()
    other = text.replace(json.loads(text)["sources"]["mnist"], "0")
    sums = (mine / "SHA256SUMS").read_text()
    (mine / "provenance.json").write_text(other)
    (mine / "SHA256SUMS").write_text(sums.replace(*(hashlib.sha256(t.encode()).hexdigest() for t in (text, other))))

    assert fetch("-o", mine) == (2, "", f"mmcli: error: {mine}: holds data of other sources; {REMEDY}\n")


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_made_and_damaged(harm, fetch, mine):
    harm(mine / "test.npz")

    done = fetch("-o", mine, mnist_dir=None, arabic_dir=None)

    assert done == (2, "", f"mmcli: error: {mine}: test.npz is missing or was changed; {REMEDY}\n")


def test_force_makes_the_same_bytes_anew_and_sets_aside(fetch, quick, mine, tmp_path):
    before = digests(mine)
    (mine / "test.npz").write_bytes(b"")

    done = fetch("-o", mine, "--force")

    assert (done.code, done.out) == (0, f"{mine}\n")
    assert [seed for seed, _ in quick] == [0]
    assert digests(mine) == before
    assert (tmp_path / "uci.old-001" / "test.npz").read_bytes() == b""


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_mmcli_did_not_write_is_left_alone(force, fetch, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("mine")

    done = fetch("-o", "thesis", *force)

    reason = "thesis: holds what `mmcli data fetch` did not write; name another folder with -o"
    assert done == (2, "", f"mmcli: error: {reason}\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "thesis.tex"]


@pytest.mark.parametrize(
    ("place", "reason"), [("file/uci", "Not a directory"), ("/proc/uci", "No such file or directory")]
)
def test_a_place_that_cannot_be_written(place, reason, fetch, tmp_path):
    (tmp_path / "file").write_text("")

    # Said before the network is asked.
    done = fetch("-o", place, mnist_dir=None, arabic_dir=None)

    assert done == (2, "", f"mmcli: error: {place}: cannot be written ({reason}); name a place to write to with -o\n")


# what is not MNIST's or UCI's


def test_files_on_disk_that_are_not_there(fetch, tmp_path):
    (tmp_path / "empty").mkdir()

    assert fetch(arabic_dir="nowhere") == (2, "", "nowhere: no such file or folder\n")
    assert fetch(mnist_dir="nowhere") == (2, "", "nowhere: no such folder\n")
    what = "no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz"
    assert fetch(mnist_dir="empty") == (2, "", f"empty: {what}; it must hold the four files of MNIST\n")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.fixture
def mnist(on_disk, tmp_path):
    """A folder of links to MNIST's files, the test's own to change."""
    (tmp_path / "mnist").mkdir()
    for path in (on_disk / "mnist").iterdir():
        (tmp_path / "mnist" / path.name).symlink_to(path)
    return tmp_path / "mnist"


def cut_to(mnist, num_train, num_test):
    """Leave the first images of each part; the counts of each digit among them."""
    counts = []
    for stem, size in (("train", num_train), ("t10k", num_test)):
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
            path = mnist / f"{stem}-{kind}-ubyte"
            content = path.read_bytes()
            width = 28 * 28 if header == 16 else 1
            path.unlink()  # the link
            sizes = content[:4] + np.array([size], ">u4").tobytes() + content[8:header]
            path.write_bytes(sizes + content[header : header + width * size])
        counts.append(np.bincount(read_idx(mnist / f"{stem}-labels-idx1-ubyte"), minlength=10))
    return counts


@pytest.mark.usefixtures("quick")
def test_a_part_of_mnist_will_do(fetch, mnist, tmp_path):
    cut_to(mnist, 5000, 1500)

    done = fetch("-o", tmp_path / "made", mnist_dir=mnist)

    assert done.code == 0, done.err
    assert done.err.splitlines()[:2] == [
        "train: 5,000 of MNIST's 60,000 images are there, and are used",
        "t10k: 1,500 of MNIST's 10,000 images are there, and are used",
    ]
    with np.load(tmp_path / "made" / "train.npz") as part:
        assert part["labels"].tolist() == list(range(10)) * 300
        assert part["image_indices"].max() < 5000
        np.testing.assert_array_equal(
            read_idx(mnist / "train-labels-idx1-ubyte")[part["image_indices"]], part["labels"]
        )


def test_too_small_a_part_of_mnist_is_refused_before_long_work(fetch, mnist, monkeypatch):
    train, _ = cut_to(mnist, 2000, 1500)
    monkeypatch.setattr(mnist_arabic, "load_spoken_digits", None)  # it is not come to

    done = fetch(mnist_dir=mnist)

    digit = int(train.argmin())
    what = f"train: {train[digit]} images of the digit {digit}, where the recipe tutorial takes 300 of each"
    assert (done.code, done.err) == (2, f"{what}; bring more images of MNIST, or leave out --mnist-dir\n")


def test_images_and_labels_are_as_many(fetch, mnist, on_disk):
    cut_to(mnist, 5000, 1500)
    (mnist / "t10k-labels-idx1-ubyte").write_bytes((on_disk / "mnist" / "t10k-labels-idx1-ubyte").read_bytes())

    assert fetch(mnist_dir=mnist) == (
        2,
        "",
        "t10k: 1,500 images, but 10,000 labels; get both files from one place\n",
    )


def test_fashion_is_not_mnist(fetch, mnist):
    path = mnist / "train-labels-idx1-ubyte"
    path.unlink()
    path.write_bytes(b"\0\0\x08\x01" + np.array([60_000], ">u4").tobytes() + bytes(range(10)) * 6000)

    has, wants = " ".join(["6000"] * 10), "5923 6742 5958 6131 5842 5421 5918 6265 5851 5949"
    reason = f"labels 0, 1, ... come {has} times; in {path.name} of MNIST {wants} times"
    assert fetch(mnist_dir=mnist) == (2, "", f"{path}: {reason}\n")


def test_parts_that_are_mixed_up(fetch, mnist, on_disk):
    path = mnist / "t10k-images-idx3-ubyte"
    path.unlink()
    path.symlink_to(on_disk / "mnist" / "train-images-idx3-ubyte")

    reason = f"60000 x 28 x 28 values of type uint8; {path.name} of MNIST has 10000 x 28 x 28 of type uint8"
    assert fetch(mnist_dir=mnist) == (2, "", f"{path}: {reason}\n")


def test_a_file_that_is_no_idx(fetch, mnist):
    path = mnist / "t10k-labels-idx1-ubyte"
    path.unlink()
    path.with_name("t10k-labels.idx1-ubyte.gz").write_bytes(b"<html>")

    reason = "not IDX: it begins with 3c 68 74 6d, not with 00 00, a type and a rank"
    assert fetch(mnist_dir=mnist) == (2, "", f"{mnist}/t10k-labels.idx1-ubyte.gz: {reason}\n")


# what comes from the web


def test_no_network_is_one_line(fetch, monkeypatch):
    monkeypatch.setattr(sources, "MNIST_MIRRORS", ("http://127.0.0.1:1/mnist", "http://127.0.0.1:1/cvdf"))

    name, reason = "train-images-idx3-ubyte.gz", "(cannot be reached: Connection refused)"
    mirrors = ", ".join(f"http://127.0.0.1:1/{mirror}/{name} {reason}" for mirror in ("mnist", "cvdf"))
    remedy = "without a network, put the four files of MNIST in a folder and name it with --mnist-dir"
    assert fetch(mnist_dir=None) == (2, "", f"{name}: cannot be downloaded from {mirrors}; {remedy}\n")

    dead = Resource(ARCHIVE, (f"http://127.0.0.1:1/{ARCHIVE}",), most=1)
    monkeypatch.setattr(sources, "SPOKEN_DIGITS", dead)
    remedy = f"without a network, put {ARCHIVE} in a folder and name it with --arabic-dir"
    assert fetch(arabic_dir=None) == (
        2,
        "",
        f"{ARCHIVE}: cannot be downloaded from {dead.urls[0]} {reason}; {remedy}\n",
    )


def test_all_is_downloaded_once(fetch, quick, made, on_disk, monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    with served() as web:
        known = {}
        for name in sources.MNIST_FILES:
            content = gzip.compress((on_disk / "mnist" / name).read_bytes(), 1)
            known[name] = len(content), hashlib.md5(content).hexdigest()
            web.put(f"/first/{name}.gz", answers(404))
            web.put(f"/second/{name}.gz", gives(content))
        archive = tmp_path / "made.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for text in (TRAIN, TEST):
                file.write(on_disk / "arabic" / text.name, f"spoken+arabic+digit/{text.name}")
        url = web.put(f"/{ARCHIVE}", gives(archive.read_bytes()))
        monkeypatch.setattr(sources, "MNIST_FILES", known)
        monkeypatch.setattr(sources, "MNIST_MIRRORS", (f"{web.address}/first", f"{web.address}/second"))
        monkeypatch.setattr(sources, "SPOKEN_DIGITS", Resource(ARCHIVE, (url,), most=1 << 30))

        done = fetch("-o", "web", mnist_dir=None, arabic_dir=None)
        assert (done.code, done.out) == (0, "web\n")
        assert len(web.asked) == 9
        fetcher = Fetcher(cache_folder(), print, Patience())
        assert sources.load_mnist(None, fetcher).test.labels.shape == (10_000,)
        assert len(sources.load_spoken_digits(None, fetcher).test) == 2200
        assert len(web.asked) == 9

    lines = done.err.splitlines()
    name = "train-images-idx3-ubyte"
    assert lines[1] == f"downloading {name}.gz, {known[name][0] / 1e6:.1f} MB"
    assert lines[0] == f"{web.address}/first/{name}.gz: answers 404 Not Found"
    assert "\r" not in done.err
    assert "\x1b" not in done.err
    cached = {path.name for path in (tmp_path / "cache" / "mmcli").iterdir()}
    assert cached == {ARCHIVE, *(f"{name}.gz" for name in known)}
    facts, same = (json.loads((folder / "provenance.json").read_text()) for folder in (tmp_path / "web", made))
    assert facts == same | {"zip": hashlib.sha256(archive.read_bytes()).hexdigest()}
    for name in ("train.npz", "test.npz", "README.md"):
        assert digests(tmp_path / "web")[name] == digests(made)[name]
    assert len(quick) == 1
