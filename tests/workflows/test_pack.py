"""`mmcli pack`: one file that is read as the run that it was made of."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny import tiny_arrays

import mmcli
from mmcli.errors import DamagedRunError, UsageError
from mmcli.workflows.pack import pack


@pytest.fixture(scope="module")
def packed(trained, tmp_path_factory):
    """The tiny run in one file."""
    return pack(trained.run, tmp_path_factory.mktemp("packed") / "tiny.zip", licence="CC-BY-4.0")


@pytest.fixture
def changed(packed, tmp_path, monkeypatch):
    """Write a copy of the file in the working directory, some of its files changed, added, or (None) left out."""
    monkeypatch.chdir(tmp_path)

    def write(changes):
        with zipfile.ZipFile(packed) as before, zipfile.ZipFile("other.zip", "w") as after:
            contents = {name: before.read(name) for name in before.namelist()} | changes
            for name, content in contents.items():
                if content is not None:
                    after.writestr(name, content)
        return Path("other.zip")

    return write


def card_of(packed):
    with zipfile.ZipFile(packed) as file:
        return file.read("README.md").decode()


def test_a_packed_run_predicts_as_the_run_does(trained, packed):
    words = tiny_arrays()["words"]

    there, here = (mmcli.load_run(path).predict(words=words) for path in (trained.run, packed))

    assert [*there] == [*here] == ["gmm", "mlda"]
    for module, expected in there.items():
        np.testing.assert_array_equal(here[module].classes, expected.classes)
        np.testing.assert_array_equal(here[module].probabilities, expected.probabilities)


def test_it_names_itself_by_the_file(packed):
    assert repr(mmcli.load_run(packed)).startswith(f"<TrainedRun {packed}: 60 items; gmm ACC ")


def test_what_it_was_unpacked_to_is_deleted_with_it(packed):
    run = mmcli.load_run(packed)
    folder = run.directory.path
    assert (folder / "config.yaml").exists()

    del run

    assert not folder.exists()


def test_all_files_of_the_run_are_in_it_but_checkpoints(trained, packed):
    with zipfile.ZipFile(packed) as file:
        names = set(file.namelist())

    written = {str(path.relative_to(trained.run)) for path in trained.run.rglob("*") if path.is_file()}
    assert names - written == {"README.md"}
    assert all(name.startswith(("checkpoint/", "evaluation", "report/")) for name in written - names)


def test_equal_runs_give_equal_bytes(trained, packed, tmp_path):
    again = pack(trained.run, tmp_path / "tiny.zip", licence="CC-BY-4.0")

    assert again.read_bytes() == packed.read_bytes()


def test_unzipped_it_is_a_run_directory(packed, tmp_path):
    with zipfile.ZipFile(packed) as file:
        file.extractall(tmp_path / "run")

    assert mmcli.load_run(tmp_path / "run").history["mlda"]["round"].tolist() == [1, 2]


def test_the_card_has_data_figures_versions_and_licence(trained, packed):
    card = card_of(packed)
    _, header, body = card.split("---\n", 2)
    run = mmcli.load_run(trained.run)

    assert yaml.safe_load(header) == {
        "license": "CC-BY-4.0",
        "library_name": "mmcli",
        "tags": ["multimodal", "unsupervised"],
    }
    assert "# tiny.zip" in body
    assert "A model of images, words (vae, gmm, mlda), which learned from 60 items without labels." in body
    assert "| mlda | mlda | word, gmm | 0, 1, 2 |" in body
    (digest,) = run.directory.data_digests().values()
    assert f"| images | image | 12 | tiny.npz | {digest} |" in body
    assert "The labels kinds only measured: 0, 1, 2." in body
    assert f"| gmm | {run.history['gmm']['acc'][-1]:.4f} |" in body
    assert f"jax: {run.directory.meta()['versions']['jax']}" in body
    assert "Of the model: CC-BY-4.0. The data that it learned from have their own." in body


def test_without_a_licence_the_card_says_that_it_is_not_given(trained, tmp_path):
    card = card_of(pack(trained.run, tmp_path / "x.zip", description="Three kinds of words | and images."))

    assert card.startswith("---\nlicense: unknown\n")
    assert "Three kinds of words | and images.\n" in card
    assert "Of the model: not given." in card


def test_commands_read_it_and_write_nothing_into_it(packed, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("new.npz", **tiny_arrays())

    printed = command("evaluate", packed, "--data", "new.npz")
    written = command("evaluate", packed, "--data", "new.npz", "-o", "results")
    learned = command("evaluate", packed)

    assert "gmm  ACC " in printed.out
    assert f"{packed}: may only be read (packed in one file): results are printed, not written" in printed.err
    assert written.out == printed.out
    assert Path("results/evaluation_recog.json").exists()
    assert (learned.code, "gmm  ACC " in learned.out) == (0, True)


def test_the_command_prints_the_file_and_refuses_one_that_exists(trained, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    first, second = (command("pack", trained.run) for _ in range(2))
    twice = command("pack", first.out.strip(), "-o", "twice.zip")

    assert (first.code, first.out) == (0, f"{trained.run.name}.zip\n")
    assert (second.code, second.out) == (2, "")
    assert "exists already; remove it, or name another file with -o" in second.err
    assert "packed already; copy the file" in twice.err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"../evil.txt": b"x"}, "../evil.txt is no file of a run"),
        ({"/etc/evil.txt": b"x"}, "/etc/evil.txt is no file of a run"),
        ({"folder/evil.txt": b"x"}, "folder/evil.txt is no file of a run"),
        ({".evil": b"x"}, ".evil is no file of a run"),
        ({"config.yaml": None}, "no config.yaml in it"),
    ],
)
def test_files_that_no_run_has_are_refused(changed, changes, reason):
    with pytest.raises(DamagedRunError) as raised:
        mmcli.load_run(changed(changes))

    assert str(raised.value) == f"other.zip: no packed run, or a damaged one: {reason}"


def test_a_changed_file_is_noticed(changed):
    with pytest.raises(DamagedRunError) as raised:
        mmcli.load_run(changed({"history.jsonl": b""}))

    assert "other.zip/history.jsonl: damaged run: its SHA-256 differs" in str(raised.value)


def test_damage_of_the_zip_is_noticed(packed, tmp_path):
    content = bytearray(packed.read_bytes())
    content[len(content) // 3] ^= 255
    (tmp_path / "damaged.zip").write_bytes(content)

    with pytest.raises(DamagedRunError, match=r"damaged\.zip"):
        mmcli.load_run(tmp_path / "damaged.zip")


def test_a_zip_of_something_else_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros(3))
    (tmp_path / "x.npz").write_bytes(buffer.getvalue())

    with pytest.raises(DamagedRunError, match=r"x\.npz: no packed run, or a damaged one: no SHA256SUMS in it"):
        mmcli.load_run(tmp_path / "x.npz")


def test_errors_and_reports_name_the_file(packed, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    page = command("report", packed, "-o", "page")

    assert (page.code, page.out) == (0, "page/report.html\n")
    assert "<h1>tiny.zip</h1>" in Path("page/report.html").read_text()
    with pytest.raises(UsageError, match=r"tiny\.zip learned from no array of this name"):
        mmcli.load_run(packed, data={"images": np.zeros((60, 12))})
