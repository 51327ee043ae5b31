"""A type whose reports, trace and objective are none of mmcli's own names, from a config to the report."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from toys import GROUPS

from mmcli import load_run
from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.report.course import rounds_section
from mmcli.report.findings import read_findings
from mmcli.runs.reader import RunFiles

CONFIG = """\
seed: 0
rounds: 2
data:
  images: {file: tiny.npz, key: images}
  words:  {file: tiny.npz, key: words}
  kinds:  {file: tiny.npz, key: labels}
modules:
  image:  {type: observation, data: images}
  word:   {type: observation, data: words}
  groups: {type: groups, inputs: [image], num_groups: 3, labels: kinds}
  mlda:   {type: mlda, inputs: [word, groups], num_classes: 3, sweeps: 2, anneal_sweeps: 4, restarts: 2}
"""


@pytest.fixture
def config(register, tiny_config, monkeypatch) -> Path:
    register(GROUPS)
    tiny_config.write_text(CONFIG)
    monkeypatch.chdir(tiny_config.parent)
    return tiny_config


@pytest.fixture
def run(config, command) -> Path:
    """A finished run."""
    done = command("train", config, "-o", "run")
    assert done.code == 0, done.err
    return Path("run")


def test_a_run_has_what_the_spec_declares(run):
    folder = run / "module002_groups"

    assert {path.name for path in folder.iterdir()} == {
        *("group_learn.txt", "group_first.txt", "share_learn.txt", "place_learn.txt", "place_first.txt"),
        *("centres_learn.txt", "distortion_learn.txt", "acc_learn.txt", "name_learn.txt", "params.npz"),
    }
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [line["bound"] is None for line in lines] == [True, False] * 2
    assert all(line["acc"] > 0.5 for line in lines if line["module"] == "groups")
    assert load_run(run).predict(images=np.zeros((2, 12)))["groups"].probabilities.shape == (2, 3)


def test_updates_without_an_objective_are_shown_without_one(config, command):
    done = command("train", config)

    assert re.search(r"^round 1/2  groups  ACC \d\.\d{3}    \d", done.err, re.MULTILINE)
    assert re.search(r"^round 1/2  mlda               bound -", done.err, re.MULTILINE)


def test_evaluation_and_generation_ask_for_roles(run, command):
    assert command("evaluate", run).out.startswith("groups  ACC ")
    assert "groups  ACC " in command("evaluate", run, "--data", "tiny.npz").out
    assert (run / "module002_groups" / "group_recog.txt").exists()
    made = command("generate", run, "--to", "images", "--from", "words", "--data", "tiny.npz", "-o", "made.npz")
    assert made.code == 0, made.err


def test_the_report_draws_trace_and_classes_by_the_spec(run, command):
    graph = build_graph(load_config(run / "config.yaml"))
    findings = read_findings(RunFiles(run), graph, None)
    panels = {panel.name: panel for panel in rounds_section(findings, graph).panels}

    assert {"bound-groups", "loss-groups"} & panels.keys() == set()
    trace = panels["trace-groups"]
    assert trace.title == "groups: distance to the centres in the last update"
    assert trace.y_label == "squared pixels"
    assert trace.note == "In squared pixels, as the module records it while it iterates; lower is better."
    assert panels["bound-mlda"].title == "mlda: evidence lower bound"
    assert findings.classes["groups"].found.shape == findings.classes["groups"].first.shape == (60,)
    assert findings.latents["groups"].first.shape == (60, 12)
    assert command("report", run).code == 0


@pytest.mark.parametrize("name", ["check", "train"])
def test_options_beyond_what_a_type_can_do_are_refused_before_anything_is_computed(config, command, name):
    config.write_text(CONFIG.replace("num_groups: 3", "num_groups: 13"))

    done = command(name, config)

    assert done.code == 2
    assert done.err == (f"{config}:10:55: modules.groups.num_groups: at most one for each column of the input: 12\n")


def test_reports_that_are_not_declared_stop_a_run_before_they_are_written(config, command, register):
    register(dataclasses.replace(GROUPS, build="broken:undeclared"))

    done = command("train", config, "-o", "run")

    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "mmcli: error: module groups: type groups reports colour, not declared in its spec; "
        "add it to the spec's reports"
    )
    assert not list(Path("run").glob("module*_groups/*"))


def test_mathematics_that_cannot_be_imported_is_named(config, command, register):
    register(dataclasses.replace(GROUPS, build="toys:nothing"))

    done = command("train", config, "-o", "run")

    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "mmcli: error: type groups: toys:nothing cannot be imported: module 'toys' has no attribute 'nothing'"
    )
