"""`mmcli data hac`: recordings of every kind, and the same columns for others by the codebooks of an earlier file."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmcli.ingest.cmvn import normalize
from mmcli.ingest.hac import fit_codebooks, hac_features
from mmcli.ingest.mfcc import MfccSettings, compute_mfcc
from mmcli.ingest.recordings import read_sound

BUNDLED = Path(__file__).parents[2] / "data" / "mnist_arabic"
RATE = 11025


def tone(pitch: float, seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    """A sound that changes, so that its frames differ; (samples,), half of full scale."""
    time = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * pitch * time * (1 + time))


def arrays_of(file: Path | str) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sounds in each of two sub-folders."""
    monkeypatch.chdir(tmp_path)
    for label, pitch in (("low", 200.0), ("high", 900.0)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for index in range(2):
            soundfile.write(tmp_path / "sounds" / label / f"{index}.wav", tone(pitch + 50 * index), RATE)
    return tmp_path / "sounds"


@pytest.fixture
def speakers(sounds: Path) -> list[str]:
    """Two sounds of each of two speakers, whose voices and distances differ, and a list of them."""
    for path in sounds.rglob("*.wav"):
        path.unlink()
    names = []
    for label, pitch in (("high", 900.0), ("low", 200.0)):
        for speaker, amplitude in (("anna", 1.0), ("ben", 0.5)):
            names.append(f"sounds/{label}/{label}_{speaker}_0.wav")
            soundfile.write(names[-1], amplitude * tone(pitch + 100 * amplitude), RATE)
    lines = [f"{name},{Path(name).parent.name},{Path(name).stem.split('_')[1]}" for name in names]
    Path("said.csv").write_text("\n".join(["path,label,speaker", *lines]))
    return names


def test_bundled_recordings_give_their_rows(command, tmp_path):
    done = command(
        *("data", "hac", BUNDLED / "examples", "--label-by", "name"),
        *("--codebooks", BUNDLED / "codebooks.npz", "-o", tmp_path / "made.npz"),
    )

    assert done.code == 0, done.err
    made = arrays_of(tmp_path / "made.npz")
    parts = [arrays_of(BUNDLED / name) for name in ("train.npz", "test.npz")]
    for path, row, label in zip(made["speech_paths"], made["speech"], made["labels"], strict=True):
        digit, speaker = Path(path).stem.split("-")
        assert label == int(digit)
        kept = [part["speech"][(part["speakers"] == speaker) & (part["labels"] == label)] for part in parts]
        assert (row == np.concatenate(kept)).all(axis=1).any(), path
    assert len(made["speech"]) == 20


@pytest.mark.usefixtures("sounds")
def test_sub_folders_are_labels_and_the_file_gives_others_its_columns(command):
    done = command("data", "hac", "sounds", "-o", "out.npz", "--codes", 4, "--lags", "3,1,2", "--coefficients", 6)

    assert done == (0, "out.npz\n", "out.npz: 4 sounds, 144 columns (4 codes, lags 3, 1, 2), 2 labels\n")
    out = arrays_of("out.npz")
    assert out["label_names"].tolist() == ["high", "low"]
    assert out["labels"].tolist() == [0, 0, 1, 1]
    assert out["speech_paths"].tolist() == [f"sounds/{name}.wav" for name in ("high/0", "high/1", "low/0", "low/1")]
    mfccs = [compute_mfcc(soundfile.read(path)[0], MfccSettings(coefficients=6)) for path in out["speech_paths"]]
    mfccs = normalize(mfccs, range(4))
    books = fit_codebooks(mfccs, num_codes=4)
    np.testing.assert_array_equal(out["speech"], hac_features(mfccs, books, (3, 1, 2)))
    assert out["speech"].dtype == np.uint8

    # A single other file, labelled by a list, in the columns and with the label numbers of the first.
    Path("more.csv").write_text("path,label\nsounds/low/1.wav,low\nsounds/high/0.wav,new\n")
    assert command("data", "hac", "more.csv", "-o", "more.npz", "--codebooks", "out.npz").code == 0
    more = arrays_of("more.npz")
    np.testing.assert_array_equal(more["speech"], out["speech"][[3, 0]])
    assert more["label_names"].tolist() == ["high", "low", "new"]
    assert more["labels"].tolist() == [1, 2]


def test_each_normalisation_is_of_its_frames_and_is_kept_by_the_codebooks(command, speakers):
    mfccs = [compute_mfcc(soundfile.read(path)[0]) for path in speakers]
    made_by = {
        "recording": normalize(mfccs, range(4)),
        "speaker": normalize(mfccs, ["anna", "ben", "anna", "ben"]),
        "none": mfccs,
    }
    for name, frames in made_by.items():
        done = command("data", "hac", "said.csv", "-o", f"{name}.npz", "--codes", 4, "--normalize", name)
        assert done.err == f"{name}.npz: 4 sounds, 96 columns (4 codes, lags 5, 2), 2 labels, 2 speakers\n"
        expected = hac_features(frames, fit_codebooks(frames, num_codes=4))
        np.testing.assert_array_equal(arrays_of(f"{name}.npz")["speech"], expected)

        assert command("data", "hac", "said.csv", "-o", "again.npz", "--codebooks", f"{name}.npz").code == 0
        np.testing.assert_array_equal(arrays_of("again.npz")["speech"], expected)

    done = command("data", "hac", "said.csv", "-o", "no.npz", "--codebooks", "speaker.npz", "--normalize", "recording")
    assert done.err == (
        "mmcli: error: --normalize recording: the codebooks of speaker.npz are for speaker; leave it out\n"
    )


def test_codebooks_of_before_normalisation_mean_none(command, speakers):
    assert command("data", "hac", *speakers, "-o", "none.npz", "--codes", 4, "--normalize", "none").code == 0
    arrays = arrays_of("none.npz")
    for name in ("hac_normalize", "hac_trim"):
        del arrays[name]
    np.savez("old.npz", **arrays)

    assert command("data", "hac", *speakers, "-o", "new.npz", "--codebooks", "old.npz").code == 0

    new = arrays_of("new.npz")
    np.testing.assert_array_equal(new["speech"], arrays["speech"])
    assert new["hac_normalize"] == "none"


def test_speakers_lengths_and_loudness_are_kept(command, speakers):
    options = ("--codes", 2, "--label-by", "name")
    assert command("data", "hac", *speakers, "-o", "name.npz", *options, "--speaker-by", "name").code == 0
    assert command("data", "hac", "sounds", "-o", "folder.npz", *options, "--speaker-by", "folder").code == 0

    out = arrays_of("name.npz")
    assert out["speakers"].tolist() == ["anna", "ben", "anna", "ben"]
    np.testing.assert_allclose(out["speech_seconds"], 0.3, rtol=1e-3)
    # A sine of amplitude a is 20 log10(a / sqrt 2) dB against full scale.
    np.testing.assert_allclose(out["speech_decibels"], [-9.03, -15.05, -9.03, -15.05], atol=0.05)
    assert arrays_of("folder.npz")["speakers"].tolist() == ["high", "high", "low", "low"]


def test_silence_at_the_ends_is_trimmed_and_counted(command, speakers):
    sound = soundfile.read(speakers[0])[0]
    silence = np.zeros(11008)  # 86 hops
    Path("long").mkdir()
    soundfile.write("long/1_anna.wav", np.concatenate([silence, sound, silence]), RATE)
    shutil.copy(speakers[1], "long/2_ben.wav")

    done = command("data", "hac", "long", "-o", "out.npz", "--codes", 2, "--trim", 30)

    assert done.err.splitlines()[-2] == "2.0 s of silence trimmed from 1 of 2 sounds"
    out = arrays_of("out.npz")
    np.testing.assert_allclose(out["speech_seconds"], 0.3, atol=2 * 256 / RATE)  # within a frame at each end
    assert out["hac_trim"] == 30
    done = command("data", "hac", "long", "-o", "no.npz", "--codebooks", "out.npz", "--trim", 40)
    assert done.err == "mmcli: error: --trim 40: the codebooks of out.npz are for 30; leave it out\n"


def test_what_is_too_short_when_trimmed_is_left_out(command, speakers):
    soundfile.write("click.wav", np.concatenate([np.zeros(8000), tone(300)[:300], np.zeros(8000)]), RATE)

    done = command("data", "hac", *speakers, "click.wav", "-o", "out.npz", "--codes", 2, "--trim", 30)

    assert re.search(r"click.wav: too short: [4-7]\d ms, where 6 frames take 81 ms\n1 of 5 sounds left out", done.err)


@pytest.mark.usefixtures("sounds")
def test_the_seed_decides_the_bytes(command):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert command("data", "hac", "sounds/*/*.wav", "-o", f"{name}.npz", "--codes", 8, "--seed", seed).code == 0
    a, b, c = (Path(f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c
    assert "labels" not in arrays_of("a.npz")


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [
        ("a.wav", "PCM_U8", 2**-7),
        ("a.wav", "PCM_16", 2**-15),
        ("a.wav", "PCM_24", 2**-23),
        ("a.wav", "PCM_32", 2**-31),
        ("a.wav", "FLOAT", 2**-24),
        ("a.wav", "DOUBLE", 2**-52),
        ("a.flac", "PCM_16", 2**-15),
        ("a.aiff", "PCM_24", 2**-23),
    ],
)
def test_any_width_of_sample_and_channels_are_averaged(tmp_path, name, subtype, step):
    left, right = tone(300), tone(500)
    soundfile.write(tmp_path / name, np.stack([left, right], axis=1), RATE, subtype=subtype)

    sound = read_sound(tmp_path / name, RATE).samples

    np.testing.assert_allclose(sound, (left + right) / 2, rtol=0, atol=step)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_any_rate_is_resampled(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(300, rate=rate), rate, subtype="FLOAT")

    sound = read_sound(tmp_path / "a.wav", RATE).samples

    assert abs(len(sound) - len(tone(300))) <= 1
    inner = slice(200, 3000)  # the filter begins and ends with silence
    np.testing.assert_allclose(sound[inner], tone(300)[inner], atol=2e-3)


@pytest.fixture
def bad_sounds(sounds: Path) -> dict[str, str]:
    """Sounds that cannot be used, and why, beside four that can."""
    folder = sounds / "low"
    (folder / "broken.wav").write_bytes(b"RIFF" + bytes(60))
    (folder / "nothing.wav").write_bytes(b"")
    soundfile.write(folder / "empty.wav", np.zeros(0), RATE)
    soundfile.write(folder / "silent.wav", np.full(9000, 0.25), RATE)
    soundfile.write(folder / "short.wav", tone(300)[:700], RATE)
    soundfile.write(folder / "nan.wav", np.full(9000, np.nan), RATE, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", tone(300), 50)
    (folder / "text.txt").write_text("left alone")
    (folder / "._0.wav").write_text("left alone")
    return {
        "broken": "cannot be read as sound: ",
        "empty": "empty",
        "nan": "holds NaN or infinity",
        "nothing": "cannot be read as sound: Format not recognised.",
        "short": "too short: 63 ms, where 6 frames take 81 ms",
        "silent": "silent",
        "slow": "damaged: a rate of 50 Hz",
    }


def test_what_cannot_be_used_is_listed_and_counted(command, bad_sounds):
    done = command("data", "hac", "sounds", "-o", "out.npz", "--codes", 4)

    assert done.code == 0
    note, hidden, *lines, count, made = done.err.splitlines()
    assert note == "sounds: 1 file skipped, of another kind: low/text.txt"
    assert hidden == "sounds: 1 file skipped, hidden: low/._0.wav"
    for line, (name, reason) in zip(lines, bad_sounds.items(), strict=True):
        assert line.startswith(f"sounds/low/{name}.wav: {reason}")
    assert count == "7 of 11 sounds left out"
    assert made == "out.npz: 4 sounds, 96 columns (4 codes, lags 5, 2), 2 labels"


@pytest.mark.usefixtures("bad_sounds")
def test_strict_writes_nothing(command):
    done = command("data", "hac", "sounds", "-o", "out.npz", "--codes", 4, "--strict")

    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines()[1] == "sounds/low/empty.wav: empty"
    assert done.err.splitlines()[-1] == "7 of 11 sounds cannot be used; mend them, or leave out --strict"
    assert not Path("out.npz").exists()


def test_a_log_has_lines_without_escape_codes(command, tmp_path, monkeypatch):
    monkeypatch.setattr("mmcli.util.progress.SECONDS_A_LINE", 0)
    monkeypatch.chdir(tmp_path)
    for index in range(5):
        soundfile.write(f"{index}.wav", tone(200 + 50 * index), RATE)

    done = command("data", "hac", ".", "-o", "out.npz", "--codes", 2)

    assert done.err.splitlines()[:5] == [f"reading sounds: {number} of 5" for number in range(1, 6)]
    assert "\x1b" not in done.err
    assert "\r" not in done.err


@pytest.mark.usefixtures("sounds")
def test_a_terminal_has_a_bar(command, monkeypatch):
    monkeypatch.setattr("mmcli.cli.streams.Log.isatty", lambda _: True)
    monkeypatch.setenv("TERM", "xterm")

    done = command("data", "hac", "sounds", "-o", "out.npz", "--codes", 2)

    assert done.code == 0
    assert "sounds" in done.err
    assert "4/4" in done.err


@pytest.mark.usefixtures("sounds")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "mmcli: error: gone: no such file or folder, and no file matches it as a pattern"),
        (["bare"], "mmcli: error: bare: holds no file that ends in .aif, .aiff, .au,"),
        (["two.csv"], "two.csv:2: a,b,c,d; a line is path,label,speaker, path,label or a path alone"),
        (["half.csv"], "sounds/low/1.wav: has no speaker, as 1 of 2 files; give all or none, in a list of path,label,"),
        (
            ["sounds", "--speaker-by", "name"],
            "sounds/high/0.wav: no speaker follows a - or _ in its name; name it as 3_anna_1 is, or choose another",
        ),
        (
            ["sounds", "--normalize", "speaker"],
            "mmcli: error: MFCCs are to be normalised over each speaker, and the speakers are unknown; name them by",
        ),
        (["sounds", "--trim", "-1"], "mmcli: error: Invalid value for '--trim': -1 is not in the range 0<=x<=120."),
        (["latin.csv"], "latin.csv: cannot be read as a list of path,label: 'utf-8' codec can't decode"),
        (["sounds", "sounds/low/0.wav"], "sounds/low/0.wav: named twice, with labels low and None; name it once"),
        (
            ["sounds", "loose.wav"],
            "loose.wav: has no label, as 1 of 5 files; put them into sub-folders, or leave all labels out by",
        ),
        (["loose.wav"], "HAC codebook of stream mfcc: 24 distinct frames for 40 codes; give more utterances or fewer"),
        (["sounds", "--lags", "5,5"], "mmcli: error: Invalid value for '--lags': '5,5' is not a list of different"),
        (["sounds", "--lags", "0"], "mmcli: error: Invalid value for '--lags': '0' is not a list of different whole"),
        (
            ["sounds", "--coefficients", "27"],
            "mmcli: error: 27 coefficients of 26 mel bands; ask for no more than that",
        ),
        (
            ["sounds", "--mel-bands", "200"],
            "mmcli: error: 36 of 200 mel bands are empty with 256 samples a frame at 11025 Hz; take fewer bands or",
        ),
        (
            ["sounds", "--codes", "1000", "--lags", ",".join(map(str, range(1, 91)))],
            "mmcli: error: --codes 1000: 4 sounds of 270000000 columns need 9 GB; take fewer codes or lags",
        ),
        (["sounds", "--codebooks", "gone.npz"], "gone.npz: no such file"),
        (["sounds", "--codebooks", "none.npz"], "none.npz: holds no codebooks: neither hac_mfcc, hac_delta and"),
        (["sounds", "--codebooks", "nan.npz"], "nan.npz: codebooks that hold NaN or infinity"),
        (["sounds", "--codebooks", "odd.npz"], "odd.npz: hac_normalize is no setting that mmcli wrote; make the file"),
        (["sounds", "--codebooks", "flat.npz"], "flat.npz: codebooks of shapes (3,), (3,), (3,); all have (codes,"),
        (
            ["sounds", "--codebooks", str(BUNDLED / "codebooks.npz"), "--codes", "40"],
            "codebooks.npz are for 20; leave it out",
        ),
        (["silent.wav"], "1 of 1 sounds cannot be used; there is nothing to write"),
        (["sounds", "-o", "out.txt"], "mmcli: error: out.txt: arrays go to an .npz; name it so"),
        (["sounds", "-o", "gone/out.npz"], "mmcli: error: gone/out.npz: there is no folder gone; make it first"),
    ],
)
def test_bad_input_is_refused_in_a_line(command, arguments, message):
    Path("bare").mkdir()
    Path("two.csv").write_text("path,label\na,b,c,d\n")
    Path("half.csv").write_text("sounds/low/0.wav,low,anna\nsounds/low/1.wav,low\n")
    Path("latin.csv").write_bytes(b"\xe9.wav,1\n")
    soundfile.write("loose.wav", tone(300), RATE)
    soundfile.write("silent.wav", np.zeros(9000), RATE)
    np.savez("none.npz", speech=np.ones(3))
    np.savez("nan.npz", **dict.fromkeys(("mfcc", "delta", "delta_delta"), np.full((2, 13), np.nan)))
    books = dict.fromkeys(("hac_mfcc", "hac_delta", "hac_delta_delta"), np.zeros((2, 13)))
    np.savez("odd.npz", **books, hac_normalize=np.array("word"))
    np.savez("flat.npz", **dict.fromkeys(("mfcc", "delta", "delta_delta"), np.ones(3)))

    options = [] if "--codes" in arguments or "--codebooks" in arguments else ["--codes", "40"]
    options += [] if "-o" in arguments else ["-o", "out.npz"]
    done = command("data", "hac", *arguments, *options)

    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1 + (arguments == ["silent.wav"])
    assert not Path("out.npz").exists()


@pytest.mark.usefixtures("sounds")
def test_the_extra_is_asked_for_by_name(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)

    done = command("data", "hac", "sounds", "-o", "out.npz")

    assert done == (2, "", "mmcli: error: sounds need librosa and soundfile: pip install librosa soundfile\n")


@pytest.mark.usefixtures("sounds")
def test_a_failed_write_leaves_the_older_file(command, monkeypatch):
    assert command("data", "hac", "sounds", "-o", "out.npz", "--codes", 2).code == 0
    before = Path("out.npz").read_bytes()
    shutil.copy("sounds/low/0.wav", "sounds/high/2.wav")
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("mmcli.util.atomic.os.fsync", lambda _: (_ for _ in ()).throw(full))

    done = command("data", "hac", "sounds", "-o", "out.npz", "--codes", 2)

    assert done.code == 2
    assert "out.npz: cannot be written (No space left on device)" in done.err
    assert Path("out.npz").read_bytes() == before
