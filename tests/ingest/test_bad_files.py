"""Every bad file of the table of `check`: no command of `mmcli data` has a fault of its own because of one."""

import numpy as np
import pytest
from bad_files import BAD_FILES


@pytest.mark.parametrize("bad", BAD_FILES, ids=[bad.name for bad in BAD_FILES])
def test_a_bad_file_is_no_fault_of_mmcli(bad, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad.lay_out(tmp_path)
    np.savez("other.npz", other=np.ones((4, 1)))

    for arguments in (
        ("show", "bad", "--json"),
        ("show", "bad", "--plot", "bad.png"),
        ("pair", "bad", "other.npz", "-o", "out.npz", "--by", "row"),
        ("images", "bad", "-o", "out.npz"),
        ("images", "bad", "-o", "out.npz", "--size", 4, "--color"),
        ("hac", "bad", "-o", "out.npz"),
        ("hac", "bad", "--codebooks", "bad", "-o", "out.npz"),
    ):
        done = command("data", *arguments)

        assert done.code in {0, 2}, (arguments, done.err)
        assert "Traceback" not in done.err
        if done.code == 2:
            assert done.err.startswith(("bad:", "bad and other.npz: ", "mmcli: error: ")), (arguments, done.err)
