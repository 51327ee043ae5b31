"""What may go wrong below a run directory: links, pipes, full disks, two processes at once."""

import fcntl
import os
import subprocess
import sys

import pytest

from mmcli.errors import SaveError, UsageError
from mmcli.util import atomic
from mmcli.util.locks import locked

HOLD = """
import sys
from pathlib import Path
from mmcli.util.locks import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a run."""
    line = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_lock_refuses_a_second_process_and_names_the_first(tmp_path, holder):
    with pytest.raises(UsageError) as error, locked(tmp_path / "lock"):
        pass

    host = os.uname().nodename
    assert str(error.value) == f"{tmp_path}: in use by process {holder.pid} on {host}; wait for it, or stop it"


def test_a_lock_whose_holder_was_killed_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / "lock").exists()

    with locked(tmp_path / "lock") as is_held:
        assert is_held
        assert (tmp_path / "lock").read_text() == f"host {os.uname().nodename} pid {os.getpid()}\n"

    assert not (tmp_path / "lock").exists()


def test_what_a_lock_file_says_is_not_repeated_unread(tmp_path):
    path = tmp_path / "lock"
    path.write_text("host \x1b[31m pid 0\n")
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="in use by another process;"), locked(path):
            pass


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)

    with locked(tmp_path / "lock") as is_held:
        assert not is_held


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"here")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")

    assert atomic.read(tmp_path / "file") == b"here"
    assert atomic.read(tmp_path / "link") == b"here"
    assert atomic.digest(tmp_path / "link") == atomic.digest(tmp_path / "file")
    for name in ("pipe", "."):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            atomic.read(tmp_path / name)


def test_a_link_is_replaced_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")

    atomic.write(tmp_path / "file", b"new")

    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SaveError) as error:
        atomic.make_folder(tmp_path / "folder")

    assert str(error.value) == (
        f"{tmp_path}/folder: cannot be written (not a folder); mend that, then do it again (train with --resume)"
    )


def test_room_is_asked_for_before_anything_is_written(tmp_path):
    atomic.require_room(tmp_path / "a" / "b", 1)
    with pytest.raises(UsageError) as error:
        atomic.require_room(tmp_path / "a" / "b", 10**30)

    assert str(error.value).startswith(f"{tmp_path}/a/b: ")
    assert str(error.value).endswith("; free some, or name another place with -o")
    assert not (tmp_path / "a").exists()


def test_what_killed_writers_left_is_swept(tmp_path):
    for name in (".meta.json.17.tmp", ".keep", "meta.json"):
        (tmp_path / name).touch()

    atomic.sweep(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep", "meta.json"]
