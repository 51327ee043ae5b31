"""Which files a folder, a pattern or a list stands for: links are followed, and what is skipped is named."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmcli.errors import DataError, UsageError
from mmcli.ingest.discover import Item, list_items, number_labels

NOBODY = 65534


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two classes of a picture each, in a folder where anybody may write."""
    for label in ("cat", "dog"):
        draw(tmp_path / "photos" / label / "1.png")
    tmp_path.chmod(0o777)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def unprivileged(folder, command):
    """The super-user may read everything: for the test it is somebody else."""
    assert (folder / "photos").is_dir()
    for arguments in (["photos", "-o", "warm.npz"], ["gone", "-o", "warm.npz"]):
        command("data", "images", *arguments)  # imports what an other user may not be able to import
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(was)


def draw(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path)
    return path


def listed(*named, suffixes=(".png",), label_by="folder"):
    return list_items(named, suffixes, label_by)


def labels(listing):
    return {str(item.path): item.label for item in listing.items}


def test_a_linked_class_is_a_class(folder):
    draw(folder / "store" / "fox" / "deep" / "1.png")
    (folder / "photos" / "fox").symlink_to("../store/fox")

    found = listed("photos")

    assert labels(found) == {
        "photos/cat/1.png": "cat",
        "photos/dog/1.png": "dog",
        "photos/fox/deep/1.png": "fox",
    }
    assert (found.problems, found.notes) == ([], [])


def test_a_linked_folder_can_be_named_and_matched(folder):
    (folder / "other").symlink_to("photos")

    assert set(labels(listed("other"))) == {"other/cat/1.png", "other/dog/1.png"}
    assert set(labels(listed("o*/*/*.png"))) == {"other/cat/1.png", "other/dog/1.png"}
    assert set(labels(listed("**/*.png"))) == {"photos/cat/1.png", "photos/dog/1.png"}


def test_loops_and_second_ways_are_named_and_read_once(folder):
    (folder / "photos" / "again").symlink_to("..")
    (folder / "photos" / "cat" / "up").symlink_to("../../photos")
    # Before and after what they lead to by the alphabet.
    (folder / "photos" / "ant").symlink_to("dog")
    (folder / "photos" / "zoo").symlink_to("cat")

    found = listed("photos")

    # `again` leads to the folder around, which holds photos: this is not read a second time.
    assert labels(found) == {"photos/cat/1.png": "cat", "photos/dog/1.png": "dog"}
    assert found.problems == []
    assert set(found.notes) == {
        "photos/ant: a link to photos/dog, which is read; skipped",
        "photos/zoo: a link to photos/cat, which is read; skipped",
        "photos/cat/up: a link to photos, which is read; skipped",
        "photos/again/photos: a link to photos, which is read; skipped",
        "photos/again: holds no file that is read; skipped",
    }


def test_many_ways_to_one_folder_do_not_multiply(folder):
    for level in range(40):
        (folder / "deep" / str(level)).mkdir(parents=True)
        for name in ("a", "b"):
            (folder / "deep" / str(level) / name).symlink_to(f"../{level + 1}")
    draw(folder / "deep" / "40" / "1.png")

    assert len(listed("deep/0").items) == 1


@pytest.mark.parametrize("names", [("gone",), ("gone.png",)])
def test_a_link_to_nothing_is_listed(folder, names):
    for name in names:
        (folder / "photos" / name).symlink_to("nowhere")

    found = listed("photos")

    assert len(found.items) == 2
    assert found.problems == [
        f"photos/{name}: cannot be read: a link to nothing: No such file or directory" for name in names
    ]


def test_a_link_to_itself_is_listed(folder):
    (folder / "photos" / "self").symlink_to("self")

    assert listed("photos").problems == ["photos/self: cannot be read: Too many levels of symbolic links"]


@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("mode", [0o000, 0o644, 0o311])
def test_a_class_that_may_not_be_read_is_listed_counted_and_refused_if_strict(folder, command, mode):
    with_privilege(lambda: (folder / "photos" / "dog").chmod(mode))

    done = command("data", "images", "photos", "-o", "out.npz")

    # A folder that may be listed and not entered names its files.
    where = "photos/dog/1.png" if mode == 0o644 else "photos/dog"
    assert done.code == 0
    assert done.err == (
        f"{where}: cannot be read: Permission denied\n1 of 2 images left out\n"
        "out.npz: 1 image of 2x2 in gray, 4 columns, 1 label\n"
    )
    strict = command("data", "images", "photos", "-o", "strict.npz", "--strict")
    assert strict.code == 2
    assert strict.err.endswith("1 of 2 images cannot be used; mend them, or leave out --strict\n")
    assert not Path("strict.npz").exists()


def with_privilege(act):
    """Do what the owner of the files may."""
    euid = os.geteuid()
    if euid == NOBODY and os.getuid() == 0:
        os.seteuid(0)
    act()
    os.seteuid(euid)


@pytest.mark.usefixtures("unprivileged")
def test_a_file_that_may_not_be_read_is_listed(folder, command):
    with_privilege(lambda: (folder / "photos" / "dog" / "1.png").chmod(0))

    done = command("data", "images", "photos/*", "-o", "out.npz")

    assert done.code == 0
    assert done.err.splitlines()[0].startswith("photos/dog/1.png: cannot be read as an image: [Errno 13]")
    assert "1 of 2 images left out" in done.err


@pytest.mark.usefixtures("unprivileged")
def test_a_pattern_does_not_pass_over_what_may_not_be_read(folder):
    with_privilege(lambda: (folder / "photos" / "dog").chmod(0))

    for pattern in ("photos/*/*.png", "**/*.png"):
        found = listed(pattern)
        assert list(labels(found)) == ["photos/cat/1.png"]
        assert found.problems == ["photos/dog: cannot be read: Permission denied"]
    with_privilege(lambda: (folder / "photos" / "dog").chmod(0o644))
    found = listed("photos/*/*")
    assert list(labels(found)) == ["photos/cat/1.png"]
    assert found.problems == ["photos/dog/1.png: cannot be read: Permission denied"]


@pytest.mark.usefixtures("unprivileged")
def test_nothing_but_the_unreadable_is_an_error_that_names_it(folder, command):
    with_privilege(lambda: (folder / "photos").chmod(0))

    done = command("data", "images", "photos", "-o", "out.npz")

    assert done.code == 2
    assert "photos: cannot be read: Permission denied\n" in done.err
    assert done.err.endswith("nothing can be read; there is nothing to write\n")
    inside = command("data", "images", "photos/cat", "-o", "out.npz")
    assert (inside.code, inside.err) == (2, "mmcli: error: photos/cat: cannot be read: Permission denied\n")
    with_privilege(lambda: (folder / "photos").chmod(0o755))


@pytest.mark.usefixtures("folder")
def test_a_folder_that_fails_while_it_is_listed_is_named(monkeypatch):
    scandir = os.scandir

    def fail(place):
        if str(place).endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", fail)

    assert listed("photos").problems == ["photos/dog: cannot be read: Permission denied"]


@pytest.mark.usefixtures("folder")
def test_a_name_that_is_not_utf8_is_listed():
    Path(os.fsdecode(b"photos/caf\xe9")).mkdir()
    Path(os.fsdecode(b"photos/cat/\xff.png")).write_bytes(b"")

    found = listed("photos")

    assert len(found.items) == 2
    assert sorted(found.problems) == [
        "photos/caf\\udce9: its name is not UTF-8; rename it",
        "photos/cat/\\udcff.png: its name is not UTF-8; rename it",
    ]


def test_what_is_passed_over_is_counted_and_named(folder):
    for name in ("a.txt", "dog/b.md", ".DS_Store", ".git/c.png", "cat/d.PNG"):
        draw(folder / "photos" / "x.png").rename(folder / "photos" / Path(name).name)
        (folder / "photos" / name).parent.mkdir(exist_ok=True)
        (folder / "photos" / Path(name).name).rename(folder / "photos" / name)
    (folder / "photos" / "empty").mkdir()

    found = listed("photos")

    assert "photos/cat/d.PNG" in labels(found)
    assert found.notes == [
        "photos/empty: holds no file that is read; skipped",
        "photos: 2 files skipped, of another kind: a.txt, dog/b.md",
        "photos: 2 files skipped, hidden: .DS_Store, .git",
    ]


def test_labels_that_differ_in_case_are_named(folder):
    draw(folder / "photos" / "Cat" / "1.png")

    assert listed("photos").notes == ["labels Cat, cat differ in nothing but case"]


def test_labels_that_are_one_number_are_refused():
    with pytest.raises(DataError) as caught:
        number_labels([Item(Path("a"), "07"), Item(Path("b"), "7")])

    assert str(caught.value) == "labels 07 and 7 are one number; name them alike, or by words"
    beyond = number_labels([Item(Path("a"), str(2**63)), Item(Path("b"), str(2**63 + 1))])
    assert beyond.names == [str(2**63), str(2**63 + 1)]


def test_home_and_variables_are_expanded_where_no_shell_did(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PHOTOS", str(folder / "photos"))
    Path("list.csv").write_text("~/photos/cat/1.png,a\n$PHOTOS/dog/1.png,b\n")

    for text in ("~/photos", "$HOME/photos", "${PHOTOS}", "~/photos/*/*.png", "list.csv"):
        assert len(listed(text).items) == 2, text
    draw(folder / "$HOME" / "1.png")
    assert set(labels(listed("$HOME"))) == {"$HOME/1.png"}
    with pytest.raises(UsageError, match="no home folder is known for it; write the path out"):
        listed("~nobody-of-that-name/x")


@pytest.mark.usefixtures("folder")
def test_a_list_may_be_of_semicolons():
    Path("list.csv").write_text("path;label\nphotos/cat/1.png;a\nphotos/dog/1.png;b\n")

    assert labels(listed("list.csv")) == {"photos/cat/1.png": "a", "photos/dog/1.png": "b"}
