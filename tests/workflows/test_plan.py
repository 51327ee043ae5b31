"""`mmcli check --resolved` and `--plan`: what a run would be, beside what one was."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from mmcli.config.reader import load_config
from mmcli.modules.spec import Kind
from mmcli.runs.checkpoint import DIGEST_SIZE
from mmcli.workflows.check import check
from mmcli.workflows.plan import PlannedEdge, plan

FACTOR = 1.5  # of the estimated size of a folder
FOLDERS = {"vae": "002_vae", "gmm": "003_gmm", "mlda": "004_mlda"}


@pytest.fixture(scope="module")
def planned(trained):
    """The plan of the run that `trained` is."""
    return plan(check(trained.run.parents[1] / "tiny.yaml"))


def test_the_plan_has_the_parameters_and_the_folders_of_the_run(planned, trained):
    params = {name: np.load(trained.run / f"module{place}/params.npz") for name, place in FOLDERS.items()}

    counted = {name: module.num_params for name, module in planned.modules.items()}

    assert counted == {
        "image": None,
        "word": None,
        "vae": sum(array.size for key, array in params["vae"].items() if key.startswith("params.")),
        "gmm": sum(array.size for key, array in params["gmm"].items() if key.startswith("params.")),
        "mlda": sum(array.size for key, array in params["mlda"].items() if key.startswith("topics.")),
    }
    # Rows of points; probabilities of this model are mostly 0 and 1, of one digit in text.
    folder = trained.run / "module002_vae"
    files = [path for path in folder.iterdir() if path.stem.split("_")[-1] in ("learn", "first")]
    held = sum(array.nbytes for array in params["vae"].values()) + sum(path.stat().st_size for path in files)
    assert held / FACTOR <= planned.modules["vae"].disk <= held * FACTOR


def test_checkpoints_are_as_large_as_planned(planned, trained):
    arrays = 0
    for path in (trained.run / "checkpoint").glob("*.safetensors"):
        content = path.read_bytes()
        arrays += len(content) - 8 - int.from_bytes(content[:8], "little") - DIGEST_SIZE

    assert arrays == planned.checkpoints


def test_messages_of_each_edge(planned):
    assert planned.edges == [
        PlannedEdge("image", "vae", Kind.POINTS, 12, False),
        PlannedEdge("vae", "gmm", Kind.POINTS, 2, True),
        PlannedEdge("word", "mlda", Kind.COUNTS, 12, False),
        PlannedEdge("gmm", "mlda", Kind.CATEGORICAL, 3, True),
    ]


def test_the_command_prints_the_plan_as_tables_and_as_json(command, tiny_config):
    tables = command("check", tiny_config, "--plan", "--rounds", 7)
    record = json.loads(command("check", tiny_config, "--plan", "--json", "--rounds", 7).out)

    assert (tables.code, tables.err) == (0, "")
    assert "sound; 60 items, 7 rounds, seed 0\n\nmodule  type         columns  parameters  memory" in tables.out
    assert "\nvae -> gmm    points       2        both\n" in tables.out
    assert record["rounds"] == 7
    assert record["modules"]["gmm"]["num_params"] == 3 + 3 * 2 + 3 * 2 * 2 + 3
    assert record["messages"][0] == {
        "parent": "image",
        "child": "vae",
        "kind": "points",
        "width": 12,
        "is_mutual": False,
    }
    assert record["disk"] > record["checkpoints"] > 0
    assert record["memory"] > 0.45e9


def test_the_resolved_config_has_every_default_and_what_the_command_line_sets(command, tiny_config):
    done = command("check", tiny_config, "--resolved", "--set", "modules.vae.epochs=3", "--seed", 4)
    full = tiny_config.parent / "sub/full.yaml"
    full.parent.mkdir()
    full.write_text(done.out)

    assert (done.code, done.err) == (0, "")
    assert load_config(full) == load_config(tiny_config, ["modules.vae.epochs=3"], seed=4)
    assert yaml.safe_load(done.out)["modules"]["gmm"]["prior_scale"] == 0.1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--resolved", "--plan"], "--resolved and --plan: ask for one of them"),
        (["--json"], "--json needs --plan"),
    ],
)
def test_options_that_do_not_go_together(command, options, line):
    done = command("check", Path("no.yaml"), *options)

    assert (done.code, done.out, done.err) == (2, "", f"mmcli: error: {line}\n")
