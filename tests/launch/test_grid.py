"""Seeds and grids of the command line."""

import sys

import pytest

from mmcli.launch.grid import parse_axes, parse_seeds, resolve


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("7", [7]), ("5, 1-2", [5, 1, 2]), ("4294967295", [4294967295])]
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("seeds", "error"),
    [
        ("a-3", "'a-3' is no seed and no range; write 0-19, or 3,5,8"),
        ("-1", "'-1' is no seed and no range; write 0-19, or 3,5,8"),
        ("1,,2", "'' is no seed and no range; write 0-19, or 3,5,8"),
        ("\u0661", "'\u0661' is no seed and no range; write 0-19, or 3,5,8"),
        ("9-2", "9-2 has its ends exchanged; write 2-9"),
        ("0-3,2", "2 is named twice"),
        ("4294967296", "a seed is at most 4294967295"),
        ("0-10000", "10001 seeds; a sweep has at most 10000 points"),
    ],
)
def test_seeds_that_are_none(config, command, seeds, error):
    done = command("sweep", config, f"--seeds={seeds}")

    assert (done.code, done.out) == (2, "")
    assert done.err == f"mmcli: error: --seeds {seeds}: {error}\n"


def test_values_of_a_grid_are_yaml():
    (axis,) = parse_axes(["a.b=[1, 2],'x, y', 1e-3,{c: 1}"])

    assert axis == ("a.b", ["[1, 2]", "'x, y'", "1e-3", "{c: 1}"])


@pytest.mark.parametrize(
    ("grid", "error"),
    [
        (["modules.gmm.num_clases=8"], "modules.gmm.num_clases=8: unknown key (did you mean num_classes?)"),
        (["modules.gm.num_classes=8"], "modules.gm.num_classes=8: no entry gm under modules (did you mean gmm?)"),
        (["x.y=8"], "x.y=8: no entry x; there are rounds, data, modules"),
        (["rounds=0,1"], "rounds=0: must be a whole number, at least 1 (got 0)"),
    ],
)
def test_a_key_or_a_value_that_is_none(config, command, grid, error):
    done = command("sweep", config, *(f"--grid={text}" for text in grid))

    assert (done.code, done.out, done.err) == (2, "", f"--grid {error}\n")


@pytest.mark.parametrize(
    ("grid", "error"),
    [
        (["rounds"], " rounds: must be KEY=VALUE,VALUE,..., such as modules.gmm.num_classes=8,10,12"),
        (["rounds="], " rounds=: must be KEY=VALUE,VALUE,..., such as modules.gmm.num_classes=8,10,12"),
        (["rounds=1,"], " rounds=1,: must be KEY=VALUE,VALUE,..., such as modules.gmm.num_classes=8,10,12"),
        (["rounds=1]"], " rounds=1]: must be KEY=VALUE,VALUE,..., such as modules.gmm.num_classes=8,10,12"),
        (["seed=1,2"], " seed=1,2: seeds are given by --seeds"),
        (["rounds=1", "rounds=2"], " rounds=2: rounds is in another --grid; name all its values in one"),
        (["rounds=2,2"], ": rounds=2 and rounds=2 are the same point; remove one"),
        (["modules.gmm.message_weight=1,1.0"], None),
    ],
)
def test_a_grid_that_is_none(config, command, grid, error):
    done = command("sweep", config, *(f"--grid={text}" for text in grid))

    message = (
        error or ": modules.gmm.message_weight=1 and modules.gmm.message_weight=1.0 are the same point; remove one"
    )
    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: --grid{message}\n")


def test_every_combination_comes_under_every_seed(config):
    axes = parse_axes(["modules.gmm.num_classes=2,3", "rounds=1,4"])

    points = resolve(str(config), axes, [5, 0], ["modules.gmm.sweeps=7"])

    assert [(*point.settings.values(), point.config.seed) for point in points] == [
        (classes, rounds, seed) for classes in (2, 3) for rounds in (1, 4) for seed in (5, 0)
    ]
    assert {point.config.modules["gmm"].options.sweeps for point in points} == {7}
    assert [point.config.modules["gmm"].options.num_classes for point in points[::4]] == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["x.yaml"], "a sweep needs --seeds or --grid; `mmcli train` trains one run"),
        (["x.yaml", "--status"], "--status: names the directory of a sweep, and x.yaml is none"),
        (["runs"], "runs: no directory of a sweep (no sweep.json in it)"),
        (["runs", "--seeds", "1"], "--seeds: runs is a sweep with points of its own; leave it out, or name a config"),
        (["runs", "--status", "--emit", "slurm"], "--status and --emit are mutually exclusive; choose one"),
        (["runs", "--json", "--csv"], "--json and --csv are mutually exclusive; choose one"),
        (["runs", "--emit", "slurm", "--fail-fast"], "--fail-fast: --emit trains nothing; leave it out"),
        (["runs", "--plot", "x.pdf"], "--plot x.pdf: draws .png and .svg; name a file that ends so"),
        (["-", "--seeds", "1"], "-: a sweep reads its config once for each combination; write it to a file"),
        (
            ["x.yaml", "--seeds", "1", "-o", "runs"],
            "runs: exists, and is no directory of a sweep; name another with -o",
        ),
        (
            ["x.yaml", "--seeds", "0-999", "--grid", "rounds=1,2,3,4,5,6,7,8,9,10,11"],
            "11000 points; a sweep has at most 10000: name fewer seeds or values",
        ),
    ],
)
def test_command_lines_that_are_refused(config, command, arguments, error):
    (config.parent / "runs/other").mkdir(parents=True)

    done = command("sweep", *arguments)

    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {error}\n")


def test_a_cluster_needs_its_package(config, command, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)

    done = command("sweep", config, "--seeds", "0", "--scheduler", "tcp://host:8786")

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == (
        "mmcli: error: --scheduler needs the package distributed: pip install distributed"
    )


def test_faults_of_config_and_data_come_before_anything_is_made(config, command, tmp_path):
    (tmp_path / "points.npy").unlink()

    done = command("sweep", config, "--seeds", "0-3")

    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "data.points" in done.err
    assert not (tmp_path / "runs").exists()
