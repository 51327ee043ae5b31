"""Reconstructions that are computed as they are written against those that are computed with the update."""

from pathlib import Path

import numpy as np
from tiny import TINY, tiny_arrays

import mmcli
from mmcli.data.rows.streamed import StreamedRows
from mmcli.engine import late
from mmcli.runs.arrays import encoded


def test_files_are_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("tiny.npz", **tiny_arrays())
    Path("tiny.yaml").write_text(TINY)
    settings = ["modules.vae.epochs=2", "modules.mlda.anneal_sweeps=2"]

    runs = []
    for most in (late.LATE_VALUES, 0):
        monkeypatch.setattr(late, "LATE_VALUES", most)
        runs.append(mmcli.train("tiny.yaml", overrides=settings, rounds=2).directory.path)

    files = [{str(file.relative_to(run)): file.read_bytes() for file in run.glob("module*/*")} for run in runs]
    assert files[0].keys() == files[1].keys()
    for name, content in files[0].items():
        if "x_hat" in name:
            first, second = (np.loadtxt(run / name) for run in runs)
            np.testing.assert_allclose(second, first, rtol=1e-5)
        else:
            assert files[1][name] == content, name


def test_streamed_rows_are_written_as_an_array_is():
    rows = np.random.default_rng(0).normal(size=(50, 101))
    streamed = StreamedRows(rows.shape, rows.dtype, lambda size: (rows[i : i + size] for i in range(0, 50, size)))

    assert b"".join(encoded(streamed)) == b"".join(encoded(rows))
    doubled = streamed.mapped(lambda block: 2 * block, np.float64)
    assert b"".join(encoded(doubled)) == b"".join(encoded(2 * rows))
