"""Every bad file of the table: exit code 2 and one line that names the place and what to do."""

import errno
import os
from pathlib import Path

import pytest
from bad_files import BAD_FILES


@pytest.mark.parametrize("bad", BAD_FILES, ids=[bad.name for bad in BAD_FILES])
def test_a_bad_file_gives_one_line(bad, command, tmp_path, monkeypatch):
    tmp_path = Path(os.path.realpath(tmp_path))
    folder = tmp_path / "two" / "down"  # as far as an entry of an archive climbs
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    bad.lay_out(folder)
    open_file = Path.open

    def open_as_a_user(path, *arguments, **options):
        # The super-user may read what nobody may: here it may not.
        if path.name == "bad" and not path.stat().st_mode & 0o444:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_as_a_user)
    before = set(tmp_path.rglob("*"))

    done = command("check", "x.yaml")

    assert done.code == 2
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith(f"{bad.line}{os.path.realpath('bad')}:")
    assert bad.said in line
    assert set(tmp_path.rglob("*")) == before  # nothing is unpacked, nothing is run
