"""Checkpoints as bytes, and the folder that keeps the last two."""

import hashlib
import json

import numpy as np
import pytest

from mmcli.errors import DamagedRunError, SaveError
from mmcli.runs.checkpoint import Checkpoint, pack, unpack
from mmcli.runs.checkpoints import Shelf

ARRAYS = {
    "work.key": np.arange(4, dtype=np.uint32),
    "states.vae.weights": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "states.gmm.labels": np.zeros((0, 2), np.int32),
    "states.gmm.trained": np.array(True),
    "states.mlda.mass": np.array(2.5, np.float64),
}


def checkpoint(updates=2, iterations=0):
    history = [{"round": 1, "bound": -1.5}] * updates
    config, facts, files = {"seed": 0, "modules": {}}, {"threads": 2}, {"m/a.txt": "00"}
    return Checkpoint(updates, iterations, ARRAYS, config, facts, history, files)


def sealed(header, data=b""):
    """Bytes that say what they like under a right SHA-256."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + data
    return content + hashlib.sha256(content).digest()


def test_what_is_packed_comes_back():
    unpacked = unpack(pack(checkpoint(iterations=3)))

    assert unpacked._replace(arrays={}) == checkpoint(iterations=3)._replace(arrays={})
    assert set(unpacked.arrays) == set(ARRAYS)
    for name, array in unpacked.arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_equal_checkpoints_are_equal_bytes():
    backwards = checkpoint()._replace(arrays=dict(reversed(ARRAYS.items())))

    assert pack(checkpoint()) == pack(backwards)


def test_every_changed_bit_and_every_cut_is_noticed():
    content = pack(checkpoint())

    for bit in range(0, 8 * len(content), 7):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r"^its SHA-256 differs from the recorded one$"):
            unpack(bytes(changed))
    for size in range(len(content)):
        with pytest.raises(ValueError, match=r"^its SHA-256"):
            unpack(content[:size])


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x80\x04pickle",
        b"[" * 100_000,
        [],
        {},
        {"__metadata__": {"checkpoint": "{}"}},
        {"__metadata__": {"checkpoint": "[]"}, "sha256": {}},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry()},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry(dtype="O")},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry(dtype=[])},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry(shape=[10**12, 10**12])},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry(shape=[-2], data_offsets=[8, 0])},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry(shape=[3])},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry(shape=[1] * 100 + [2])},
        {"__metadata__": {"checkpoint": "{}"}, "sha256": {}, "a": entry(data_offsets=[0])},
    ],
)
def test_a_false_checkpoint_under_a_right_sha256_is_no_checkpoint(header):
    with pytest.raises(ValueError, match=r"^not a checkpoint"):
        unpack(sealed(header, bytes(8)))


@pytest.mark.parametrize("version", [1, 5])
def test_another_version_is_not_read(version):
    other = {name: value for name, value in checkpoint()._asdict().items() if name != "arrays"} | {"version": version}

    with pytest.raises(ValueError, match=r"^not a checkpoint of version 4$"):
        unpack(sealed({"__metadata__": {"checkpoint": json.dumps(other)}, "sha256": {}}))


def test_the_last_two_are_kept(tmp_path):
    shelf = Shelf(tmp_path / "checkpoint")

    for updates, iterations in ((0, 0), (1, 0), (1, 7), (2, 0)):
        shelf.save(checkpoint(updates, iterations))

    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["000001-000007.safetensors", "000002-000000.safetensors"]
    last, problems = shelf.load()
    assert (last.updates, last.iterations, problems) == (2, 0, [])


def test_nothing_on_the_shelf(tmp_path):
    assert Shelf(tmp_path / "checkpoint").load() == (None, [])


@pytest.mark.parametrize("damage", ["cut", "link to nothing", "other moment"])
def test_a_damaged_one_falls_back_to_the_one_before(tmp_path, damage):
    shelf = Shelf(tmp_path)
    shelf.save(checkpoint(1))
    shelf.save(checkpoint(2))
    before, newest = tmp_path / "000001-000000.safetensors", tmp_path / "000002-000000.safetensors"
    match damage:
        case "cut":
            newest.write_bytes(newest.read_bytes()[:-1])
        case "link to nothing":
            newest.unlink()
            newest.symlink_to(tmp_path / "elsewhere")
        case _:
            newest.write_bytes(before.read_bytes())

    last, problems = shelf.load()

    assert last.updates == 1
    reason = {
        "cut": "its SHA-256 differs from the recorded one",
        "link to nothing": "[Errno 2] No such file or directory",
        "other moment": "it holds another moment than its name gives",
    }[damage]
    assert len(problems) == 1
    assert problems[0].startswith(f"{newest}: damaged ({reason}")


def test_all_are_damaged(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.save(checkpoint(1))
    path = tmp_path / "000001-000000.safetensors"
    path.write_bytes(b"mud")

    with pytest.raises(DamagedRunError) as error:
        shelf.load()

    assert str(error.value) == (
        f"{path}: damaged (its SHA-256 differs from the recorded one), and there is no other; "
        "--force sets the run aside and begins again"
    )


def test_one_that_does_not_come_back_is_an_error_and_the_others_stay(tmp_path, monkeypatch):
    shelf = Shelf(tmp_path)
    for updates in (1, 2):
        shelf.save(checkpoint(updates))
    monkeypatch.setattr("mmcli.util.atomic.read", lambda _: b"mud")

    with pytest.raises(SaveError) as error:
        shelf.save(checkpoint(3))

    assert "000003-000000.safetensors: cannot be written (it does not come back as it was written)" in str(error.value)
    monkeypatch.undo()
    (tmp_path / "000003-000000.safetensors").unlink()
    assert shelf.load()[0].updates == 2
