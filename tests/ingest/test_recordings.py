"""Recordings that are shorter than they say, and whose full scale is in doubt."""

import struct

import numpy as np
import pytest
import soundfile

from mmcli.errors import DataError
from mmcli.ingest.recordings import read_sound
from mmcli.ingest.sound_headers import shortfall

RATE = 11025
SOUND = 0.5 * np.sin(np.arange(3000) ** 1.2 / 9)


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.wav", "PCM_16"), ("a.wav", "FLOAT"), ("a.aiff", "PCM_24"), ("a.au", "PCM_16"), ("a.caf", "PCM_16")],
)
def test_a_sound_that_is_shorter_than_its_header_says_is_refused(tmp_path, name, subtype):
    path = tmp_path / name
    soundfile.write(path, SOUND, RATE, subtype=subtype)
    assert shortfall(path) is None
    assert len(read_sound(path, RATE).samples) == 3000
    whole = path.read_bytes()
    path.write_bytes(whole[:-2000])

    lack = shortfall(path)

    assert lack is not None
    assert lack.promised - lack.present == 2000
    with pytest.raises(DataError, match=r"^cut short: its header promises [0-9]+ bytes of samples, [0-9]+ are there;"):
        read_sound(path, RATE)


@pytest.mark.parametrize(("name", "order"), [("RIFX", "BIG"), ("RF64", "FILE")])
def test_other_forms_of_wav_are_checked_too(tmp_path, name, order):
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND, RATE, format="RF64" if name == "RF64" else "WAV", endian=order)
    assert path.read_bytes()[:4] == name.encode()
    assert shortfall(path) is None

    path.write_bytes(path.read_bytes()[:-100])

    assert shortfall(path) is not None


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_header_that_a_pipe_left_open_promises_nothing(tmp_path, size):
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND, RATE, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(content)

    assert shortfall(path) is None


def test_a_header_that_ends_early_is_left_to_whoever_reads_it(tmp_path):
    for content in (b"", b"RIFF", b"RIFF" + bytes(8), b"RIFF" + bytes(8) + b"fmt \xff\xff\xff\x7f", b"fLaC"):
        (tmp_path / "a").write_bytes(content)
        assert shortfall(tmp_path / "a") is None


def test_a_flac_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, SOUND, RATE)
    path.write_bytes(path.read_bytes()[:-1500])

    with pytest.raises(DataError, match=r"^(cut short|cannot be read as sound)"):
        read_sound(path, RATE)


def test_a_cut_sound_is_listed_and_counted(command, tmp_path, monkeypatch):
    monkeypatch.setattr("mmcli.util.progress.SECONDS_A_LINE", 1e9)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sounds").mkdir()
    for name in ("a", "b", "c"):
        soundfile.write(f"sounds/{name}.wav", SOUND, RATE, subtype="PCM_16")
    content = (tmp_path / "sounds" / "b.wav").read_bytes()
    (tmp_path / "sounds" / "b.wav").write_bytes(content[:-1000])

    done = command("data", "hac", "sounds", "-o", "out.npz", "--codes", 2)

    assert done.code == 0
    assert done.err.splitlines()[:2] == [
        "sounds/b.wav: cut short: its header promises 6000 bytes of samples, 5000 are there; copy it again",
        "1 of 3 sounds left out",
    ]


def test_a_full_scale_that_is_in_doubt_is_said(command, tmp_path, monkeypatch):
    monkeypatch.setattr("mmcli.util.progress.SECONDS_A_LINE", 1e9)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sounds").mkdir()
    soundfile.write("sounds/a.wav", SOUND, RATE, subtype="PCM_16")
    soundfile.write("sounds/b.wav", SOUND * 32768, RATE, subtype="FLOAT")
    soundfile.write("sounds/c.wav", np.round(SOUND * 2**23).astype("i4"), RATE, subtype="PCM_32")  # not shifted
    soundfile.write("sounds/d.wav", (np.round(SOUND * 2**23) * 2**8).astype("i4"), RATE, subtype="PCM_32")

    done = command("data", "hac", "sounds", "-o", "out.npz", "--codes", 2)

    peak = f"{np.abs(SOUND * 32768).max():g}"
    beyond, few = done.err.splitlines()[:2]
    assert done.code == 0
    assert beyond.startswith(f"1 sound of floats beyond full scale, 1, up to {peak}; taken as written: divide")
    assert few.startswith("1 sound of 32 bits that use no more than 24 of them; taken as written, 48 dB too quiet if")
    np.testing.assert_allclose(read_sound(tmp_path / "sounds" / "d.wav", RATE).samples, SOUND, atol=1e-6)
